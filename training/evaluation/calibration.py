"""What confidence is worth, and below which of it nothing is said: fitted on unseen clips."""

import logging
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from har_stream.config.camera_settings import ThresholdSettings
from har_stream.core.thresholds import Thresholds
from predictor.evaluation.metrics import Floats, Indices

logger = logging.getLogger(__name__)

SHARES = ("passed", "wrong_rejected", "others_rejected")
"""What a reject rule does, as the manifest's metrics have it."""
NEGATIVES_REJECTED = "negatives_rejected"
"""The same for footage without any of the labels, where a run is given some."""
FITTED = ThresholdSettings()
"""No threshold is given: the fitted ones stand."""
LEAVES_AT = 0.7
"""A running activity holds down to this share of the confidence that it needs to start."""


def apply_temperature(probabilities: Floats, temperature: float) -> NDArray[np.float64]:
    """Turn the probabilities of temperature 1 into those of another."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-30)) / temperature
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    scaled: NDArray[np.float64] = powers / powers.sum(-1, keepdims=True)
    return scaled


def fit_temperature(probabilities: Floats, truth: Indices) -> float:
    """Find the temperature of least negative log-likelihood (Guo et al. 2017).

    Args:
        probabilities: Uncalibrated, shape (n, n_labels).
        truth: Index of the true label, shape (n,).
    """

    def loss(log_temperature: float) -> float:
        scaled = apply_temperature(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(scaled[np.arange(len(truth)), truth], 1e-30)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


@dataclass(frozen=True, slots=True)
class RejectRule:
    """A reject rule and what it does on the clips that it was fitted on.

    Each share is none where there is no decision to count.

    Attributes:
        deciding: The thresholds.
        passed: Share of right decisions that pass.
        wrong_rejected: Share of wrong decisions that become `unknown`.
        others_rejected: Share of decisions on other activities that do.
    """

    deciding: Thresholds
    passed: float | None
    wrong_rejected: float | None
    others_rejected: float | None

    def shares(self) -> dict[str, float]:
        """The shares by name, without those that count nothing."""
        found = {name: getattr(self, name) for name in SHARES}
        return {name: share for name, share in found.items() if share is not None}


def fit_reject_rule(
    known: Floats,
    truth: Indices,
    *,
    others: Floats,
    keep: float,
    told: ThresholdSettings = FITTED,
) -> RejectRule:
    """Choose confidence and margin so that right decisions pass and all else becomes `unknown`.

    Of all pairs of thresholds that let `keep` of the right decisions pass, the one that rejects the
    most other activities is taken, or the most wrong decisions where there are no others. Where
    no decision is right there is nothing to fit, and the default thresholds stand. What the rule
    does is counted with the thresholds that stand in the end.

    Args:
        known: Calibrated probabilities on clips of the labels, shape (n, n_labels).
        truth: Their labels, shape (n,).
        others: The same on clips of no label, shape (m, n_labels); m may be 0.
        keep: Least share of right decisions that pass.
        told: Thresholds that a person has given; they are laid over the fitted ones.
    """
    is_right = known.argmax(-1) == truth
    right, wrong = _verdicts(known[is_right]), _verdicts(known[~is_right])
    foreign = _verdicts(others)
    deciding = Thresholds()
    if len(right):
        deciding = _deciding(*_best(right, foreign if len(foreign) else wrong, keep=keep))
    else:
        logger.warning("no decision on the clips that calibrate is right: default thresholds stand")
    deciding = replace(deciding, **told.model_dump(exclude_none=True))
    least = (deciding.reject_below, deciding.margin_below)
    return RejectRule(
        deciding,
        passed=_passing(right, least) if len(right) else None,
        wrong_rejected=1 - _passing(wrong, least) if len(wrong) else None,
        others_rejected=1 - _passing(foreign, least) if len(foreign) else None,
    )


def is_passing(probabilities: Floats, deciding: Thresholds) -> NDArray[np.bool_]:
    """Which decisions, shape (n, n_labels), thresholds let pass; shape (n,)."""
    least = np.array((deciding.reject_below, deciding.margin_below))
    passing: NDArray[np.bool_] = np.all(_verdicts(probabilities) >= least, axis=-1)
    return passing


def share_passing(probabilities: Floats, deciding: Thresholds) -> float:
    """Share of decisions, shape (n, n_labels), that thresholds let pass; 0 of none."""
    return float(is_passing(probabilities, deciding).mean()) if len(probabilities) else 0.0


def _best(
    right: NDArray[np.float64], to_reject: NDArray[np.float64], *, keep: float
) -> tuple[float, float]:
    """Confidence and margin that enough right verdicts reach, and the fewest of the others."""
    steps = np.linspace(0, 1 - keep, 21)
    pairs = [
        (float(confidence), float(margin))
        for confidence in np.quantile(right[:, 0], steps)
        for margin in np.quantile(right[:, 1], steps)
    ]
    allowed = [pair for pair in pairs if _passing(right, pair) >= keep]
    return min(allowed, key=lambda pair: _passing(to_reject, pair))


def _deciding(confidence: float, margin: float) -> Thresholds:
    reject_below, margin_below = (
        max(round(least - 5e-5, 4), 0.0) for least in (confidence, margin)
    )
    return replace(
        Thresholds(),
        reject_below=reject_below,
        margin_below=margin_below,
        enter_above=reject_below,
        leave_below=round(LEAVES_AT * reject_below, 4),
    )


def _verdicts(probabilities: Floats) -> NDArray[np.float64]:
    """Confidence and margin of each row, shape (n, 2)."""
    ranked = np.sort(probabilities.astype(np.float64), axis=-1)
    return np.stack([ranked[:, -1], ranked[:, -1] - ranked[:, -2]], axis=-1)


def _passing(verdicts: NDArray[np.float64], thresholds: tuple[float, float]) -> float:
    if not len(verdicts):
        return 0.0
    return float((verdicts >= np.array(thresholds)).all(-1).mean())
