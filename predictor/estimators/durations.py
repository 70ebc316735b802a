"""How long until the next activity starts: weighted quantiles, learnt online.

A past time speaks of the present one in several ways: how near in the time of day it must have
begun to count, how much the activity before matters, and whether it tells how long things last or
at what o'clock they end (one sleeps eight hours, or until seven). These views are mixed, for each
activity by how well each of them did so far.
"""

from dataclasses import dataclass, field

import numpy as np

from predictor.estimators.filtering import Array, Index
from predictor.estimators.mixing import share_evenly
from predictor.estimators.quantiles import TimeDistribution, distribution_of, pinball_losses

N_KEPT = 128
"""Newest samples kept per activity, so that memory stays flat."""
ANY_HOUR = 0.05
"""Weight of a sample from quite another time of day."""
HALF_LIFE_DAYS = 60.0
PRIOR_WEIGHT = 0.5
"""Weight, in samples, of what is known of all activities together."""
LEARNING_RATE = 0.3
"""How fast the weights of the views follow their losses."""
SHARE = 0.02
"""Weight of the views that is dealt out evenly after each time."""
WIDENING_RATE = 0.1
"""How fast the spread adapts to the share of times that fell outside P10 to P90."""
WIDEST = 2.0
"""Bound of its logarithm: where habits have no spread at all, widening them is of no use."""
_PRIOR_POINTS = np.array([-1.64, -1.04, -0.67, -0.39, -0.13, 0.13, 0.39, 0.67, 1.04, 1.64])
"""Midpoints of ten equal slices of the standard normal distribution."""
_TAIL = np.array([1.05, 1.2, 1.5, 2.0, 4.0])
"""Lasting longer than ever seen: total durations as multiples of the time elapsed."""

_NARROW_H, _WIDE_H = 0.75, 2.0
_BANDWIDTHS_H = np.array([_NARROW_H, _NARROW_H, _WIDE_H, _WIDE_H, _WIDE_H, _WIDE_H])
"""Width of each view's kernel over the time of day."""
_SAME_BEFORE = np.array([1.0, 5.0, 1.0, 5.0, 1.0, 5.0])
"""How much more a sample counts for each view where the activity before was the same, too."""
_N_BY_LENGTH = 4
"""The first views tell a length, the others the o'clock of the end."""
N_VIEWS = len(_BANDWIDTHS_H)


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
        trust: Weights of the views, shape (activities, N_VIEWS).
        log_moments: Count, sum and sum of squares of log(1 + seconds) over all activities.
        widening: Logarithm of the power by which spreads are widened, so that four in five times
            fall between P10 and P90 (adaptive conformal inference; Gibbs and Candes 2021).
    """

    seconds: Array = field(default_factory=lambda: np.zeros((0, N_KEPT)))
    hours: Array = field(default_factory=lambda: np.zeros((0, N_KEPT)))
    days: Array = field(default_factory=lambda: np.zeros((0, N_KEPT)))
    befores: Array = field(default_factory=lambda: np.zeros((0, N_KEPT)))
    n_seen: Array = field(default_factory=lambda: np.zeros(0))
    trust: Array = field(default_factory=lambda: np.zeros((0, N_VIEWS)))
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
        self.trust = np.pad(self.trust, ((0, more), (0, 0)), constant_values=1.0 / N_VIEWS)

    def add(self, begun: Begun, seconds: float) -> None:
        """Take in one finished duration."""
        self._trust_by(begun, seconds)
        slot = int(self.n_seen[begun.activity]) % N_KEPT
        self.seconds[begun.activity, slot] = seconds
        self.hours[begun.activity, slot] = begun.hour
        self.days[begun.activity, slot] = begun.day
        self.befores[begun.activity, slot] = begun.before
        self.n_seen[begun.activity] += 1
        log = np.log1p(seconds)
        self.log_moments += (1.0, log, log * log)

    def remaining(self, begun: Begun, *, day: float, elapsed_s: float) -> TimeDistribution:
        """Return the distribution of the time that is left, given the time that has passed.

        Args:
            begun: What runs, and when it began.
            day: Day number now.
            elapsed_s: Time since it began; samples that were over by then no longer count.
        """
        return self._mixed(begun.activity, self._views(begun, day), elapsed_s)

    def draw(self, activities: Index, shares: Array) -> Array:
        """Draw one past duration for each activity; `shares` in 0..1 say which of those kept."""
        n_kept = np.minimum(self.n_seen[activities], N_KEPT)
        drawn = self.seconds[activities, (shares * n_kept).astype(np.intp)]
        typical = np.expm1(self.log_moments[1] / self.log_moments[0])
        return np.where(n_kept > 0, drawn, typical)

    def _trust_by(self, begun: Begun, seconds: float) -> None:
        """Let what happened say how much to trust each view, and how wide to make the spread."""
        views = self._views(begun, begun.day)
        is_outside = not self._mixed(begun.activity, views, 0.0).covers(seconds)
        widening = self.widening + WIDENING_RATE * (is_outside - 0.2)
        self.widening = min(max(widening, -WIDEST), WIDEST)
        lengths, ends, weights = views
        by_length = pinball_losses(lengths, weights[:_N_BY_LENGTH], seconds)
        by_clock = pinball_losses(ends, weights[_N_BY_LENGTH:], seconds)
        losses = 1.0 + np.concatenate((by_length, by_clock))
        likely = np.exp(-LEARNING_RATE * losses / losses.mean())
        self.trust[begun.activity] = share_evenly(self.trust[begun.activity] * likely, SHARE)

    def _mixed(
        self, activity: int, views: tuple[Array, Array, Array], elapsed_s: float
    ) -> TimeDistribution:
        """Return the distribution of what is left by all views together."""
        lengths, ends, weights = views
        trust = self.trust[activity]
        mass = np.concatenate(
            (
                trust[:_N_BY_LENGTH] @ weights[:_N_BY_LENGTH],
                trust[_N_BY_LENGTH:] @ weights[_N_BY_LENGTH:],
            )
        )
        seconds = np.concatenate((lengths, ends))
        left = (seconds > elapsed_s) & (mass > 0.0)
        if left.any():
            spread = distribution_of(seconds[left] - elapsed_s, mass[left])
        else:
            spread = distribution_of(_TAIL * (elapsed_s + 1.0) - elapsed_s, np.ones(len(_TAIL)))
        return spread.widened(np.exp(self.widening))

    def _views(self, begun: Begun, day: float) -> tuple[Array, Array, Array]:
        """Return lengths, lengths that end at the same o'clock, and how much each view counts them.

        Shapes are (samples,), (samples,) and (N_VIEWS, samples), whose rows sum to one. The prior,
        samples of a typical activity, comes last.
        """
        # What each sample says: it lasts as long again, or until the same o'clock again.
        kept = slice(0, min(int(self.n_seen[begun.activity]), N_KEPT))
        lengths = self.seconds[begun.activity, kept]
        later_h = (self.hours[begun.activity, kept] - begun.hour + 12.0) % 24.0 - 12.0
        ends = lengths + 3600.0 * later_h
        # How like now a sample's beginning was, view by view: time of day, activity before, age.
        near = np.exp(-0.5 * (later_h / _BANDWIDTHS_H[:, None]) ** 2) + ANY_HOUR
        near[_N_BY_LENGTH:] *= ends >= 0.0  # an o'clock that was over when this began says nothing
        same = self.befores[begun.activity, kept] == begun.before
        fresh = 0.5 ** ((day - self.days[begun.activity, kept]) / HALF_LIFE_DAYS)
        likeness = near * fresh * np.where(same, _SAME_BEFORE[:, None], 1.0)
        # The prior: ten slices of a log-normal distribution over all activities, for every view.
        n, total, squares = self.log_moments
        mean, spread = total / n, np.sqrt(max(squares / n - (total / n) ** 2, 1e-4))
        typical = np.expm1(mean + spread * _PRIOR_POINTS)
        prior = np.full((N_VIEWS, len(typical)), PRIOR_WEIGHT / len(typical))
        # Samples first, prior last; each view's weights sum to one.
        weights = np.concatenate((likeness, prior), axis=1)
        return (
            np.concatenate((lengths, typical)),
            np.concatenate((ends, typical)),
            weights / weights.sum(axis=1, keepdims=True),
        )
