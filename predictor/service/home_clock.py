"""The home's time, and whether an event is timely, late, or dated by a clock that is wrong.

Pure: both the events' times (stream time) and this machine's clock come in as arguments. A stream
may run faster than the wall clock (a simulated day, a file), so that neither alone tells the time.
"""

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from predictor.journal.records import CameraKey

LIVE = timedelta(minutes=2)
"""A stream whose instants lie this close to the wall clock when they arrive is live."""
REORDER = timedelta(minutes=2)
"""Cameras decide at different speeds; among them, events this far out of order are timely."""
STEP_BACK = timedelta(hours=2)
"""A camera's clock that went back by no more than this was corrected; by more, time begins anew."""
AHEAD_OF_WALL = timedelta(hours=1)
AHEAD_OF_HOME = timedelta(days=1)
"""An event is from the future where it is ahead of both clocks by more than these."""


class Timing(enum.Enum):
    """How an event's time fits."""

    TIMELY = "timely"
    STEPPED_BACK = "stepped back"
    """Its camera's clock was put back a little; the event counts as happening now."""
    REWOUND = "rewound"
    """Its camera's clock was put back far: the home's time begins anew there."""
    LATE = "late"
    """It belongs before what is already known."""
    FUTURE = "future"
    """Its clock is wrong; it is kept, but not believed."""


@dataclass(slots=True)
class HomeClock:
    """The newest instant that any camera spoke of; it follows the wall clock while that is live.

    Attributes:
        newest: That instant; ``None`` before the first one.
        is_live: Whether the stream keeps pace with the wall clock.
    """

    newest: datetime | None = None
    is_live: bool = False
    _newest_event: datetime | None = None
    _last: dict[CameraKey, tuple[datetime, int]] = field(default_factory=dict)
    _behind: set[CameraKey] = field(default_factory=set)

    def timing_of(self, camera: CameraKey, at: datetime, *, seq: int, wall: datetime) -> Timing:
        """Say how an event's time fits, without changing anything."""
        last_at, last_seq = self._last.get(camera, (at, 0))
        if at <= last_at and seq < last_seq:
            return Timing.LATE
        if at < last_at:
            return Timing.STEPPED_BACK if last_at - at <= STEP_BACK else Timing.REWOUND
        if self._newest_event is not None and at < self._newest_event - REORDER:
            return Timing.STEPPED_BACK if camera in self._behind else Timing.LATE
        return Timing.TIMELY if self._is_believable(at, wall) else Timing.FUTURE

    def advance(self, camera: CameraKey, at: datetime, *, seq: int, wall: datetime) -> datetime:
        """Take in an event that counts; returns its instant, never before an earlier one's.

        Heartbeats may have moved the time on before it arrived; that makes no event late.
        """
        if self.newest is None or at >= self.newest:
            self._behind.discard(camera)
        elif at < self._last.get(camera, (at, 0))[0]:
            self._behind.add(camera)
        self._last[camera] = (at, seq)
        self.is_live = abs(wall - at) <= LIVE
        self.newest = at if self.newest is None else max(at, self.newest)
        in_order = self._newest_event is None or at >= self._newest_event
        self._newest_event = at if in_order else self.newest
        return self._newest_event

    def note_heartbeat(self, at: datetime, *, wall: datetime) -> None:
        """Take in the instant of a heartbeat; before the first event it says nothing."""
        if self.newest is not None and self._is_believable(at, wall):
            self.is_live = abs(wall - at) <= LIVE
            self.newest = max(at, self.newest)

    def now(self, wall: datetime) -> datetime | None:
        """The home's time; ``None`` before the first event."""
        if self.newest is None or not self.is_live:
            return self.newest
        return max(self.newest, wall.astimezone(self.newest.tzinfo))

    def _is_believable(self, at: datetime, wall: datetime) -> bool:
        return (
            self.newest is None or at <= wall + AHEAD_OF_WALL or at <= self.newest + AHEAD_OF_HOME
        )
