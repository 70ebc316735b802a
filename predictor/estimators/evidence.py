"""How long something lasted, as evidence of which activity it was."""

from dataclasses import dataclass, field

import numpy as np

from predictor.estimators.filtering import Array

PRIOR = 2.0
"""Strength of what is known of all activities together, in samples."""
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
        prior = PRIOR * overall[column] / overall.sum()
        shares: Array = (self.counts[:, column] + prior) / (self.counts.sum(axis=1) + PRIOR)
        return shares
