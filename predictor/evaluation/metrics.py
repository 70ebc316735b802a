"""How good forecasts were: pure functions of probabilities, outcomes and times."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from predictor.estimators.filtering import Array, Index

FLOOR = 1e-12
"""A probability below this counts as this, so that one surprise is not infinitely bad."""
N_BINS = 10


def log_losses(probabilities: Array, outcomes: Index) -> Array:
    """Return -log p(outcome) in nats per case.

    Args:
        probabilities: Shape (cases, outcomes); rows sum to one.
        outcomes: Index of what happened, shape (cases,).
    """
    losses: Array = -np.log(np.maximum(probabilities[np.arange(len(outcomes)), outcomes], FLOOR))
    return losses


def brier_score(probabilities: Array, outcomes: Index) -> float:
    """Return the mean squared distance between probabilities and what happened, 0..2."""
    happened = np.zeros_like(probabilities)
    happened[np.arange(len(outcomes)), outcomes] = 1.0
    return float(((probabilities - happened) ** 2).sum(axis=1).mean())


def top_k(probabilities: Array, outcomes: Index, k: int) -> float:
    """Return the share of cases whose outcome is among the k most probable (ties count against)."""
    p_outcome = probabilities[np.arange(len(outcomes)), outcomes][:, None]
    at_least_as_likely = (probabilities >= p_outcome).sum(axis=1)
    return float((at_least_as_likely <= k).mean())


def macro_recall(probabilities: Array, outcomes: Index) -> float:
    """Return the mean over outcomes that happened of the share that was the first guess."""
    guesses = probabilities.argmax(axis=1)
    recalls = [(guesses[outcomes == each] == each).mean() for each in np.unique(outcomes)]
    return float(np.mean(recalls))


def calibration(probabilities: Array, outcomes: Index) -> list[tuple[float, float, int]]:
    """Return mean confidence, share right and number of cases per bin of equal width."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == outcomes
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    return [
        (float(confidence[bins == each].mean()), float(right[bins == each].mean()), int(n))
        for each, n in enumerate(np.bincount(bins, minlength=N_BINS))
        if n
    ]


def calibration_error(probabilities: Array, outcomes: Index) -> float:
    """Return the expected calibration error of the first guess (Naeini et al. 2015)."""
    gaps = [n * abs(sure - right) for sure, right, n in calibration(probabilities, outcomes)]
    return float(sum(gaps) / len(outcomes))


def pinball(predicted: Array, actual: Array, shares: Sequence[float]) -> float:
    """Return the mean pinball loss of quantiles.

    Args:
        predicted: Shape (cases, quantiles).
        actual: Shape (cases,).
        shares: The quantiles' probabilities.
    """
    excess = actual[:, None] - predicted
    return float(np.maximum(np.asarray(shares) * excess, (np.asarray(shares) - 1) * excess).mean())


def day_block_interval(
    difference: Array, days: NDArray[np.int64], *, n_draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of a mean paired difference, drawing whole days with replacement.

    Args:
        difference: Per case, shape (cases,).
        days: Day of each case, shape (cases,).
        n_draws: Bootstrap samples.
        seed: Of the random numbers.
    """
    names, of_case = np.unique(days, return_inverse=True)
    sums = np.bincount(of_case, weights=difference)
    counts = np.bincount(of_case)
    drawn = np.random.default_rng(seed).integers(len(names), size=(n_draws, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
