"""How long until the next activity starts: weighted quantiles, learnt online."""

from dataclasses import dataclass, field

import numpy as np

from predictor.filtering import Array, Index

QUANTILES = (0.1, 0.5, 0.9)
N_KEPT = 256
"""Newest samples kept per activity, so that memory stays flat."""
BANDWIDTH_H = 1.5
"""Width of the kernel over the time of day."""
ANY_HOUR = 0.1
"""Weight of a sample from quite another time of day."""
SAME_BEFORE = 3.0
"""A sample counts this much more where the activity before was the same, too."""
HALF_LIFE_DAYS = 60.0
PRIOR_WEIGHT = 0.5
"""Weight, in samples, of what is known of all activities together."""
WIDENING_RATE = 0.05
"""How fast the spread adapts to the share of times that fell outside P10 to P90."""
_PRIOR_POINTS = np.array([-1.64, -1.04, -0.67, -0.39, -0.13, 0.13, 0.39, 0.67, 1.04, 1.64])
"""Midpoints of ten equal slices of the standard normal distribution."""
_TAIL = np.array([1.05, 1.2, 1.5, 2.0, 4.0])
"""Lasting longer than ever seen: total durations as multiples of the time elapsed."""


@dataclass(slots=True)
class Spread:
    """A discrete distribution of a time: ascending values and their cumulative weights."""

    values_s: Array
    cumulative: Array

    def quantile(self, probability: float) -> float:
        """Return the value that is exceeded with 1 - `probability`."""
        return float(np.interp(probability, self.cumulative, self.values_s))

    def widened(self, power: float) -> "Spread":
        """Return the distribution with all distances from the median, in logarithms, scaled."""
        median = self.quantile(0.5) + 1.0
        values = np.expm1(np.log(median) + power * np.log((self.values_s + 1.0) / median))
        return Spread(np.maximum(values, 0.0), self.cumulative)


@dataclass(frozen=True, slots=True)
class Begun:
    """A stretch of time that began: an activity, or the pause after it.

    Attributes:
        activity: Index of the activity.
        before: Index of the activity before it; -1 if there was none.
        hour: Local time of day at which it began.
        day: Local day number.
    """

    activity: int
    before: int
    hour: float
    day: float


@dataclass(slots=True)
class Durations:
    """Samples of a duration per activity, weighted by closeness in time of day and by age.

    Attributes:
        seconds: Ring buffer of samples, shape (activities, N_KEPT).
        hours: Time of day at which each began, same shape.
        days: Day number of each, same shape.
        befores: Index of the activity before each, same shape.
        n_seen: Samples ever seen per activity.
        log_moments: Count, sum and sum of squares of log(1 + seconds) over all activities.
        widening: Logarithm of the power by which spreads are widened, so that four in five times
            fall between P10 and P90 (adaptive conformal inference; Gibbs and Candes 2021).
    """

    seconds: Array = field(default_factory=lambda: np.zeros((0, N_KEPT)))
    hours: Array = field(default_factory=lambda: np.zeros((0, N_KEPT)))
    days: Array = field(default_factory=lambda: np.zeros((0, N_KEPT)))
    befores: Array = field(default_factory=lambda: np.zeros((0, N_KEPT)))
    n_seen: Array = field(default_factory=lambda: np.zeros(0))
    log_moments: Array = field(default_factory=lambda: np.array([1.0, 6.5, 6.5**2 + 2.0]))
    widening: float = 0.0

    def grow(self, n_labels: int) -> None:
        """Make room for `n_labels` activities."""
        more = n_labels - len(self.n_seen)
        self.seconds, self.hours, self.days, self.befores = (
            np.pad(array, ((0, more), (0, 0)))
            for array in (self.seconds, self.hours, self.days, self.befores)
        )
        self.n_seen = np.pad(self.n_seen, (0, more))

    def add(self, begun: Begun, seconds: float) -> None:
        """Take in one finished duration."""
        expected = self.remaining(begun, day=begun.day, elapsed_s=0.0)
        is_outside = not expected.quantile(0.1) <= seconds <= expected.quantile(0.9)
        self.widening += WIDENING_RATE * (is_outside - 0.2)
        slot = int(self.n_seen[begun.activity]) % N_KEPT
        self.seconds[begun.activity, slot] = seconds
        self.hours[begun.activity, slot] = begun.hour
        self.days[begun.activity, slot] = begun.day
        self.befores[begun.activity, slot] = begun.before
        self.n_seen[begun.activity] += 1
        log = np.log1p(seconds)
        self.log_moments += (1.0, log, log * log)

    def remaining(self, begun: Begun, *, day: float, elapsed_s: float) -> Spread:
        """Return the distribution of the time that is left, given the time that has passed.

        Args:
            begun: What runs, and when it began.
            day: Day number now.
            elapsed_s: Time since it began; samples that were over by then no longer count.
        """
        n, total, squares = self.log_moments
        mean, spread = total / n, np.sqrt(max(squares / n - (total / n) ** 2, 1e-4))
        kept = slice(0, min(int(self.n_seen[begun.activity]), N_KEPT))
        seconds = np.concatenate(
            (self.seconds[begun.activity, kept], np.expm1(mean + spread * _PRIOR_POINTS))
        )
        likeness = self._likeness(begun, kept, day)
        prior = np.full(len(_PRIOR_POINTS), PRIOR_WEIGHT / len(_PRIOR_POINTS))
        weights = np.concatenate((likeness, prior))
        left = seconds > elapsed_s
        if not left.any():
            seconds, weights = _TAIL * (elapsed_s + 1.0), np.ones(len(_TAIL))
            left = np.ones(len(_TAIL), bool)
        order = np.argsort(seconds[left])
        mass = weights[left][order]
        cumulative = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
        return Spread(seconds[left][order] - elapsed_s, cumulative).widened(np.exp(self.widening))

    def _likeness(self, begun: Begun, kept: slice, day: float) -> Array:
        distance = np.abs(self.hours[begun.activity, kept] - begun.hour)
        distance = np.minimum(distance, 24.0 - distance) / BANDWIDTH_H
        age_days = day - self.days[begun.activity, kept]
        near = np.exp(-0.5 * distance * distance - (np.log(2) / HALF_LIFE_DAYS) * age_days)
        same = self.befores[begun.activity, kept] == begun.before
        likeness: Array = (near + ANY_HOUR) * np.where(same, SAME_BEFORE, 1.0)
        return likeness

    def draw(self, activities: Index, shares: Array) -> Array:
        """Draw one past duration for each activity; `shares` in 0..1 say which of those kept."""
        n_kept = np.minimum(self.n_seen[activities], N_KEPT)
        drawn = self.seconds[activities, (shares * n_kept).astype(np.intp)]
        typical = np.expm1(self.log_moments[1] / self.log_moments[0])
        return np.where(n_kept > 0, drawn, typical)
