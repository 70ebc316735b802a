"""The head in NumPy is scikit-learn's logistic regression, and every activity counts alike."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from training.fitting.teaching.head import fit_logistic, fit_taught


@pytest.mark.parametrize("strength", [0.003, 0.3])
def test_it_is_scikit_learns_logistic_regression(strength: float) -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 40)
    examples = rng.normal(size=(120, 12)) + np.eye(3, 12)[truth] * 2
    weights = rng.uniform(0.5, 2.0, 120)
    kernel, bias = fit_logistic(examples, truth, weights, strength=strength)
    oracle = LogisticRegression(C=strength, tol=1e-8, max_iter=5000)
    oracle.fit(examples, truth, weights)
    logits = examples @ kernel + bias
    powers = np.exp(logits - logits.max(1, keepdims=True))
    ours = powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(ours, oracle.predict_proba(examples), atol=2e-3)


def test_a_rare_activity_counts_as_much_as_much_ordinary_footage() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([0] * 500 + [1] * 5)
    pooled = (rng.normal(size=(505, 4)) + 3.0 * (truth[:, None] == 1)).astype(np.float32)
    head = fit_taught(("tea",), pooled, truth, np.ones(505))
    said = head.probabilities(np.full((1, 4), 1.5, np.float32))  # half way between them
    assert said[0, 1] == pytest.approx(0.5, abs=0.15)
    assert said.sum() == pytest.approx(1)
