"""What was never taught: fitted on footage that shows none of the labels (Liu et al. 2020)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from har_stream.config.camera_settings import ThresholdSettings
from predictor.evaluation.metrics import Floats, Indices
from training.evaluation.calibration import FITTED, RejectRule, fit_reject_rule, share_passing
from training.evaluation.clip_score import JudgedClip


@dataclass(frozen=True, slots=True)
class Decided:
    """What a network said of many windows.

    Attributes:
        probabilities: Calibrated, shape (n, n_labels).
        energies: Free energy of each, shape (n,).
    """

    probabilities: Floats
    energies: Floats

    def of(self, chosen: NDArray[np.bool_]) -> "Decided":
        """Those that are chosen, shape (n,)."""
        return Decided(self.probabilities[chosen], self.energies[chosen])


@dataclass(frozen=True, slots=True)
class OpenSetRule:
    """When a decision is of something taught, and what that does on the clips it was fitted on.

    Attributes:
        energy_above: Free energy above which it is not; see the manifest's `calibration`.
        rejecting: Thresholds for what is left, and shares of all decisions.
        negatives_rejected: Share of decisions on the negatives that become `unknown`.
    """

    energy_above: float
    rejecting: RejectRule
    negatives_rejected: float


def energies_of(judged: Iterable[JudgedClip], *, labelled: bool) -> NDArray[np.float64]:
    """Free energies of all windows of clips with a label, or of those without."""
    chosen = [clip.energies for clip in judged if (clip.truth is not None) == labelled]
    return np.concatenate([np.empty(0), *chosen])


def bound_energy(energies: Floats, *, let_pass: float) -> float:
    """Free energy that no more than this share of decisions on negatives keep below; 0: none."""
    least_rejected = np.sort(energies)[math.floor(let_pass * len(energies))]
    return float(np.ceil(least_rejected * 1e4) - 1) / 1e4


def fit_open_set_rule(
    known: Decided,
    truth: Indices,
    *,
    others: Decided,
    negatives: Decided,
    let_pass: float,
    keep: float,
    told: ThresholdSettings = FITTED,
) -> OpenSetRule:
    """Let so small a share of the negatives pass, and then as with `fit_reject_rule`.

    Free energy is judged first: it is that of the logits, which the softmax takes away. Where the
    negatives lie as low as what was taught, little of that passes; the shares say how little.

    Args:
        known: On clips of the labels.
        truth: Their labels, shape (n,).
        others: On clips of other activities; may be empty.
        negatives: On footage that shows none of the labels, of which nothing was learned.
        let_pass: Largest share of the negatives whose energy is not too high.
        keep: Least share that passes of the right decisions that are left.
        told: Thresholds that a person has given.
    """
    energy_above = bound_energy(negatives.energies, let_pass=let_pass)
    in_reach = known.energies <= energy_above
    left, foreign, strange = (
        each.of(each.energies <= energy_above) for each in (known, others, negatives)
    )
    rule = fit_reject_rule(
        left.probabilities, truth[in_reach], others=foreign.probabilities, keep=keep, told=told
    )
    is_right = known.probabilities.argmax(-1) == truth
    n_strange = share_passing(strange.probabilities, rule.deciding) * len(strange.energies)
    return OpenSetRule(
        energy_above,
        replace(
            rule,
            passed=_times(rule.passed, in_reach[is_right]),
            wrong_rejected=_rest(rule.wrong_rejected, in_reach[~is_right]),
            others_rejected=_rest(rule.others_rejected, others.energies <= energy_above),
        ),
        negatives_rejected=1 - n_strange / len(negatives.energies),
    )


def _times(share: float | None, in_reach: NDArray[np.bool_]) -> float | None:
    """A share of those in reach, as one of all; none where there is no decision at all."""
    return (share or 0.0) * float(in_reach.mean()) if len(in_reach) else None


def _rest(rejected: float | None, in_reach: NDArray[np.bool_]) -> float | None:
    passed = _times(None if rejected is None else 1 - rejected, in_reach)
    return None if passed is None else 1 - passed
