"""Evidence beside the label: how long something lasted, in which room, and what sensors said.

All are counts per activity, learnt online, that give p(evidence | activity).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from predictor.estimators.filtering import Array

LENGTH_PRIOR = 2.0
"""Strength of what is known of all activities together, in samples."""
ROOM_PRIOR = 0.5
"""Observations' worth of belief that an activity may happen in any room."""
SENSOR_PRIOR = 2.0
"""Sessions' worth of belief that a sensor is on during an activity as often as during any."""
SENSOR_BOUND = 0.02
"""No sensor tells more than that, whatever was given or learnt: it may be broken."""
OTHERWISE = ""
"""Key of what is given of all activities that are not named."""
BANDWIDTH = 0.8
"""Width of the kernel that spreads a sample, in units of log(1 + seconds)."""
_CENTRES = np.arange(0.25, 14.0, 0.5)
"""Of the bins of log(1 + seconds): from no time to more than a week."""


@dataclass(slots=True)
class Lengths:
    """A smoothed histogram of logarithmic lengths per activity.

    Attributes:
        counts: Shape (activities, bins).
    """

    counts: Array = field(default_factory=lambda: np.zeros((0, len(_CENTRES))))

    def grow(self, n_labels: int) -> None:
        """Make room for `n_labels` activities."""
        self.counts = np.pad(self.counts, ((0, n_labels - len(self.counts)), (0, 0)))

    def add(self, belief: Array, seconds: float) -> None:
        """Take in that what is believed to have gone on lasted so long."""
        distance = (_CENTRES - np.log1p(seconds)) / BANDWIDTH
        spread = np.exp(-0.5 * distance * distance)
        self.counts += belief[:, None] * (spread / spread.sum())

    def likelihood(self, seconds: float) -> Array:
        """Return p(length | activity), shape (activities,)."""
        column = min(int(2.0 * np.log1p(seconds)), len(_CENTRES) - 1)
        overall = self.counts.sum(axis=0) + 1.0 / len(_CENTRES)
        prior = LENGTH_PRIOR * overall[column] / overall.sum()
        shares: Array = (self.counts[:, column] + prior) / (self.counts.sum(axis=1) + LENGTH_PRIOR)
        return shares


@dataclass(slots=True)
class Rooms:
    """Counts of rooms per activity.

    Attributes:
        names: Rooms in the order of their first appearance.
        counts: Shape (activities, rooms).
    """

    names: list[str] = field(default_factory=list)
    counts: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def grow(self, n_labels: int) -> None:
        """Make room for `n_labels` activities."""
        self.counts = np.pad(self.counts, ((0, n_labels - len(self.counts)), (0, 0)))

    def add(self, belief: Array, room: str) -> None:
        """Take in that what is believed to go on goes on in `room`."""
        if room not in self.names:
            self.names.append(room)
            self.counts = np.pad(self.counts, ((0, 0), (0, 1)))
        self.counts[:, self.names.index(room)] += belief

    def likelihood(self, room: str) -> Array:
        """Return p(room | activity), shape (activities,); ones for a room never heard of."""
        if room not in self.names:
            return np.ones(len(self.counts))
        likelihood: Array = self._shares()[:, self.names.index(room)]
        return likelihood

    def likely(self, activities: Array) -> dict[str, float]:
        """Return p(room), given p(activity); empty where no room is known."""
        if not self.names:
            return {}
        return dict(zip(self.names, (activities @ self._shares()).tolist(), strict=True))

    def _shares(self) -> Array:
        """Return p(room | activity), shape (activities, rooms)."""
        anywhere = self.counts.sum(axis=0) + ROOM_PRIOR
        smoothed = self.counts + ROOM_PRIOR * anywhere / anywhere.sum()
        shares: Array = smoothed / smoothed.sum(axis=1, keepdims=True)
        return shares


@dataclass(slots=True)
class Sensors:
    """In what share of each activity's sessions each sensor was on at some time.

    Attributes:
        names: Sensors in the order of their first word.
        counts: Sessions without and with it on, shape (activities, sensors, 2).
        given: By sensor, shares by label that a person gave, with ``OTHERWISE``; they are not
            learnt.
        readings: What each says now; a sensor that says nothing is absent.
        seen: Whether each was on at some time since the running session began.
    """

    names: list[str] = field(default_factory=list)
    counts: Array = field(default_factory=lambda: np.zeros((0, 0, 2)))
    given: dict[str, dict[str, float]] = field(default_factory=dict)
    readings: dict[str, bool] = field(default_factory=dict)
    seen: dict[str, bool] = field(default_factory=dict)

    def grow(self, n_labels: int) -> None:
        """Make room for `n_labels` activities."""
        self.counts = np.pad(self.counts, ((0, n_labels - len(self.counts)), (0, 0), (0, 0)))

    def read(self, name: str, is_on: bool | None) -> bool:
        """Take in what a sensor says, ``None`` for nothing; tells whether that is evidence.

        The first time that it is on in a session is; that it never was is known at the end.
        """
        if is_on is None:
            self.readings.pop(name, None)
            if not self.seen.get(name):
                self.seen.pop(name, None)
            return False
        if name not in self.names:
            self.names.append(name)
            self.counts = np.pad(self.counts, ((0, 0), (0, 1), (0, 0)))
        was_on = self.seen.get(name, False)
        self.readings[name] = is_on
        self.seen[name] = was_on or is_on
        return is_on and not was_on

    def begin(self) -> None:
        """Take in that a session begins."""
        self.seen = dict(self.readings)

    def add(self, belief: Array) -> None:
        """Take in that what is believed to have gone on is over."""
        for name, was_on in self.seen.items():
            self.counts[:, self.names.index(name), int(was_on)] += belief

    def likelihood(self, seen: Mapping[str, bool], activities: Sequence[str]) -> Array:
        """Return p(these were on, or were not | activity), shape (activities,)."""
        likelihood = np.ones(len(activities))
        for name, was_on in seen.items():
            share_on = self._shares(name, activities).clip(SENSOR_BOUND, 1.0 - SENSOR_BOUND)
            likelihood *= share_on if was_on else 1.0 - share_on
        return likelihood

    def _shares(self, name: str, activities: Sequence[str]) -> Array:
        given = self.given.get(name)
        if given:
            return np.array([given.get(label, given[OTHERWISE]) for label in activities])
        off, on = self.counts[:, self.names.index(name)].T
        overall = (on.sum() + 0.5) / (on.sum() + off.sum() + 1.0)
        shares: Array = (on + SENSOR_PRIOR * overall) / (on + off + SENSOR_PRIOR)
        return shares
