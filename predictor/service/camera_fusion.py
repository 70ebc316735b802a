"""One home from several cameras: which camera's activity counts, as observations of residents.

Pure. The activity of a place is that of its camera that last reported one; with all idle it is
idle. Where one person lives alone all of the home is one place, otherwise each room is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.records import CameraKey
from predictor.outlook import Observation

MAX_STATES = 1000
"""Whoever may publish can invent cameras; of so many a state is remembered."""


@dataclass(frozen=True, slots=True)
class ActivityEnd:
    """A place's activity ended, and no known one has followed yet."""

    at: datetime


@dataclass(slots=True)
class CameraFusion:
    """What every camera of a place sees; the last one to report an activity comes last."""

    _running: dict[CameraKey, Observation] = field(default_factory=dict)
    _idle: dict[CameraKey, str] = field(default_factory=dict)

    @property
    def seen_by(self) -> tuple[CameraKey, Observation] | None:
        """What goes on, and whose camera reported it last; ``None`` where nothing known does."""
        return next(reversed(self._running.items()), None)

    @property
    def activity(self) -> str:
        """The place's activity, ``idle``, or ``unknown``: also before any camera has spoken."""
        last = self._last()
        if last is not None:
            return last.activity
        return IDLE if self._idle and UNKNOWN not in self._idle.values() else UNKNOWN

    def take_event(self, event: ActivityEvent, *, at: datetime) -> Observation | ActivityEnd | None:
        """Take in a camera's change.

        Args:
            event: The change.
            at: When it counts as having happened, never before an earlier one.

        Returns:
            What it means for the place; ``None`` where all goes on as before.
        """
        camera = (event.node, event.camera)
        before = self._last()
        self._running.pop(camera, None)
        if event.event_type == "activity_ended" or event.activity in (IDLE, UNKNOWN):
            self._idle[camera] = UNKNOWN if event.activity == UNKNOWN else IDLE
        else:
            self._running[camera] = Observation(
                activity=event.activity,
                started_at=at,
                room=event.room,
                probabilities=event.probabilities or None,
            )
        now = self._last()
        if before is not None and now is None:
            return ActivityEnd(at)
        goes_on = before and now and (before.activity, before.room) == (now.activity, now.room)
        return None if goes_on or now is None else replace(now, started_at=at)

    def note_state(self, camera: CameraKey, activity: str) -> None:
        """Take in what a camera's state says: ``unknown`` is no event, only a state."""
        is_known = camera in self._idle or len(self._idle) < MAX_STATES
        if activity in (IDLE, UNKNOWN) and is_known:
            self._idle[camera] = activity

    def _last(self) -> Observation | None:
        return self._running[next(reversed(self._running))] if self._running else None


class Places:
    """What goes on at every place of a home.

    Args:
        n_residents: Of several residents, each room is a place: one at most is seen there.
    """

    def __init__(self, n_residents: int = 1) -> None:
        self._is_one = n_residents == 1
        self._fusions: dict[str, CameraFusion] = {}
        self._place_of: dict[CameraKey, str] = {}

    @property
    def activity(self) -> str:
        """An activity that goes on somewhere, ``idle``, or ``unknown``."""
        told = [fusion.activity for fusion in self._fusions.values()]
        doing = [activity for activity in told if activity not in (IDLE, UNKNOWN)]
        return doing[-1] if doing else (IDLE if told and UNKNOWN not in told else UNKNOWN)

    def seen_at(self, place: str) -> tuple[CameraKey, Observation] | None:
        """Return what goes on at a place, and whose camera reported it last."""
        return self._fusions[place].seen_by if place in self._fusions else None

    def take_event(
        self, event: ActivityEvent, *, at: datetime
    ) -> Iterator[tuple[str, Observation | ActivityEnd]]:
        """Take in a camera's change; yields what it means for which place.

        Args:
            event: The change.
            at: When it counts as having happened, never before an earlier one.
        """
        camera = (event.node, event.camera)
        before = self._place_of.get(camera)
        place = self._place_of[camera] = self._name(camera, event.room)
        if before not in (None, place):  # the camera has been moved to another room
            gone = event.model_copy(update={"event_type": "activity_ended"})
            yield from self._fuse(before, gone, at)
        yield from self._fuse(place, event, at)

    def note_state(self, camera: CameraKey, activity: str, *, room: str | None) -> None:
        """Take in what a camera's state says: ``unknown`` is no event, only a state."""
        if camera not in self._place_of:
            if len(self._place_of) >= MAX_STATES:
                return
            self._place_of[camera] = self._name(camera, room)
        fusion = self._fusions.setdefault(self._place_of[camera], CameraFusion())
        fusion.note_state(camera, activity)

    def _name(self, camera: CameraKey, room: str | None) -> str:
        return "" if self._is_one else room or "/".join(camera)

    def _fuse(
        self, place: str, event: ActivityEvent, at: datetime
    ) -> Iterator[tuple[str, Observation | ActivityEnd]]:
        change = self._fusions.setdefault(place, CameraFusion()).take_event(event, at=at)
        if change is not None:
            yield place, change
