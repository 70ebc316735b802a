"""In which room each activity happens."""

from dataclasses import dataclass, field

import numpy as np

from predictor.estimators.filtering import Array

PRIOR = 0.5
"""Observations' worth of belief that an activity may happen in any room."""


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
        anywhere = self.counts.sum(axis=0) + PRIOR
        smoothed = self.counts + PRIOR * anywhere / anywhere.sum()
        shares: Array = smoothed / smoothed.sum(axis=1, keepdims=True)
        return shares
