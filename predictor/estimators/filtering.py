"""Bayesian filtering as pure functions on arrays (Rabiner 1989, section III; dynamax's naming)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def predict(belief: Array, transmat: Array) -> Array:
    """Return p(z_t, z_t+1 | y_1:t), shape (states, successors).

    Args:
        belief: p(z_t | y_1:t), shape (states,).
        transmat: p(successor | state), shape (states, successors).
    """
    return belief[:, None] * transmat


def update(predicted: Array, likelihood: NDArray[Any]) -> tuple[Array, float]:
    """Condition a prediction on what was observed.

    Args:
        predicted: Probabilities of any shape that sum to one.
        likelihood: p(y_t+1 | z_t+1), broadcastable against `predicted`.

    Returns:
        The conditioned probabilities, and p(y_t+1 | y_1:t). Where the observation was impossible
        the prediction comes back as it was, with a probability of zero.
    """
    joint = predicted * likelihood
    evidence = float(joint.sum())
    return (joint / evidence, evidence) if evidence > 0 else (predicted, 0.0)


def gather(joint: Array, successors: Index, n_states: int) -> Array:
    """Sum p(z_t, successor) by the state that each successor stands for: the new belief.

    Args:
        joint: Shape (states, successors).
        successors: State that each entry of `joint` leads to, same shape.
        n_states: Number of states.
    """
    weights = joint.ravel()
    return np.bincount(successors.ravel(), weights, n_states).astype(np.float64, copy=False)
