"""How good forecasts and decisions were: pure functions of probabilities, outcomes and times."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor.estimators.filtering import Array, Index

FLOOR = 1e-12
"""A probability below this counts as this, so that one surprise is not infinitely bad."""
N_BINS = 15
"""Of the calibration error, as in Guo et al. 2017."""

Floats = NDArray[np.floating]
Indices = NDArray[np.integer]


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


class ReliabilityBin(NamedTuple):
    """The decisions of about one confidence.

    Attributes:
        confidence: Their mean confidence.
        accuracy: The share of them that was right.
        n: How many there are.
    """

    confidence: float
    accuracy: float
    n: int


def reliability(probabilities: Floats, truth: Indices) -> list[ReliabilityBin]:
    """Compare confidence with accuracy, bin by bin of confidence; empty bins are left out.

    Args:
        probabilities: Shape (decisions, labels).
        truth: Index of the true label, shape (decisions,).
    """
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == truth
    bins = confidence_bins(confidence)
    return [
        ReliabilityBin(
            float(confidence[bins == each].mean()), float(is_right[bins == each].mean()), int(n)
        )
        for each, n in enumerate(np.bincount(bins))
        if n
    ]


def expected_calibration_error(probabilities: Floats, truth: Indices) -> float:
    """Return the mean distance of confidence and accuracy over the bins, weighted by their size.

    The arguments are those of `reliability` (Naeini et al. 2015; Guo et al. 2017).
    """
    gaps = [
        each.n * abs(each.confidence - each.accuracy) for each in reliability(probabilities, truth)
    ]
    return float(sum(gaps) / len(truth))


def confidence_bins(confidence: Floats) -> NDArray[np.int64]:
    """Return the bin of each confidence: `N_BINS` of equal width from 0 to 1."""
    return np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)


def pinball(predicted: Array, actual: Array, shares: Sequence[float]) -> float:
    """Return the mean pinball loss of quantiles.

    Args:
        predicted: Shape (cases, quantiles).
        actual: Shape (cases,).
        shares: The quantiles' probabilities.
    """
    excess = actual[:, None] - predicted
    return float(np.maximum(np.asarray(shares) * excess, (np.asarray(shares) - 1) * excess).mean())


def group_interval(
    values: Sequence[float] | Array,
    groups: Sequence[str] | NDArray[np.int64],
    *,
    n_draws: int = 2000,
    seed: int = 27,
) -> tuple[float, float]:
    """Return the 95 % interval of a mean by bootstrap over groups, for those of a group are alike.

    Args:
        values: One a case, shape (cases,); for a paired comparison, the differences.
        groups: The group of each case: its day, or the video that a clip is of.
        n_draws: Bootstrap samples; each draws as many groups as there are, with replacement.
        seed: Of the draws.
    """
    names, of_case = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(of_case, weights=values), np.bincount(of_case)
    drawn = np.random.default_rng(seed).integers(len(names), size=(n_draws, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
