"""What was never taught becomes `unknown`, by free energy, as often as was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from har_stream.bundles.bundle import Calibration
from har_stream.core.activity import UNKNOWN
from har_stream.core.thresholds import apply_reject_rule
from training.evaluation.open_set import Decided, OpenSetRule, fit_open_set_rule


def _decided(logits: NDArray[np.float64]) -> Decided:
    return Decided(softmax(logits, axis=-1), -logsumexp(logits, axis=-1))


def _drawn(seed: int) -> tuple[Decided, NDArray[np.int64], Decided, Decided]:
    """Clips of the labels with large logits, other activities, and negatives with small ones."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 400)
    known = rng.normal(0, 1, (400, 4))
    known[np.arange(400), truth] += rng.uniform(0, 5, 400)
    others = rng.normal(0, 1, (200, 4)) * 1.5
    negatives = rng.normal(-1, 0.7, (150, 4))
    return _decided(known), truth, _decided(others), _decided(negatives)


def _passing(decided: Decided, rule: OpenSetRule) -> NDArray[np.bool_]:
    """By the rule that streams, decision by decision."""
    calibration = Calibration(energy_above=rule.energy_above)
    verdicts = [
        apply_reject_rule(dict(zip("ABCD", row, strict=True)), rule.rejecting.deciding)
        for row in decided.probabilities
    ]
    return np.array(
        [
            calibration.knows(energy) and verdict.label != UNKNOWN
            for energy, verdict in zip(decided.energies.tolist(), verdicts, strict=True)
        ]
    )


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 99), let_pass=st.sampled_from([0.0, 0.02, 0.1]))
def test_so_few_negatives_pass_and_the_shares_are_counted_as_they_stream(
    seed: int, let_pass: float
) -> None:
    known, truth, others, negatives = _drawn(seed)
    rule = fit_open_set_rule(
        known, truth, others=others, negatives=negatives, let_pass=let_pass, keep=0.9
    )
    assert (negatives.energies <= rule.energy_above).mean() <= let_pass
    is_right = known.probabilities.argmax(-1) == truth
    passing = _passing(known, rule)
    assert rule.rejecting.shares() == pytest.approx(
        {
            "passed": passing[is_right].mean(),
            "wrong_rejected": 1 - passing[~is_right].mean(),
            "others_rejected": 1 - _passing(others, rule).mean(),
        }
    )
    assert rule.negatives_rejected == pytest.approx(1 - _passing(negatives, rule).mean())
    assert rule.negatives_rejected >= 1 - let_pass
    assert rule.rejecting.passed is not None
    assert rule.rejecting.passed > 0.3


def test_negatives_as_sure_as_what_was_taught_leave_little_and_the_shares_say_so() -> None:
    known, truth, others, _ = _drawn(1)
    surest = _decided(np.tile([9.0, 0, 0, 0], (20, 1)))
    rule = fit_open_set_rule(known, truth, others=others, negatives=surest, let_pass=0.02, keep=0.9)
    assert rule.rejecting.passed == 0.0
    assert rule.rejecting.others_rejected == 1.0


def test_without_a_rule_everything_may_be_known() -> None:
    assert Calibration().knows(1e5)
    assert not Calibration(energy_above=-2.5).knows(-2.4)
