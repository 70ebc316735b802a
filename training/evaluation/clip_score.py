"""How good decisions are: pure functions of probabilities and truth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from predictor.evaluation.metrics import (
    Floats,
    Indices,
    confidence_bins,
    expected_calibration_error,
)
from training.data.clip import Clip


def chance_calibration_error(
    confidence: Floats, groups: Sequence[str], *, n_draws: int = 500, seed: int = 27
) -> float:
    """Return the calibration error that honest decisions have on average, by chance alone.

    Cuts of a video are recognised or missed together, so each draw lets one number decide for all
    decisions of a video which confidences come true.

    Args:
        confidence: Of every decision, taken to be honest.
        groups: The video of each.
        n_draws: Simulated test sets.
        seed: Of the draws.
    """
    names, of_decision = np.unique(groups, return_inverse=True)
    bins = confidence_bins(confidence)
    luck = np.random.default_rng(seed).random((n_draws, len(names)))
    distances = [
        np.abs(np.bincount(bins, confidence - (draw[of_decision] < confidence))).sum()
        for draw in luck
    ]
    return float(np.mean(distances) / len(confidence))


def per_class(
    recognised: Indices, truth: Indices, labels: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and number of clips of every label that occurs in the truth."""
    precision, recall, f1, n_clips = precision_recall_fscore_support(
        truth, recognised, labels=range(len(labels)), zero_division=0.0
    )
    return {
        label: {
            "precision": float(precision[n]),
            "recall": float(recall[n]),
            "f1": float(f1[n]),
            "n_clips": int(n_clips[n]),
        }
        for n, label in enumerate(labels)
        if n_clips[n]
    }


def macro_f1(scores: dict[str, dict[str, float]]) -> float:
    """Mean F1 over labels."""
    return float(np.mean([score["f1"] for score in scores.values()]))


def confusion(
    recognised: Indices, truth: Indices, *, n_labels: int, prior: float = 0.0
) -> NDArray[np.float64]:
    """Count rows by true and recognised label; with a prior, normalise each true label's row.

    Returns:
        Shape (n_labels, n_labels); `[i, j]`: truth i recognised as j.
    """
    counts: NDArray[np.float64] = confusion_matrix(
        truth, recognised, labels=range(n_labels)
    ).astype(np.float64)
    if prior == 0.0:
        return counts
    counts += prior
    shares: NDArray[np.float64] = counts / counts.sum(-1, keepdims=True)
    return shares


@dataclass(frozen=True, slots=True)
class JudgedClip:
    """What a network said of one clip.

    Attributes:
        clip: The clip.
        truth: Index of its label; none where it shows none of the labels.
        probabilities: Of every window that streaming decides on, shape (n_windows, n_labels).
        energies: Free energy of each, shape (n_windows,); empty where they were not kept.
    """

    clip: Clip
    truth: int | None
    probabilities: NDArray[np.float64]
    energies: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def said(self) -> int:
        """Index of the label that it takes the whole clip for, by the mean probabilities."""
        return int(self.probabilities.mean(0).argmax())


def windows_of(judged: Iterable[JudgedClip]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities of all windows of labelled clips, and their true labels."""
    labelled = [clip for clip in judged if clip.truth is not None]
    truth = [np.full(len(clip.probabilities), clip.truth) for clip in labelled]
    return np.concatenate([clip.probabilities for clip in labelled]), np.concatenate(truth)


def windows_of_others(judged: Iterable[JudgedClip], *, n_labels: int) -> NDArray[np.float64]:
    """Probabilities of all windows of clips without a label, shape (n, n_labels); n may be 0."""
    none = np.empty((0, n_labels))
    return np.concatenate([none, *(clip.probabilities for clip in judged if clip.truth is None)])


def score(judged: Sequence[JudgedClip], labels: Sequence[str]) -> dict[str, Any]:
    """Score calibrated decisions on labelled clips.

    Returns:
        `accuracy`, `macro_f1` and `per_class` by clip (its mean probabilities); `ece` by window, as
        each is a decision that streaming publishes; `n_clips`.
    """
    labelled = [clip for clip in judged if clip.truth is not None]
    said = np.array([clip.said for clip in labelled])
    truth = np.array([clip.truth for clip in labelled])
    classes = per_class(said, truth, labels)
    return {
        "accuracy": float((said == truth).mean()),
        "macro_f1": macro_f1(classes),
        "ece": expected_calibration_error(*windows_of(labelled)),
        "n_clips": len(labelled),
        "per_class": classes,
    }


def mean_and_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean of several runs, and half the width of its 95 % interval by Student's t."""
    spread = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(np.mean(values)), float(t.ppf(0.975, len(values) - 1)) * spread
