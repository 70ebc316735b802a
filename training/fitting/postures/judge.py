"""How good a bundle of postures is, second by second, on clips that it streams.

What is judged is what is announced: walking and standing count as upright, lying anywhere as lying,
idle as nobody. A second's truth is the state of most of its frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score

from har_stream.bundles.bundle import Bundle
from har_stream.core.activity import IDLE, LYING
from har_stream.recognition.person import postures
from har_stream.recognition.person.network import PoseFinder
from har_stream.recognition.recogniser import Recogniser
from training.fitting.postures.footage import SeenClip, sampled
from training.fitting.postures.settings import PostureConfig

JUDGED = (postures.NOBODY, postures.UPRIGHT, postures.SITTING, LYING, postures.BENDING)
"""What is told apart."""
_OF_ACTIVITY = {
    IDLE: postures.NOBODY,
    postures.WALKING: postures.UPRIGHT,
    postures.STANDING: postures.UPRIGHT,
}
_OF_POSTURE = {postures.ON_BED: LYING, postures.ON_FLOOR: LYING}
_MERGED = np.array([JUDGED.index(_OF_POSTURE.get(name, name)) for name in postures.POSTURES])
"""Index in `JUDGED` of every posture."""
N_RESAMPLES = 1000
PRIOR = 0.5
"""Added to every count of confusions: none is impossible."""
SURE = 0.6
"""Probability from which a second is announced."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The seconds of one clip.

    Attributes:
        clip: Its name.
        truth: Index in `JUDGED` of every second, shape (n,).
        said: Probabilities of `JUDGED`, shape (n, len(JUDGED)).
        is_plain: Whether a second has one true state, shape (n,).
        outputs: What the head said of every frame, before anything was made of it; shape
            (n_frames, n_outputs), beside `postures`.
        postures: Index of every frame's true posture; -1: none is known.
        decided: Probabilities of `JUDGED` at every frame, shape (n_frames, len(JUDGED)).
        energies: Free energy of every frame's decision, shape (n_frames,).
    """

    clip: str
    truth: NDArray[np.int64]
    said: NDArray[np.float64] = field(repr=False)
    is_plain: NDArray[np.bool_] = field(repr=False)
    outputs: NDArray[np.float64] = field(repr=False)
    postures: NDArray[np.int64] = field(repr=False)
    decided: NDArray[np.float64] = field(repr=False)
    energies: NDArray[np.float64] = field(repr=False)

    @property
    def truths(self) -> NDArray[np.int64]:
        """Index in `JUDGED` of every frame's true posture; -1: none is known."""
        return np.where(self.postures >= 0, _MERGED[self.postures], -1)


def stream(
    bundle: Bundle, footage: Sequence[SeenClip], config: PostureConfig, *, pose: PoseFinder
) -> list[Judged]:
    """Stream clips, each as from a camera of its own, and judge what is said of every second."""
    recogniser = Recogniser(bundle, pose=pose)
    return [_judge(recogniser, each, config) for each in footage]


def _judge(recogniser: Recogniser, footage: SeenClip, config: PostureConfig) -> Judged:
    labels = recogniser.bundle.manifest.labels
    to = [JUDGED.index(_OF_ACTIVITY.get(label, label)) for label in labels]
    said, outputs, energies = [], [], []
    for frame in sampled(footage.path, config):
        for decision in recogniser.step([(footage.clip, frame)]):
            assert decision.person is not None  # noqa: S101 - it is a bundle of postures
            merged = np.zeros(len(JUDGED))
            np.add.at(merged, to, decision.probabilities)
            said.append(merged)
            outputs.append(list(decision.person.outputs.values()))
            energies.append(decision.energy)
    recogniser.forget(footage.clip)
    per_s = round(config.clip.sample_hz)
    truth, by_second, is_plain = [], [], []
    for start in range(0, len(said), per_s):
        known = footage.postures[start : start + per_s]
        states = _MERGED[known[known >= 0]]
        if len(states):
            truth.append(np.bincount(states).argmax())
            by_second.append(np.mean(said[start : start + per_s], axis=0))
            is_plain.append(len(set(states.tolist())) == 1)
    return Judged(
        footage.clip,
        np.array(truth),
        np.array(by_second),
        np.array(is_plain),
        np.array(outputs),
        footage.postures,
        np.array(said),
        np.array(energies),
    )


def score(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return figures of clips together, with 95 % intervals over clips (Efron 1979).

    Returns:
        `macro_f1` over what is told apart and occurs, `per_posture`, `accuracy` of seconds with one
        true state, `sure`: the share of those that reach `SURE`, `accuracy_sure`: of these; and
        `intervals` of the same names.
    """
    figures = _figures(judged)
    rng = np.random.default_rng(0)
    drawn = [
        _figures([judged[n] for n in rng.integers(len(judged), size=len(judged))])
        for _ in range(N_RESAMPLES)
    ]
    intervals = {
        name: [round(float(q), 3) for q in np.percentile([d[name] for d in drawn], (2.5, 97.5))]
        for name in figures
    }
    truth, said, _ = _together(judged)
    per = f1_score(truth, said.argmax(-1), labels=range(len(JUDGED)), average=None, zero_division=0)
    counts = confusion_matrix(truth, said.argmax(-1), labels=range(len(JUDGED)))
    return {
        **{name: round(value, 4) for name, value in figures.items()},
        "intervals": intervals,
        "per_posture": dict(zip(JUDGED, np.round(per, 3).tolist(), strict=True)),
        "confusion": counts.tolist(),
        "n_seconds": len(truth),
        "n_clips": len(judged),
    }


def label_confusion(judged: Sequence[Judged]) -> tuple[tuple[float, ...], ...]:
    """Return P(label recognised | label true), for the manifest.

    The tables of states do not tell walking from standing, so that either is as likely.
    """
    truth, said, _ = _together(judged)
    counts = confusion_matrix(truth, said.argmax(-1), labels=range(len(JUDGED))) + PRIOR
    shares = counts / counts.sum(-1, keepdims=True)
    labels = postures.labels_of(postures.POSTURES)
    of = [JUDGED.index(_OF_ACTIVITY.get(label, label)) for label in labels]
    n_of = np.bincount(of)
    return tuple(tuple(float(shares[i, j] / n_of[j]) for j in of) for i in of)


def _figures(judged: Sequence[Judged]) -> dict[str, float]:
    truth, said, is_plain = _together(judged)
    guess, right = said.argmax(-1), said.argmax(-1) == truth
    sure = is_plain & (said.max(-1) >= SURE)
    macro = f1_score(truth, guess, labels=np.unique(truth), average="macro", zero_division=0)
    return {
        "macro_f1": float(macro),
        "accuracy": float(right[is_plain].mean()),
        "sure": float(sure.sum() / max(1, is_plain.sum())),
        "accuracy_sure": float(right[sure].mean()) if sure.any() else 0.0,
    }


def _together(
    judged: Sequence[Judged],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    return (
        np.concatenate([each.truth for each in judged]),
        np.concatenate([each.said for each in judged]),
        np.concatenate([each.is_plain for each in judged]),
    )
