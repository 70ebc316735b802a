"""What happened so far, as far as the next activity depends on it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from predictor.estimators.filtering import Array
from predictor.models.online import hour_of
from predictor.models.time_and_context import LONG_AGO_H, Contexts

DAY_BEGINS = timedelta(hours=4)
"""A person's day begins at four in the morning: what was done "today" counts from then."""
N_EXTRAS = 64
"""Rooms and values of context topics told apart; later ones are left out."""
_EPOCH = datetime(2000, 1, 1)


@dataclass(slots=True)
class History:
    """The past of one home.

    Attributes:
        before: p(activity before the running one), shape (activities,).
        earlier: p(activity before that), shape (activities,).
        ended_h: When each activity last ended, in hours of local time, shape (activities,).
        today: How often each was done today, shape (activities,).
        day: Number of the day that `today` counts.
        columns: Column of each room, topic or topic's value in `extras`.
        extras: Newest values, shape (extras,).
        moments: Count, sum and sum of squares per column, for scaling, shape (extras, 3).
    """

    before: Array = field(default_factory=lambda: np.zeros(0))
    earlier: Array = field(default_factory=lambda: np.zeros(0))
    ended_h: Array = field(default_factory=lambda: np.zeros(0))
    today: Array = field(default_factory=lambda: np.zeros(0))
    day: int = 0
    columns: dict[str, int] = field(default_factory=dict)
    extras: Array = field(default_factory=lambda: np.zeros(0))
    moments: Array = field(default_factory=lambda: np.zeros((0, 3)))

    def grow(self, n_labels: int) -> None:
        """Make room for `n_labels` activities."""
        more = (0, n_labels - len(self.today))
        self.before, self.earlier, self.today = (
            np.pad(each, more) for each in (self.before, self.earlier, self.today)
        )
        self.ended_h = np.pad(self.ended_h, more, constant_values=-1e6)

    def leave(self, belief: Array, at: datetime) -> None:
        """Take in that an activity is over."""
        self._turn_to(at)
        self.earlier, self.before = self.before, belief
        self.ended_h = np.where(belief >= 0.5, _hours(at), self.ended_h)

    def enter(self, belief: Array, at: datetime) -> None:
        """Take in that an activity began."""
        self._turn_to(at)
        self.today = self.today + belief

    def note(self, name: str, value: float | str) -> None:
        """Take in a number, or one of several values by name."""
        if isinstance(value, str):
            for key, column in self.columns.items():
                if key.startswith(f"{name}="):
                    self.extras[column] = 0.0
            name, value = f"{name}={value}", 1.0
        if name not in self.columns:
            if len(self.columns) == N_EXTRAS:
                return
            self.columns[name] = len(self.columns)
            self.extras = np.append(self.extras, 0.0)
            self.moments = np.pad(self.moments, ((0, 1), (0, 0)))
        column = self.columns[name]
        self.extras[column] = value
        if "=" not in name:
            self.moments[column] += (1.0, value, value * value)

    def context(self, now: Array, prior: Array, *, at: datetime, elapsed_s: float) -> Contexts:
        """Return the context of what may start at `at`.

        Args:
            now: p(running activity), shape (activities,).
            prior: p(next activity) by counts alone, shape (activities,).
            at: When it may start.
            elapsed_s: How long the running activity lasted by then.
        """
        since_h = np.clip(_hours(at) - self.ended_h, 0.0, LONG_AGO_H) * (1.0 - now)
        today = self.today if _day(at) == self.day else np.zeros_like(self.today)
        moment = (hour_of(at), np.log1p(elapsed_s / 60.0), float(at.weekday() >= 5), at.toordinal())
        return Contexts(
            now=now[None],
            before=self.before[None],
            earlier=self.earlier[None],
            since_h=since_h[None],
            today=today[None],
            prior=prior[None],
            target=np.zeros((1, len(now))),
            moment=np.array([moment]),
            extra=self._scaled()[None],
        )

    def _turn_to(self, at: datetime) -> None:
        if _day(at) != self.day:
            self.day, self.today = _day(at), np.zeros_like(self.today)

    def _scaled(self) -> Array:
        n = np.maximum(self.moments[:, 0], 1.0)
        mean = self.moments[:, 1] / n
        spread = np.sqrt(np.maximum(self.moments[:, 2] / n - mean * mean, 0.0)) + 1e-3
        scaled: Array = np.where(
            self.moments[:, 0] > 0, np.clip((self.extras - mean) / spread, -3.0, 3.0), self.extras
        )
        return scaled


def _hours(at: datetime) -> float:
    return (at.replace(tzinfo=None) - _EPOCH).total_seconds() / 3600.0


def _day(at: datetime) -> int:
    return (at - DAY_BEGINS).toordinal()
