"""How often each activity began soon after moments like the present: rates by a kernel.

Rollouts know what follows what, step by step, and err a little more with each; these rates know
nothing of steps and look at what had begun by the end of a horizon, as kernel regression does
(Nadaraya 1964, Watson 1964). The two together are better than either.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from predictor.estimators.filtering import Array

N_KEPT = 2048
"""Newest moments kept, so that memory stays flat."""
WIDTH_H = 1.0
"""Width of the kernel over the time of day."""
PRIOR = 1.0
"""Weight of all moments together, in moments like the present one."""
SHARE = 0.7
"""Weight of these rates against rollouts."""
HALF_TRUSTED = 20.0
"""Moments after which they have half of that."""


@dataclass(slots=True)
class Soon:
    """The starts and ends of activities, and what began after each; the newest is the present.

    Attributes:
        activities: Index of the activity that began or ended, shape (N_KEPT,).
        is_end: Whether it ended, same shape.
        hours: Time of day, same shape.
        happened_s: When, in seconds since 1970, same shape.
        first_s: Time until each activity first began, infinite if not yet: (N_KEPT, activities).
        n_seen: Moments ever seen.
    """

    activities: Array = field(default_factory=lambda: np.zeros(N_KEPT))
    is_end: Array = field(default_factory=lambda: np.zeros(N_KEPT))
    hours: Array = field(default_factory=lambda: np.zeros(N_KEPT))
    happened_s: Array = field(default_factory=lambda: np.zeros(N_KEPT))
    first_s: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((N_KEPT, 0), dtype=np.float32)
    )
    n_seen: int = 0

    def grow(self, n_labels: int) -> None:
        """Make room for `n_labels` activities."""
        more = n_labels - self.first_s.shape[1]
        self.first_s = np.pad(self.first_s, ((0, 0), (0, more)), constant_values=np.inf)

    def begin(self, activity: int, at: datetime) -> None:
        """Take in that an activity began, after all moments that are kept."""
        kept = slice(0, min(self.n_seen, N_KEPT))
        waited_s = (at.timestamp() - self.happened_s[kept]).astype(np.float32)
        self.first_s[kept, activity] = np.minimum(self.first_s[kept, activity], waited_s)
        self._keep(activity, at, is_end=False)

    def end(self, activity: int, at: datetime) -> None:
        """Take in that an activity ended, and nothing has followed yet."""
        self._keep(activity, at, is_end=True)

    def blended(self, reached: Array, at: datetime, horizons_s: Sequence[float]) -> Array:
        """Return another forecast of what begins within each horizon, blended with these rates.

        Args:
            reached: p(activity begins within the horizon), shape (horizons, activities).
            at: Now, not before the newest moment.
            horizons_s: In seconds, ascending.
        """
        newest, kept = (self.n_seen - 1) % N_KEPT, slice(0, min(self.n_seen, N_KEPT))
        age_s = at.timestamp() - self.happened_s[kept]
        elapsed_s = age_s[newest]
        apart = (self.hours[kept] - self.hours[newest] + 12.0) % 24.0 - 12.0
        like = np.exp(-0.5 * (apart / WIDTH_H) ** 2)
        like *= self.activities[kept] == self.activities[newest]
        first_s = self.first_s[kept]
        quiet = (self.is_end[kept] == self.is_end[newest]) & (first_s.min(axis=1) > elapsed_s)
        blended = reached.copy()
        for row, horizon_s in zip(blended, horizons_s, strict=True):
            until_s = elapsed_s + horizon_s
            # Of the moments that were quiet for as long, those whose horizon is over.
            counted = quiet & (age_s >= until_s)
            n_counted = int(counted.sum())
            if n_counted:
                began = (first_s[counted] <= until_s).astype(float)
                weight = like[counted]
                rates = weight @ began + PRIOR * began.mean(axis=0)
                share = SHARE * n_counted / (n_counted + HALF_TRUSTED)
                row[:] = (1.0 - share) * row + share * rates / (weight.sum() + PRIOR)
        # Longer horizons are counted over fewer moments, but nothing is less likely within them.
        ascending: Array = np.maximum.accumulate(blended, axis=0)
        return ascending

    def _keep(self, activity: int, at: datetime, *, is_end: bool) -> None:
        slot = self.n_seen % N_KEPT
        self.activities[slot], self.is_end[slot] = activity, is_end
        self.hours[slot] = at.hour + at.minute / 60.0
        self.happened_s[slot] = at.timestamp()
        self.first_s[slot] = np.inf
        self.n_seen += 1
