"""The home's time, and whether an event is timely, late, or dated by a clock that is wrong.

Pure: both the events' times (stream time) and this machine's clock come in as arguments. A stream
may run faster than the wall clock (a simulated day, a file), so that neither alone tells the time.
A home is live once a camera agrees with the wall clock; what is far from it then comes from a
camera whose clock is wrong, unless its distance changes with every message: then it is a stream.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from predictor.journal.records import CameraKey, ReceivedEvent

LIVE = timedelta(minutes=2)
"""A stream whose instants lie this close to the wall clock when they arrive is live."""
REORDER = timedelta(minutes=2)
"""Cameras decide at different speeds; among them, events this far out of order are timely."""
STEP_BACK = timedelta(hours=2)
"""A camera's clock that went back by no more than this was corrected; by more, time begins anew."""
SILENT = timedelta(minutes=15)
"""A camera that has not spoken for so long does not tell whether the home is live."""
NEVER_SET = datetime(2001, 1, 1, tzinfo=UTC)
"""Clocks without a battery begin in 1970 or 2000."""
FILM = timedelta(minutes=30)
"""A camera that agreed with the wall clock, and is then ahead by no more, shows a film."""
MAX_BEATS = 1000
"""Whoever may publish can invent cameras; of so many the last heartbeat is remembered."""
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
    """Its clock is ahead; it is kept, but not believed."""
    PAST = "past"
    """Its clock is far back while the home is live; it is kept, but not believed."""


WRONG = frozenset({Timing.FUTURE, Timing.PAST})


@dataclass(slots=True)
class HomeClock:
    """The newest instant that any camera spoke of; it follows the wall clock while that is live.

    Attributes:
        newest: That instant; ``None`` before the first one.
        is_live: Whether cameras agree with the wall clock.
        is_replaying: Events come in the order in which they happened, and have been judged before.
    """

    newest: datetime | None = None
    is_live: bool = False
    is_replaying: bool = False
    _newest_event: datetime | None = None
    _last: dict[CameraKey, tuple[datetime, int]] = field(default_factory=dict)
    _behind: set[CameraKey] = field(default_factory=set)
    _live_until: dict[CameraKey, datetime] = field(default_factory=dict)
    _wrong_by: dict[CameraKey, timedelta] = field(default_factory=dict)
    _beats: dict[CameraKey, datetime] = field(default_factory=dict)

    def timing_of(self, camera: CameraKey, at: datetime, *, seq: int, wall: datetime) -> Timing:
        """Say how an event's time fits, without changing anything."""
        last_at, last_seq = self._last.get(camera, (at, 0))
        if at <= last_at and seq < last_seq:
            return Timing.LATE
        if not self.is_replaying:
            beside_wall = self._beside_wall(camera, at, last_at=last_at, wall=wall)
            if beside_wall is not None:
                return beside_wall
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
        self._note_live(camera, at, wall=wall)
        self.newest = at if self.newest is None else max(at, self.newest)
        in_order = self._newest_event is None or at >= self._newest_event
        self._newest_event = at if in_order else self.newest
        return self._newest_event

    def note_wrong(self, camera: CameraKey, at: datetime, *, wall: datetime) -> None:
        """Take in that a camera's clock is wrong, and by how much."""
        self._wrong_by.setdefault(camera, at - wall)

    def note_heartbeat(self, camera: CameraKey, at: datetime, *, wall: datetime) -> bool:
        """Take in the instant of a heartbeat; before the first event it moves nothing.

        Returns:
            Whether the camera speaks of now: not where its clock is wrong, nor where the broker may
            have kept what it says.
        """
        before = self._beats.get(camera)
        if before is not None or len(self._beats) < MAX_BEATS:
            self._beats[camera] = at
        speaks = abs(wall - at) <= LIVE or (before is not None and before != at)
        if self.newest is None:
            return speaks
        if self.is_live and abs(wall - at) > LIVE:
            if not self._is_stream(camera, at, wall):
                self.note_wrong(camera, at, wall=wall)
                return False
            self.is_live = False
        if not self._is_believable(at, wall):
            return False
        self._note_live(camera, at, wall=wall)
        self.newest = max(at, self.newest)
        return speaks

    def judge(self, arrivals: Iterable[ReceivedEvent]) -> set[str]:
        """Live through what arrived, in that order; returns the ids that are not to be believed."""
        wrong: dict[CameraKey, set[str]] = {}
        for arrival in arrivals:
            camera, at, seq, wall = arrival.camera, arrival.at, arrival.seq, arrival.wall
            timing = self.timing_of(camera, at, seq=seq, wall=wall)
            if timing in WRONG:
                if self.is_live:
                    self.note_wrong(camera, at, wall=wall)
                    wrong.setdefault(camera, set()).add(arrival.id)
                continue
            if timing is Timing.REWOUND:
                if self._is_stream(camera, at, wall):
                    wrong.pop(camera, None)
                self.newest = self._newest_event = None
                self.is_live = False
                for memory in (self._last, self._behind, self._wrong_by):
                    memory.clear()
            if timing is not Timing.LATE:
                self.advance(camera, at, seq=seq, wall=wall)
        return set().union(*wrong.values())

    def is_past(self, at: datetime) -> bool:
        """Tell whether an event of that instant would belong before what is already known."""
        return self._newest_event is not None and at < self._newest_event - REORDER

    def now(self, wall: datetime) -> datetime | None:
        """The home's time; ``None`` before the first event."""
        if self.newest is None or not self.is_live:
            return self.newest
        return max(self.newest, wall)

    def _is_believable(self, at: datetime, wall: datetime) -> bool:
        return (
            self.newest is None or at <= wall + AHEAD_OF_WALL or at <= self.newest + AHEAD_OF_HOME
        )

    def _beside_wall(
        self, camera: CameraKey, at: datetime, *, last_at: datetime, wall: datetime
    ) -> Timing | None:
        """Say what the wall clock tells of an event, if it tells anything."""
        if abs(wall - at) <= LIVE:
            if self._newest_event is None or self.newest is None:
                return None
            is_back = not self.is_live and self._newest_event < at - AHEAD_OF_HOME
            return Timing.REWOUND if is_back or self.newest > wall + LIVE else None
        if self._is_stream(camera, at, wall):
            return Timing.REWOUND
        if not self.is_live:
            return None
        if at > wall:
            # Agreed before, and now a little ahead: a short film, watched faster than life.
            is_film = camera in self._live_until and at - wall <= FILM
            return None if is_film else Timing.FUTURE
        was_never_set = camera not in self._last and at < NEVER_SET
        return Timing.PAST if was_never_set or last_at - at > STEP_BACK else None

    def _is_stream(self, camera: CameraKey, at: datetime, wall: datetime) -> bool:
        """Tell a stream with a pace of its own from a clock that stays wrong by so much."""
        wrong_by = self._wrong_by.get(camera)
        if wrong_by is None or abs(at - wall - wrong_by) <= LIVE:
            return False
        others = (until for other, until in self._live_until.items() if other != camera)
        return not any(wall - until <= SILENT for until in others)

    def _note_live(self, camera: CameraKey, at: datetime, *, wall: datetime) -> None:
        if self.is_replaying or abs(wall - at) > LIVE:
            return
        self.is_live = True
        self._live_until[camera] = wall
        self._wrong_by.pop(camera, None)
