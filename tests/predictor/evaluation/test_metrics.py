"""Metrics are as scikit-learn has them; intervals are as wide as their groups make them."""

import numpy as np
import pytest
from sklearn import metrics as reference

from predictor.evaluation import metrics


def _forecasts(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(5, 0.5), 300)
    return probabilities, random.integers(5, size=300)


def test_metrics_equal_scikit_learn() -> None:
    probabilities, outcomes = _forecasts()
    labels = np.arange(5)
    assert metrics.log_losses(probabilities, outcomes).mean() == pytest.approx(
        reference.log_loss(outcomes, probabilities, labels=labels)
    )
    assert metrics.top_k(probabilities, outcomes, 3) == pytest.approx(
        reference.top_k_accuracy_score(outcomes, probabilities, k=3, labels=labels)
    )
    assert metrics.macro_recall(probabilities, outcomes) == pytest.approx(
        reference.recall_score(outcomes, probabilities.argmax(axis=1), average="macro")
    )
    two = np.stack((probabilities[:, 0], 1 - probabilities[:, 0]), axis=1)
    assert metrics.brier_score(two, (outcomes > 0).astype(int)) == pytest.approx(
        2 * reference.brier_score_loss(outcomes == 0, two[:, 0])
    )
    predicted, actual = probabilities[:, :1], probabilities[:, 1]
    assert metrics.pinball(predicted, actual, (0.9,)) == pytest.approx(
        reference.mean_pinball_loss(actual, predicted[:, 0], alpha=0.9)
    )


def test_calibration_error_is_zero_for_the_calibrated_and_large_for_the_vain() -> None:
    outcomes = np.array([0] * 7 + [1] * 3)
    calibrated = np.tile([0.7, 0.3], (10, 1))
    vain = np.tile([1.0, 0.0], (10, 1))
    assert metrics.expected_calibration_error(calibrated, outcomes) == pytest.approx(0.0)
    assert metrics.expected_calibration_error(vain, outcomes) == pytest.approx(0.3)


def test_the_bootstrap_draws_days_not_cases() -> None:
    """Cases of one day are alike: the interval must be as wide as few days make it."""
    random = np.random.default_rng(0)
    of_day = random.normal(size=10)
    days = np.repeat(np.arange(10), 50)
    low, high = metrics.group_interval(of_day[days], days)
    assert low < of_day.mean() < high
    assert high - low > 2 * of_day.std() / np.sqrt(10)
