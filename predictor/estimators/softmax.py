"""A softmax (multinomial logistic), which corrects another distribution.

log p(k | x) = strength * log prior_k + x . weights_k + const; with no evidence it is the prior. It
is fitted by penalised maximum likelihood on soft targets.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize

from predictor.estimators.filtering import Array

PENALTY = 1.0
"""Precision of the normal prior on every weight (the features are of order one)."""
N_ITERATIONS = 60
FLOOR = 1e-3
"""A prior probability below this is taken for this; zero means impossible."""
_IMPOSSIBLE = -30.0


@dataclass(slots=True)
class Softmax:
    """The fitted distribution.

    Attributes:
        strength: Exponent of the prior.
        weights: Shape (features, outcomes).
    """

    strength: float = 1.0
    weights: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def probabilities(self, features: Array, prior: Array) -> Array:
        """Return p(outcome), shape (cases, outcomes).

        Args:
            features: Shape (cases, features).
            prior: p(outcome) before the features, shape (cases, outcomes); it may have more
                outcomes than were fitted.
        """
        scores = self.strength * _logs(prior)
        scores[:, : self.weights.shape[1]] += features @ self.weights
        return _shares(scores, prior)

    def fit(self, features: Array, prior: Array, target: Array, importance: Array) -> "Softmax":
        """Return the distribution fitted to cases, starting from this one.

        Args:
            features: Shape (cases, features).
            prior: p(outcome) before the features, shape (cases, outcomes).
            target: What happened, or the belief about it, shape (cases, outcomes).
            importance: Weight of each case, shape (cases,).
        """
        n_features, n_outcomes = features.shape[1], prior.shape[1]
        logs = _logs(prior)
        target = np.where(prior > 0, target, 0.0) * importance[:, None]
        mass = target.sum(axis=1, keepdims=True)

        def loss(flat: Array) -> tuple[float, Array]:
            weights = flat[1:].reshape(n_features, n_outcomes)
            shares = _shares(flat[0] * logs + features @ weights, prior)
            error = mass * shares - target
            slope = np.concatenate(
                (
                    [(error * logs).sum() + PENALTY * (flat[0] - 1.0)],
                    (features.T @ error + PENALTY * weights).ravel(),
                )
            )
            penalty = 0.5 * PENALTY * ((flat[0] - 1.0) ** 2 + (weights * weights).sum())
            return float(penalty - (target * np.log(np.maximum(shares, 1e-12))).sum()), slope

        begin = np.zeros((n_features, n_outcomes))
        if self.weights.shape == begin.shape:
            begin = self.weights
        found = minimize(
            loss,
            np.concatenate(([self.strength], begin.ravel())),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": N_ITERATIONS},
        ).x
        return Softmax(float(found[0]), found[1:].reshape(n_features, n_outcomes))


def _logs(prior: Array) -> Array:
    logs: Array = np.log(np.maximum(prior, FLOOR))
    return logs


def _shares(scores: Array, prior: Array) -> Array:
    scores = np.where(prior > 0, scores, _IMPOSSIBLE)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares[prior <= 0] = 0.0
    normalised: Array = shares / shares.sum(axis=1, keepdims=True)
    return normalised
