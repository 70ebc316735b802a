"""Temperature makes confidence honest; the reject rule lets right decisions pass."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from har_stream.config.camera_settings import ThresholdSettings
from har_stream.core.activity import UNKNOWN
from har_stream.core.thresholds import Thresholds, apply_reject_rule
from predictor.evaluation.metrics import expected_calibration_error
from training.data.clip import VideoClip
from training.evaluation import calibration, clip_score
from training.evaluation.clip_score import JudgedClip


def _drawn(seed: int, *, n: int = 6000, n_labels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Honest probabilities: the truth is drawn from them."""
    rng = np.random.default_rng(seed)
    honest = softmax(rng.normal(0, 2, (n, n_labels)), axis=-1)
    return honest, (honest.cumsum(-1) < rng.random((n, 1))).sum(-1)


@pytest.mark.parametrize("overconfidence", [0.4, 1.0, 3.0])
def test_temperature_undoes_overconfidence(overconfidence: float) -> None:
    honest, truth = _drawn(1)
    said = softmax(np.log(honest) * overconfidence, axis=-1)
    temperature = calibration.fit_temperature(said, truth)
    assert temperature == pytest.approx(overconfidence, rel=0.06)
    calibrated = calibration.apply_temperature(said, temperature)
    np.testing.assert_allclose(calibrated.sum(-1), 1)
    assert expected_calibration_error(calibrated, truth) < 0.02
    before = expected_calibration_error(said, truth)
    assert (before > 0.08) == (overconfidence != 1)
    for other in (0.8 * temperature, 1.25 * temperature):
        scaled = calibration.apply_temperature(said, other)
        assert log_loss(truth, scaled) > log_loss(truth, calibrated)


def test_calibration_error_is_that_of_an_enumeration() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.62, 0.38], [0.3, 0.7]])
    truth = np.array([0, 1, 0, 0])
    expected = (abs(2 * 0.95 - 1) + abs(0.62 - 1) + abs(0.7 - 0)) / 4
    assert expected_calibration_error(probabilities, truth) == pytest.approx(expected)


def test_honest_decisions_show_the_calibration_error_of_chance() -> None:
    honest = [_drawn(seed, n=60)[0] for seed in range(5)]
    for said in honest:
        alone = [str(n) for n in range(len(said))]
        truths = [
            (said.cumsum(-1) < np.random.default_rng(seed).random((len(said), 1))).sum(-1)
            for seed in range(300)
        ]
        seen = [expected_calibration_error(said, truth) for truth in truths]
        by_chance = clip_score.chance_calibration_error(said.max(-1), alone)
        assert by_chance == pytest.approx(np.mean(seen), rel=0.05)
        together = clip_score.chance_calibration_error(
            said.max(-1), [str(n // 6) for n in range(60)]
        )
        assert together > 1.1 * by_chance  # cuts of a video are no new evidence
    many = _drawn(9, n=20_000)[0].max(-1)
    assert clip_score.chance_calibration_error(many, [str(n) for n in range(len(many))]) < 0.01


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99), keep=st.floats(0.5, 1.0))
def test_right_decisions_pass_as_asked(seed: int, keep: float) -> None:
    known, truth = _drawn(seed, n=200)
    others = softmax(np.random.default_rng(seed).normal(0, 0.5, (100, 4)), axis=-1)
    fitted = calibration.fit_reject_rule(known, truth, others=others, keep=keep)
    assert fitted.passed >= keep
    deciding = fitted.deciding
    right = known[known.argmax(-1) == truth]
    ranked = np.sort(right, axis=-1)
    passing = (ranked[:, -1] >= deciding.reject_below) & (
        ranked[:, -1] - ranked[:, -2] >= deciding.margin_below
    )
    assert passing.mean() >= keep - 1e-9
    assert deciding.leave_below <= deciding.enter_above == deciding.reject_below


def test_other_activities_are_rejected_where_they_can_be_told() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 4, 300)
    known = np.full((300, 4), 0.03)
    known[np.arange(300), truth] = 0.91
    others = softmax(rng.normal(0, 0.3, (200, 4)), axis=-1)
    fitted = calibration.fit_reject_rule(known, truth, others=others, keep=0.95)
    assert fitted.others_rejected == 1.0
    assert fitted.passed == 1.0


def test_without_other_activities_wrong_decisions_are_rejected() -> None:
    known, truth = _drawn(5)
    lax = calibration.fit_reject_rule(known, truth, others=np.empty((0, 4)), keep=0.99)
    strict = calibration.fit_reject_rule(known, truth, others=np.empty((0, 4)), keep=0.6)
    assert lax.others_rejected is None
    assert 0.01 < lax.wrong_rejected < strict.wrong_rejected


def test_where_no_decision_is_right_the_default_thresholds_stand(
    caplog: pytest.LogCaptureFixture,
) -> None:
    known, truth = np.array([[0.9, 0.06, 0.04], [0.34, 0.33, 0.33]]), np.array([1, 1])
    fitted = calibration.fit_reject_rule(known, truth, others=known[1:], keep=0.9)
    assert fitted == calibration.RejectRule(
        Thresholds(), passed=None, wrong_rejected=0.5, others_rejected=1.0
    )
    assert "no decision on the clips that calibrate is right" in caplog.text


def test_shares_are_counted_with_the_thresholds_that_stand_in_the_end() -> None:
    known, truth = _drawn(6, n=300)
    others = softmax(np.random.default_rng(6).normal(0, 1, (100, 4)), axis=-1)
    told = ThresholdSettings(reject_below=0.7, margin_below=0.55)
    fitted = calibration.fit_reject_rule(known, truth, others=others, keep=0.9, told=told)
    assert (fitted.deciding.reject_below, fitted.deciding.margin_below) == (0.7, 0.55)

    def rejected(rows: np.ndarray) -> float:
        verdicts = [
            apply_reject_rule(dict(zip("ABCD", row, strict=True)), fitted.deciding) for row in rows
        ]
        return float(np.mean([verdict.label == UNKNOWN for verdict in verdicts]))

    is_right = known.argmax(-1) == truth
    assert fitted.shares() == pytest.approx(
        {
            "passed": 1 - rejected(known[is_right]),
            "wrong_rejected": rejected(known[~is_right]),
            "others_rejected": rejected(others),
        }
    )
    assert fitted.shares()["passed"] < 0.9, "the fitted thresholds would let more pass"


def test_of_no_wrong_decision_none_is_said_to_be_rejected() -> None:
    known = np.array([[0.9, 0.1], [0.2, 0.8]])
    fitted = calibration.fit_reject_rule(known, np.array([0, 1]), others=np.empty((0, 2)), keep=0.9)
    assert fitted.shares() == {"passed": 1.0}


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(7)
    labels = ("A", "B", "C")
    judged = [
        JudgedClip(
            VideoClip(Path("x"), "A", "1"), int(rng.integers(3)), rng.dirichlet([1] * 3, n_windows)
        )
        for n_windows in rng.integers(1, 5, 60)
    ]
    scores = clip_score.score(judged, labels)
    truth = [clip.truth for clip in judged]
    said = [int(clip.probabilities.mean(0).argmax()) for clip in judged]
    assert scores["accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro"))
    assert scores["n_clips"] == 60
    counts = clip_score.confusion(np.array(said), np.array(truth), n_labels=3)
    np.testing.assert_array_equal(counts, confusion_matrix(truth, said))
    shares = clip_score.confusion(np.array(said), np.array(truth), n_labels=3, prior=0.5)
    np.testing.assert_allclose(shares, (counts + 0.5) / (counts + 0.5).sum(-1, keepdims=True))
    for n, label in enumerate(labels):
        assert scores["per_class"][label]["n_clips"] == truth.count(n)


def test_a_class_never_recognised_scores_nothing_and_an_absent_one_is_left_out() -> None:
    scores = clip_score.per_class(np.array([0, 0]), np.array([0, 1]), ("A", "B", "C"))
    assert scores["B"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n_clips": 1}
    assert set(scores) == {"A", "B"}


def test_interval_of_several_seeds() -> None:
    mean, half = clip_score.mean_and_interval([0.8, 0.9, 0.85, 0.87, 0.83])
    assert mean == pytest.approx(0.85)
    assert half == pytest.approx(
        2.776 * np.std([0.8, 0.9, 0.85, 0.87, 0.83], ddof=1) / 5**0.5, 1e-3
    )
