"""One home from several cameras: which camera's activity counts, as observations of the resident.

Pure. The home's activity is that of the camera that last reported one; with all idle the home is
idle. One resident is assumed.
"""

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
    """The home's activity ended, and no known one has followed yet."""

    at: datetime


@dataclass(slots=True)
class CameraFusion:
    """What every camera sees; the last one to report an activity comes last."""

    _running: dict[CameraKey, Observation] = field(default_factory=dict)
    _idle: dict[CameraKey, str] = field(default_factory=dict)

    @property
    def activity(self) -> str:
        """The home's activity, ``idle``, or ``unknown``: also before any camera has spoken."""
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
            What it means for the home; ``None`` where the home goes on as before.
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
