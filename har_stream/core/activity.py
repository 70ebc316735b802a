"""What the pipeline hands on: decisions of the recogniser and states of the cameras."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

UNKNOWN = "unknown"
"""The reject class: something is seen, but no known activity explains it well enough."""
IDLE = "idle"
"""The nobody class."""
FALLEN, LYING, SLEEPING = "fallen", "lying", "sleeping"
"""Activities that a rule may find: after a fall; lying on a sofa; lying in a bed."""

MAX_NAME_LENGTH = 256
"""Of an activity, a room or a bundle: as long as a file's name may be, from which many are made."""
MAX_LABELS = 10_000
"""That one recogniser or forecaster may know."""
EventType = Literal["activity_started", "activity_changed", "activity_ended"]
FallStage = Literal["fallen", "long_lie", "got_up"]
"""Of a fall: somebody has just fallen, has lain there for long, is up again."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
Joint = tuple[float, float, float]
"""x and y as shares of the image that is looked at, and the score, 0..1."""


def clean_name(text: str) -> str:
    """Replace what a terminal would obey, and a database refuse, by U+FFFD."""
    return text if text.isprintable() else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


@dataclass(frozen=True, slots=True)
class Recognition:
    """One decision of the recogniser, on one complete window.

    Attributes:
        camera: Name of the camera.
        at: Capture time of the window's last frame (stream time, timezone-aware).
        probabilities: Calibrated probability of every label of the bundle; they sum to one.
        label: The most probable label, or ``unknown`` where the reject rule applies.
        confidence: Calibrated probability of the most probable label.
        margin: Its distance to the second.
        latency_ms: From the last frame's arrival in this process to this decision.
        state: What holds after it: the running activity, ``idle`` or ``unknown``. Unlike the label
            it does not flicker.
    """

    camera: str
    at: datetime
    probabilities: Mapping[str, float]
    label: str
    confidence: float
    margin: float
    latency_ms: float
    state: str = UNKNOWN
    region: str | None = None
    key_points: tuple[Joint, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the running activity, as the segmenter reports it.

    Attributes:
        camera: Name of the camera.
        event_type: ``activity_started`` after idle, unknown or start; ``activity_changed`` from one
            activity to another without a gap; ``activity_ended`` to idle, unknown or a lost source.
        activity: The activity that starts, or the one that ended.
        previous: The activity before it; only ``activity_changed`` has one.
        probabilities: Mean calibrated probabilities over the decisions that caused the change; of
            an urgent activity's beginning, over those whose average raised it.
        confidence: Their value for ``activity``.
        started_at: Start of ``activity`` (stream time).
        ended_at: Its end; only ``activity_ended`` has one.
        region: Kind of the drawn region that the person was in, where that is known.
        fall_stage: Of a fall only. The confidence is then that of lying there, or of being up.
    """

    camera: str
    event_type: EventType
    activity: str
    previous: str | None
    probabilities: Mapping[str, float]
    confidence: float
    started_at: datetime
    ended_at: datetime | None
    region: str | None = None
    fall_stage: FallStage | None = None


class CameraState(StrEnum):
    """The states of a camera; one log line and one message per change.

    One that is slow delivers too few frames for anything to be recognised.
    """

    ONLINE = "online"
    SLOW = "slow"
    STALLED = "stalled"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """A camera changed its state.

    Attributes:
        camera: Name of the camera.
        state: The state it is in now.
        at: Stream time of the change.
        reason: One phrase without credentials, for example ``no frame for 2.0 s``.
    """

    camera: str
    state: CameraState
    at: datetime
    reason: str


News = Recognition | Change | CameraStatus
"""What the pipeline says, each with its camera."""
