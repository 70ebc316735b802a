"""The head of taught activities: a multinomial logistic regression in NumPy.

A light installation has no library that fits one; it is fitted by accelerated gradients (Nesterov
2004, "Introductory Lectures on Convex Optimization", 2.2.1), and tested against scikit-learn.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from har_stream.recognition.person.taught import TaughtHead

STRENGTH = 0.0003
"""C of scikit-learn's LogisticRegression at a total weight of `TOTAL`."""
TOTAL = 1000.0
"""What the weights of all examples come to, however many there are."""
EXACT = 1e-4
"""Largest slope that is left, of the sum of weights."""
MOST_STEPS = 3000


def fit_taught(
    activities: Sequence[str],
    pooled: NDArray[np.float32],
    truth: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> TaughtHead:
    """Fit a head; everything else and every activity count alike.

    Args:
        activities: Their names.
        pooled: What windows come to, shape (n, n_pooled).
        truth: 0 for everything else, then the index of the activity and 1; shape (n,).
        weights: Of each window among those of its activity, shape (n,).
    """
    n_classes = 1 + len(activities)
    each = np.bincount(truth, weights, minlength=n_classes)
    share = weights / each[truth] * TOTAL / np.count_nonzero(each)
    mean = np.average(pooled, axis=0, weights=share)
    scale = np.sqrt(np.average((pooled - mean) ** 2, axis=0, weights=share)) + 1e-3
    kernel, bias = fit_logistic((pooled - mean) / scale, truth, share, strength=STRENGTH)
    # Mean and scale become a part of the weights.
    kernel = kernel / scale[:, None]
    return TaughtHead(
        tuple(activities), np.vstack([kernel, bias - mean @ kernel]).astype(np.float32)
    )


def fit_logistic(
    examples: NDArray[np.floating],
    truth: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    strength: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimise the weighted cross-entropy times strength plus half the kernel's square.

    Args:
        examples: Shape (n, n_features).
        truth: Index of each one's class, every class at least once; shape (n,).
        weights: Shape (n,).
        strength: C of scikit-learn's LogisticRegression.

    Returns:
        Kernel, shape (n_features, n_classes), and bias, shape (n_classes,), which is free.
    """
    inputs = np.column_stack([examples, np.ones(len(examples))]).astype(np.float64)
    target = np.eye(truth.max() + 1)[truth]
    weighted = strength * weights[:, None]
    penalty = np.ones((inputs.shape[1], 1))
    penalty[-1] = 1e-4  # of the bias: hardly any
    # Half the largest eigenvalue bounds the curvature (Boehning 1992).
    curvature = 1.0 + 0.5 * np.linalg.norm(inputs * np.sqrt(weighted), 2) ** 2
    found = ahead = np.zeros((inputs.shape[1], target.shape[1]))
    momentum = 1.0
    for _ in range(MOST_STEPS):
        logits = inputs @ ahead
        powers = np.exp(logits - logits.max(1, keepdims=True))
        slope = inputs.T @ (weighted * (powers / powers.sum(1, keepdims=True) - target))
        slope += penalty * ahead
        if np.abs(slope).max() < EXACT:
            break
        before, found = found, ahead - slope / curvature
        if np.sum(slope * (found - before)) > 0:  # it ran too far (O'Donoghue and Candes 2015)
            momentum = 1.0
        grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = found + (momentum - 1) / grown * (found - before)
        momentum = grown
    return ahead[:-1], ahead[-1]
