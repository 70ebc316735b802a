"""A home's habits: how long things last, at what hour they begin, by when each is done every day.

Every question is answered by the probability of something as far out, or further; that of a length
or a time is a Student t, so that few samples promise little (Gelman et al. 2013, section 3.2).
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from predictor.estimators.filtering import Array
from predictor.estimators.quantiles import distribution_of

Mask = NDArray[np.bool_]

N_KEPT = 256
"""Newest samples of a length that are kept."""
N_DAYS = 180
"""Newest days that tell how often a habit is kept."""
N_RECENT = 60
"""Newest days that tell when."""
DAY_BEGINS = timedelta(hours=4)
"""What happens in the small hours belongs to the day before."""
ENOUGH = 10
"""Of fewer samples nothing is said."""
NEAR_H, ANY_HOUR = 1.5, 0.002
"""Width of the kernel over the time of day, and the weight of a sample from quite another time."""
HOUR_WIDTH = 1.5
"""Width of the kernel that spreads a beginning over the hours around it."""
PUNCTUAL_MIN = 90.0
"""What differs by more minutes from day to day is never late."""
_HOURS = np.arange(96) / 4.0
_RARELY = 1e-3
"""Beginnings, spread over the day, before the first was seen."""
_BROKEN_BEFORE = 0.1
"""Days, likewise, on which a daily habit was not kept."""
_LEAST_SPREAD = 0.1
"""Of a logarithmic length: what always takes ten minutes may take eleven."""
_LEAST_MINUTES = 10.0
"""Nobody is more punctual than that."""


def day_of(at: datetime) -> int:
    """Return the number of the day that an instant belongs to."""
    return (at - DAY_BEGINS).toordinal()


def begin_of(day: int, at: datetime) -> datetime:
    """Return the first instant of a day, in the zone of `at`."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + (
        DAY_BEGINS + timedelta(days=day - at.toordinal())
    )


@dataclass(slots=True)
class UsualLengths:
    """How long something lasted, and at what hour it began.

    Attributes:
        logs: log(1 + seconds), a ring, shape (N_KEPT,).
        hours: Of the beginnings, same shape.
        n_seen: Samples ever seen.
    """

    logs: Array = field(default_factory=lambda: np.zeros(N_KEPT))
    hours: Array = field(default_factory=lambda: np.zeros(N_KEPT))
    n_seen: int = 0

    def add(self, seconds: float, hour: float) -> None:
        """Take in a length."""
        slot = self.n_seen % N_KEPT
        self.logs[slot], self.hours[slot] = np.log1p(max(seconds, 0.0)), hour
        self.n_seen += 1

    def tail(self, seconds: float, hour: float) -> float:
        """Return p(it lasts longer | it began at this hour)."""
        if self.n_seen < ENOUGH:
            return 1.0
        logs, hours = self.logs[: self.n_seen], self.hours[: self.n_seen]
        apart = (hours - hour + 12.0) % 24.0 - 12.0
        weights = np.exp(-0.5 * (apart / NEAR_H) ** 2) + ANY_HOUR
        asked = float(np.log1p(max(seconds, 0.0)))
        return _tail(asked, logs, weights, least=_LEAST_SPREAD)

    def usual(self, share: float) -> float:
        """Return the length in seconds that is not exceeded in this share of cases."""
        return float(np.expm1(np.quantile(self.logs[: self.n_seen], share)))


@dataclass(slots=True)
class UsualHours:
    """At what hour something begins.

    Attributes:
        counts: By quarter of an hour, smoothed, shape (96,).
        n_begun: How often it began.
    """

    counts: Array = field(default_factory=lambda: np.full(len(_HOURS), _RARELY / len(_HOURS)))
    n_begun: int = 0

    def add(self, hour: float) -> None:
        """Take in a beginning."""
        apart = np.abs((_HOURS - hour + 12.0) % 24.0 - 12.0) / HOUR_WIDTH
        spread = np.exp(-0.5 * apart**2)
        self.counts += spread / spread.sum()
        self.n_begun += 1

    def tail(self, hour: float) -> float:
        """Return p(it begins at an hour at which it begins as seldom, or more so)."""
        if self.n_begun < ENOUGH:
            return 1.0
        here = self.counts[round(4.0 * hour) % len(_HOURS)]
        return float(self.counts[self.counts <= here].sum() / self.counts.sum())


@dataclass(slots=True)
class DailyHabit:
    """By when something is first done, day by day; the newest days are kept.

    Attributes:
        days: Numbers of the days on which it was done.
        minutes: When, in minutes since the day began.
        broken: Days on which it was not done, or so late that it would have been told.
    """

    days: deque[int] = field(default_factory=lambda: deque(maxlen=N_DAYS))
    minutes: deque[float] = field(default_factory=lambda: deque(maxlen=N_DAYS))
    broken: set[int] = field(default_factory=set)

    def add(self, day: int, minutes: float | None, *, was_late: bool) -> None:
        """Take in a day; ``None`` where it was not done."""
        if minutes is not None:
            self.days.append(day)
            self.minutes.append(minutes)
        if minutes is None or was_late:
            self.broken.add(day)
        self.broken = {each for each in self.broken if each > day - N_DAYS}

    def breaking_rate(self) -> float:
        """Return how probable it is that it is not kept on a day, after what was seen."""
        n_kept = sum(day not in self.broken for day in self.days)
        return (len(self.broken) + _BROKEN_BEFORE) / (len(self.broken) + n_kept + 1.0)

    def spread(self) -> float:
        """Return by how many minutes it differs from day to day."""
        return float(np.subtract(*np.quantile(self.minutes, (0.84, 0.16)))) / 2.0

    def is_punctual(self) -> bool:
        """Tell whether it is seldom much later than usual."""
        low, middle, high, late = np.quantile(self.minutes, (0.16, 0.5, 0.84, 0.95))
        spread = (high - low) / 2.0
        return bool(spread <= PUNCTUAL_MIN and late - middle <= 3.0 * max(spread, _LEAST_MINUTES))

    def tail(self, minutes: float, alike: Mask) -> float:
        """Return p(it is done later than that, of all days on which it is done).

        A day far out widens nothing: middle and spread are those of the inner two thirds.

        Args:
            minutes: Since the day began.
            alike: Which of the past days are like this one (a weekend or not), shape (days,). How
                much the others say is learnt: nothing where the two differ, all where they do not.
        """
        times, alike = np.array(self.minutes)[-N_RECENT:], alike[-N_RECENT:]
        if len(times) < ENOUGH:
            return 1.0
        weights = np.where(alike, 1.0, _pooled(times[alike], times[~alike]))
        if weights.sum() < 0.5 * ENOUGH:
            return 1.0
        times_of = distribution_of(times, weights)
        low, middle, high = (times_of.quantile(share) for share in (0.16, 0.5, 0.84))
        spread = np.hypot((high - low) / 2.0, _LEAST_MINUTES)
        return _t_tail((minutes - middle) / spread, weights)

    def usual(self, share: float, alike: Mask) -> float:
        """Return the minutes since the day began by which it is done on this share of such days."""
        times, alike = np.array(self.minutes)[-N_RECENT:], alike[-N_RECENT:]
        return float(np.quantile(times[alike] if alike.sum() >= ENOUGH else times, share))


def _pooled(these: Array, others: Array) -> float:
    """Return how much samples of the other kind of day count: less, the surer they differ."""
    if min(len(these), len(others)) < 3:
        return 1.0
    error = these.var() / len(these) + others.var() / len(others) + 1.0
    z = abs(these.mean() - others.mean()) / np.sqrt(error)
    return float(1.0 / (1.0 + z**2))


def _tail(value: float, samples: Array, weights: Array, *, least: float) -> float:
    """Return p(more than `value`) of the next sample, given weighted ones of a normal."""
    total = weights.sum()
    mean = weights @ samples / total
    spread = np.hypot(np.sqrt(weights @ (samples - mean) ** 2 / total), least)
    return _t_tail((value - mean) / spread, weights)


def _t_tail(deviation: float, weights: Array) -> float:
    """Return p(further out) of the next sample, so many spreads from the middle of earlier ones."""
    n = weights.sum() ** 2 / (weights**2).sum()
    return float(stdtr(max(n - 1.0, 1.0), -deviation / np.sqrt(1.0 + 1.0 / n)))
