"""Mixing experts online: exponential weights with a fixed share (Herbster and Warmuth 1998)."""

from dataclasses import dataclass, field

import numpy as np

from predictor.estimators.filtering import Array

LEARNING_RATE = 0.0375
"""Below one: a lucky streak moves the weights less, and the average of experts stays an average."""
SHARE = 0.05
"""Weight that is dealt out evenly after each step, so that any expert can come back."""


@dataclass(slots=True)
class Mixture:
    """Weights over experts, and what they become once the truth is known."""

    weights: Array = field(default_factory=lambda: np.ones(0))

    def mix(self, opinions: Array) -> Array:
        """Return the weighted mean of p(outcome | expert), shape (experts, outcomes)."""
        mixed: Array = self.weights @ opinions
        return mixed

    def learn(self, opinions: Array, outcome: Array) -> None:
        """Move weight to the experts that expected the outcome.

        Args:
            opinions: p(outcome | expert), shape (experts, outcomes).
            outcome: What is believed to have happened, shape (outcomes,).
        """
        expected = np.maximum(opinions @ outcome, 1e-6)
        self.weights = share_evenly(self.weights * expected**LEARNING_RATE, SHARE)


def share_evenly(weights: Array, share: float) -> Array:
    """Return weights that sum to one, of which `share` is dealt out evenly."""
    dealt: Array = (1.0 - share) * weights / weights.sum() + share / len(weights)
    return dealt
