"""What the journal gives out: records of events, contexts, and stretches of activity."""

from dataclasses import dataclass
from datetime import datetime

from har_stream.mqtt.messages import ActivityEvent

CameraKey = tuple[str, str]
"""Node and camera."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a camera's events are known.

    Attributes:
        is_new: Whether the event at hand was new; False for a duplicate, which changed nothing.
        contiguous_seq: The journal holds every event of this camera up to this one.
        has_gap: It also holds later ones: events between are missing.
    """

    is_new: bool
    contiguous_seq: int
    has_gap: bool


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """An event as the journal keeps it, with the wall-clock time of its arrival."""

    event: ActivityEvent
    received_at: datetime

    @property
    def happened_at(self) -> datetime:
        """The instant of the change: a start, or the end where the event reports one."""
        return self.event.ended_at or self.event.started_at


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a step of deleting by age did.

    Attributes:
        n_deleted: Events that it deleted.
        n_doubtful: Events that are old by the home's time, and stay: they have not been here for so
            long.
    """

    n_deleted: int
    n_doubtful: int


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """When an event happened by its camera's clock, and arrived by ours; no more of it.

    Attributes:
        id: The event's.
        camera: Its camera.
        seq: Its number.
        at: When it happened.
        wall: When it arrived.
    """

    id: str
    camera: CameraKey
    seq: int
    at: datetime
    wall: datetime


@dataclass(frozen=True, slots=True)
class ContextValue:
    """A context topic's value since an instant."""

    name: str
    value: float | str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Bout:
    """One stretch of an activity as it was seen, or as somebody corrected it.

    Attributes:
        activity: Its label.
        room: Where it began; ``None`` where nobody said.
        started_at: Its start.
        ended_at: Its end; ``None`` while it runs.
        camera: Which camera saw it.
        confidence: How sure the recogniser was; ``None`` where a person said it.
    """

    activity: str
    room: str | None
    started_at: datetime
    ended_at: datetime | None
    camera: CameraKey
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person says that really happened in front of a camera for a while.

    Attributes:
        id: Keeps it once.
        camera: In front of which camera.
        activity: What it was; ``idle`` for nobody, ``unknown`` for nothing that has a name.
        started_at: From when.
        ended_at: Until when, not included.
        corrected_at: When it was said; of two that overlap, the later holds.
        undone_at: When it was taken back; ``None`` while it holds.
    """

    id: str
    camera: CameraKey
    activity: str
    started_at: datetime
    ended_at: datetime
    corrected_at: datetime
    undone_at: datetime | None = None
