"""Footage of which no posture can be told: a bound on its strangeness, what it costs and brings.

A head's free energy is its logit of strangeness (`training.fitting.postures.head`). The bound lets
most of what is right in rooms that were left out pass; footage apart says what it then rejects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import Manifest
from har_stream.core.thresholds import Thresholds
from har_stream.recognition.person.postures import NOBODY
from training.evaluation.calibration import NEGATIVES_REJECTED, is_passing
from training.evaluation.clip_score import JudgedClip
from training.fitting.postures.judge import JUDGED, Judged

_NOBODY = JUDGED.index(NOBODY)
_WITHOUT = "_without_bound"


@dataclass(frozen=True, slots=True)
class Said:
    """Decisions on people of one room; only those that name a posture.

    Attributes:
        energies: Free energy of each, shape (n,).
        is_sure: Whether the thresholds let it pass, shape (n,).
        is_right: Whether the posture is the true one, shape (n,).
    """

    energies: NDArray[np.float64]
    is_sure: NDArray[np.bool_]
    is_right: NDArray[np.bool_]


def said_of(judged: Sequence[Judged], deciding: Thresholds) -> Said:
    """What was said of clips, frame by frame, where the truth is known."""
    truth, decided, energies = (
        np.concatenate([getattr(each, name) for each in judged])
        for name in ("truths", "decided", "energies")
    )
    named = decided.argmax(-1)
    counts = (truth >= 0) & (named != _NOBODY)
    sure, right = is_passing(decided, deciding), named == truth
    return Said(energies[counts], sure[counts], right[counts])


def fit_bound(rooms: Sequence[Said], *, keep: float) -> float:
    """Free energy that this share of what is rightly and surely said keeps below."""
    energies = np.concatenate([said.energies[said.is_sure & said.is_right] for said in rooms])
    return float(np.ceil(np.quantile(energies, keep) * 1e4) / 1e4)


def share_of_rooms(rooms: Sequence[Said], *, keep: float) -> dict[str, float]:
    """What the rule does in rooms that were left out, each by the bound that the others gave.

    Returns:
        `passed`: share of right decisions that are said; `wrong_rejected`: of wrong ones that are
        not; and both by thresholds alone, as `passed_without_bound` and so on.
    """
    bounds = [
        fit_bound([other for other in rooms if other is not said] or rooms, keep=keep)
        for said in rooms
    ]
    is_right, is_sure = (
        np.concatenate([getattr(said, name) for said in rooms]) for name in ("is_right", "is_sure")
    )
    is_known = np.concatenate(
        [said.energies <= bound for said, bound in zip(rooms, bounds, strict=True)]
    )
    return {
        "passed": _share(is_sure & is_known, is_right),
        f"passed{_WITHOUT}": _share(is_sure, is_right),
        "wrong_rejected": 1 - _share(is_sure & is_known, ~is_right),
        f"wrong_rejected{_WITHOUT}": 1 - _share(is_sure, ~is_right),
    }


def share_of_negatives(negatives: Sequence[JudgedClip], manifest: Manifest) -> dict[str, float]:
    """Share of decisions on footage of no posture that name none, with the bound and without."""
    probabilities = np.concatenate([clip.probabilities for clip in negatives])
    energies = np.concatenate([clip.energies for clip in negatives])
    said = is_passing(probabilities, manifest.deciding) & (energies > -np.inf)  # else nobody
    is_known = np.array([manifest.calibration.knows(energy) for energy in energies.tolist()])
    return {
        NEGATIVES_REJECTED: 1 - float((said & is_known).mean()),
        f"{NEGATIVES_REJECTED}{_WITHOUT}": 1 - float(said.mean()),
    }


def _share(chosen: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    return float(chosen[of].mean()) if of.any() else 0.0
