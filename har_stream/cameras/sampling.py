"""Which captured frames are needed: by capture time, at the bundle's rate, whatever the source."""

from dataclasses import dataclass
from datetime import datetime, timedelta

TICK_TOLERANCE = timedelta(microseconds=500)
"""A frame this much before a tick answers it: capture times are rounded, 1/30 s is not."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The sampler's answer for one captured frame.

    Attributes:
        n_ticks: Sampling instants that it answers; 0: it is not needed.
        resets: Whether it is the first one, or the first after a gap.
    """

    n_ticks: int
    resets: bool


NOT_NEEDED = Sample(n_ticks=0, resets=False)


class Sampler:
    """Chooses frames by capture time, at ``sample_hz`` whatever the source's own rate.

    The sample for tick k is the first frame with ``captured_at >= t0 + k / sample_hz``. A gap (or a
    clock set back) starts anew at the frame after it.
    """

    def __init__(self, sample_hz: float) -> None:
        self._sample_hz = sample_hz
        self._gap = timedelta(seconds=2 / sample_hz + 0.5)
        self._t0: datetime | None = None
        self._last: datetime | None = None
        self._tick = 0
        self._idle_until: datetime | None = None

    def sample(self, captured_at: datetime) -> Sample:
        """Say whether the frame captured at this time is needed, and for how many ticks."""
        last, self._last = self._last, captured_at
        flows = last is not None and timedelta(0) <= captured_at - last <= self._gap
        if flows and self._idle_until is not None and captured_at < self._idle_until:
            return NOT_NEEDED
        if self._t0 is None or not flows:
            self._t0, self._tick = captured_at, 0
        elapsed = captured_at - self._t0 + TICK_TOLERANCE
        due = int(elapsed.total_seconds() * self._sample_hz) + 1
        n_ticks, self._tick = due - self._tick, due
        # Most frames of a file lie between two ticks, and reading must cost little beside decoding.
        self._idle_until = self._t0 + timedelta(seconds=due / self._sample_hz) - 2 * TICK_TOLERANCE
        return Sample(n_ticks, not flows)
