"""Which captured frames are needed: by capture time, at the bundle's rate, whatever the source."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Protocol, TypeVar

from har_stream.core.frame import Frame, SampleRate, rate_of

TICK_TOLERANCE = timedelta(microseconds=500)
"""A frame this much before a tick answers it: capture times are rounded, 1/30 s is not."""
LATEST = timedelta(seconds=3)
"""A frame that arrives so much later than its own clock says was captured later, and that clock
lies: what a network holds back for longer counts as a stall."""
DRIFT, MOST_DRIFT = 0.01, timedelta(milliseconds=1)
"""Share of its lateness by which each frame corrects a clock that runs too slowly, and no more than
this: a burst of late frames says nothing of the clock."""
CLOCK_MARGIN = timedelta(milliseconds=10)
"""A live stream's clock is set by less than this between a packet and its frame."""
LONGEST_STEP_S = 1.5
"""A source of one frame a second, a little unsteady, fills windows by repeats; what is slower than
that fills none, for a longer step between two frames is a gap."""
N_SLOW = 3
"""So many gaps in a row, and nothing between them, are no accident."""
KEYFRAME_GAP_S = 15.0
"""Key frames are up to ten seconds apart; only a longer step between two of them is a gap."""
N_AHEAD = 20
"""Packets; H.264 and H.265 reorder 16 frames at most."""


class _HasTime(Protocol):
    @property
    def pts(self) -> int | None: ...


Stamped = TypeVar("Stamped", bound=_HasTime)


@dataclass(frozen=True, slots=True)
class Sample:
    """The sampler's answer for one captured frame.

    Attributes:
        n_ticks: Sampling instants that it answers; 0: it is not needed.
        resets: Whether it is the first one, or the first after a gap.
    """

    n_ticks: int
    resets: bool

    def after(self, earlier: "Sample") -> "Sample":
        """Answer for an earlier sample too, whose frame did not come."""
        if self.resets:
            return self
        return Sample(earlier.n_ticks + self.n_ticks, earlier.resets)


NOT_NEEDED = Sample(n_ticks=0, resets=False)


class Sampler:
    """Chooses frames by capture time, at ``sample_hz`` whatever the source's own rate.

    The sample for tick k is the first frame with ``captured_at >= t0 + k / sample_hz``. A gap (or a
    clock set back) starts anew at the frame after it, and another rate at the next tick.
    """

    def __init__(self, sample_hz: SampleRate, *, gap_s: float | None = None) -> None:
        """Begin before the first frame.

        Args:
            sample_hz: Sampling instants per second; looked up at every sample where it may change.
            gap_s: A longer step between two frames is a gap; two instants and half a second, and
                no less than `LONGEST_STEP_S`, unless given.
        """
        self._rate = sample_hz
        self._sample_hz = rate_of(sample_hz)
        self._gap_s = gap_s
        self._t0: datetime | None = None
        self._last: datetime | None = None
        self._tick = 0
        self._idle_until: datetime | None = None

    def sample(self, captured_at: datetime) -> Sample:
        """Say whether the frame captured at this time is needed, and for how many ticks."""
        last, self._last = self._last, captured_at
        flows = last is not None and 0.0 <= (captured_at - last).total_seconds() <= self._longest_s
        if flows and self._idle_until is not None and captured_at < self._idle_until:
            return NOT_NEEDED
        sample_hz = rate_of(self._rate)
        flows = flows and sample_hz == self._sample_hz
        self._sample_hz = sample_hz
        if self._t0 is None or not flows:
            self._t0, self._tick = captured_at, 0
        elapsed = captured_at - self._t0 + TICK_TOLERANCE
        due = int(elapsed.total_seconds() * self._sample_hz) + 1
        n_ticks, self._tick = due - self._tick, due
        # Most frames of a file lie between two ticks, and reading must cost little beside decoding.
        self._idle_until = self._t0 + timedelta(seconds=due / self._sample_hz) - 2 * TICK_TOLERANCE
        return Sample(n_ticks, not flows)

    @property
    def _longest_s(self) -> float:
        """A longer step between two frames is a gap."""
        if self._gap_s is not None:
            return self._gap_s
        return max(2 / self._sample_hz + 0.5, LONGEST_STEP_S)

    def may_need(self, earlier: datetime, later: datetime) -> bool:
        """Say whether the later of two successive frames may be needed, before it is decoded.

        It may well be told of a frame that then is not; never the other way round, as long as the
        clock by which they are captured is set by less than `CLOCK_MARGIN` meanwhile.
        """
        if self._t0 is None:
            return True
        first, last = (
            int((at - self._t0 + TICK_TOLERANCE + margin).total_seconds() * self._sample_hz)
            for at, margin in ((earlier, -CLOCK_MARGIN), (later, CLOCK_MARGIN))
        )
        return last > first


class PaceWatch:
    """Notices a source of which frame after frame comes after a gap, so that no window ever fills.

    Attributes:
        is_slow: Whether it is one: after `N_SLOW` gaps in a row, and until as many steps in a row
            are none.
    """

    def __init__(self) -> None:
        self.is_slow = False
        self._last: datetime | None = None
        self._step_s = 0.0
        self._n_steps = self._n_gaps = self._n_in_a_row = 0

    def add(self, frame: Frame) -> None:
        """Take in the next sampled frame."""
        last, self._last = self._last, frame.captured_at
        if last is None:
            return
        self._step_s = (frame.captured_at - last).total_seconds()
        is_gap = frame.resets and self._step_s > LONGEST_STEP_S
        self._n_steps += 1
        self._n_gaps += is_gap
        self._n_in_a_row = self._n_in_a_row + 1 if is_gap is not self.is_slow else 0
        if self._n_in_a_row == N_SLOW:
            self.is_slow, self._n_in_a_row = is_gap, 0

    @property
    def has_gaps_alone(self) -> bool:
        """Whether all its steps so far were gaps; of a recording that has ended this is enough."""
        return 0 < self._n_gaps == self._n_steps

    @property
    def reason(self) -> str:
        """What is slow about it, and the remedy."""
        return (
            f"a frame only every {self._step_s:.1f} s, too few to recognise anything by; raise its "
            "frame rate to one a second or more"
        )


class StreamClock:
    """Says when frames were captured, by their stream's own clock, or by arrival where that lies.

    A network holds frames back and then brings many at once; the stream's clock knows how far apart
    they were. It says nothing of the time of day: that is the earliest arrival's.
    """

    def __init__(self) -> None:
        self._begins_at: datetime | None = None
        self._last_s = -math.inf
        self._n_lies = 0

    def at(self, position_s: float) -> datetime | None:
        """Say when what the stream puts there is captured, if its clock is known and believed."""
        if self._begins_at is None or self._n_lies > 1:
            return None
        return self._begins_at + timedelta(seconds=position_s)

    def captured_at(self, arrived_at: datetime, position_s: float | None) -> datetime:
        """Return when a frame was captured: never later than it arrived, never back in time.

        Args:
            arrived_at: When it arrived.
            position_s: What its stream says, if anything.
        """
        if position_s is None or self._n_lies > 1:
            return arrived_at
        offset = timedelta(seconds=position_s)
        late = None if self._begins_at is None else arrived_at - (self._begins_at + offset)
        lies = late is not None and (late > LATEST or position_s <= self._last_s)
        self._last_s = position_s
        self._n_lies += lies
        if self._begins_at is None or late is None or lies or late < timedelta(0):
            self._begins_at = arrived_at - offset
        else:
            self._begins_at += min(late * DRIFT, MOST_DRIFT)
        return self._begins_at + offset


def look_ahead(packets: Iterable[Stamped]) -> Iterator[tuple[Stamped, list[int]]]:
    """Tell, before a packet is decoded, what is shown before it and with it.

    Decoders get packets out of order: a frame comes after the later one that it refers to.

    Args:
        packets: In the order of decoding; some may have no time.

    Yields:
        Each packet with the times, not told before, up to its own: increasing, over all packets
        without one left out, as long as no frame comes more than `N_AHEAD` packets late.
    """
    waiting: deque[Stamped] = deque()
    untold: list[int] = []
    told = -math.inf

    def tell() -> tuple[Stamped, list[int]]:
        nonlocal told
        packet, times = waiting.popleft(), []
        while untold and packet.pts is not None and untold[0] <= packet.pts:
            earliest = heappop(untold)
            if earliest > told:  # two fields may have one time
                times.append(earliest)
                told = earliest
        return packet, times

    for packet in packets:
        waiting.append(packet)
        if packet.pts is not None:
            heappush(untold, packet.pts)
        if len(waiting) > N_AHEAD:
            yield tell()
    while waiting:
        yield tell()
