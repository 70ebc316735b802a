"""Evidence beside the label: how long something lasted, and in which room it happened.

Both are counts per activity, learnt online, that give p(evidence | activity).
"""

from dataclasses import dataclass, field

import numpy as np

from predictor.estimators.filtering import Array

LENGTH_PRIOR = 2.0
"""Strength of what is known of all activities together, in samples."""
ROOM_PRIOR = 0.5
"""Observations' worth of belief that an activity may happen in any room."""
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
