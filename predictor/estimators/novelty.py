"""How likely something new is: by the home's recent days, and by how soon other homes were known.

The latter is a Dirichlet process (Ferguson 1973): after n observations the next one is new with
probability diversity / (diversity + n).
"""

from dataclasses import dataclass, field

import numpy as np

from predictor.estimators.filtering import Array
from predictor.estimators.mixing import share_evenly

MEMORY = 0.99
"""Share of the evidence for and against new activities that one observation leaves in force."""
SHARE = 0.02
"""Weight that is dealt out evenly, so that a home may become another than homes usually are."""


@dataclass(slots=True)
class Novelty:
    """The probability that an activity was never seen before.

    Attributes:
        counts: Decayed counts of first appearances and of observations, shape (2,).
        trust: Weights of these counts and of what other homes suggest, shape (2,).
        n_seen: Observations.
    """

    counts: Array = field(default_factory=lambda: np.array([0.1, 1.0]))
    trust: Array = field(default_factory=lambda: np.full(2, 0.5))
    n_seen: int = 0

    def add(self, *, is_new: bool, diversity: float) -> None:
        """Take in whether an observation was new; the diversity of homes is 0 if unknown."""
        if diversity > 0.0:
            opinions = self._opinions(diversity)
            likely = opinions if is_new else 1.0 - opinions
            self.trust = share_evenly(self.trust * likely, SHARE)
        self.counts = self.counts * MEMORY + (float(is_new), 1.0)
        self.n_seen += 1

    def probability(self, diversity: float) -> float:
        """Return p(the next activity is new)."""
        if diversity <= 0.0:
            return float(self.counts[0] / self.counts[1])
        return float(self.trust @ self._opinions(diversity))

    def _opinions(self, diversity: float) -> Array:
        of_homes = diversity / (diversity + max(self.n_seen, 1))
        return np.array([self.counts[0] / self.counts[1], of_homes])
