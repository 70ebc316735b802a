"""How good a bundle is on clips, streamed frame by frame through the engine that serves it."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.progress import track

from har_stream.bundles.bundle import Bundle
from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.video_file import read_file
from har_stream.core.errors import InputError
from har_stream.core.thresholds import apply_reject_rule
from har_stream.recognition.recogniser import Recogniser
from training.config import DataConfig
from training.data.clip import EPOCH, EVERY_CLASS, LINK, Clip, Dataset
from training.data.dataset import read_dataset
from training.evaluation import clip_score
from training.evaluation.clip_score import JudgedClip

logger = logging.getLogger(__name__)


def evaluate_bundle(
    bundle: Bundle, data: DataConfig, *, groups: Sequence[str] = ()
) -> dict[str, Any]:
    """Stream every clip of a data set and score the decisions.

    Args:
        bundle: What is evaluated.
        data: Class folders; those in `others` are no labels and ought to become `unknown`.
        groups: Only clips of these groups; none: all.

    Returns:
        `accuracy`, `macro_f1`, `per_class` and `n_clips` by clip, `ece` by decision; `split`: which
        clips; `leaks`: whether the bundle has learned from any of their groups; `unreadable`: clips
        left out, with the reason; `passed`: share of right decisions that the reject rule lets
        pass; `others_rejected`: share of decisions on other activities that it does not.

    Raises:
        InputError: The data has labels that the bundle does not know, or no clip can be read.
    """
    manifest = bundle.manifest
    clips = chosen_clips(bundle, data, groups=groups)
    judged, unreadable = stream_clips(bundle, clips)
    if not any(clip.truth is not None for clip in judged):
        raise InputError(f"{data.path}: no clip to evaluate on; {len(unreadable)} cannot be read")
    return {
        "bundle": manifest.name,
        **clip_score.score(judged, manifest.labels),
        "split": f"groups {', '.join(groups)}" if groups else "all clips",
        "leaks": _leaks(bundle, clips),
        "unreadable": unreadable,
        **_rejection(bundle, judged),
    }


def chosen_clips(bundle: Bundle, data: DataConfig, *, groups: Sequence[str] = ()) -> list[Clip]:
    """List the clips that a bundle is to be evaluated on.

    Raises:
        InputError: The data has labels that the bundle does not know.
    """
    dataset = read_dataset(data)
    _check_labels(bundle, dataset, data)
    return [c for c in (*dataset.clips, *dataset.others) if not groups or c.is_of(groups)]


def _check_labels(bundle: Bundle, dataset: Dataset, data: DataConfig) -> None:
    known = bundle.manifest.labels
    if set(dataset.labels) - set(known):
        raise InputError(
            f"labels differ: bundle {bundle.manifest.name} knows {', '.join(known)}; "
            f"{data.path} has {', '.join(dataset.labels)}; choose with --classes"
        )
    absent = [label for label in known if label not in dataset.labels]
    if absent and not data.classes:
        logger.warning("%s: no clips of %s; judged on the others", data.path, ", ".join(absent))


def stream_clips(bundle: Bundle, clips: Sequence[Clip]) -> tuple[list[JudgedClip], dict[str, str]]:
    """Stream clips, each as if from a camera of its own.

    Returns:
        What is said of each clip, and the clips that cannot be read, each with the reason.
    """
    recogniser = Recogniser(bundle)
    spec = bundle.manifest.clip
    images = ImageOptions(spec.picture)
    index = {label: n for n, label in enumerate(bundle.manifest.labels)}
    judged: list[JudgedClip] = []
    unreadable: dict[str, str] = {}
    for clip in track(clips, "streaming clips"):
        camera = str(clip.path)
        decisions = []
        try:
            for frame in read_file(
                clip.path, sample_hz=spec.sample_hz, start_at=EPOCH, images=images
            ):
                decisions += recogniser.step([(camera, frame)])
        except InputError as error:
            unreadable[camera] = str(error)
            recogniser.forget(camera)
            continue
        decisions += recogniser.finish(camera)
        probabilities = np.stack([decision.probabilities for decision in decisions])
        energies = np.array([decision.energy for decision in decisions])
        judged.append(JudgedClip(clip, index.get(clip.label), probabilities, energies))
    return judged, unreadable


def _leaks(bundle: Bundle, clips: Sequence[Clip]) -> bool:
    seen: dict[str, set[str]] = {}
    for source in bundle.manifest.provenance.trained_on:
        label, groups = source.split("/", 1)
        seen.setdefault(label, set()).update(groups.split(LINK))
    everywhere = seen.get(EVERY_CLASS, set())
    return any(clip.is_of(seen.get(clip.label, set()) | everywhere) for clip in clips)


def _rejection(bundle: Bundle, judged: Sequence[JudgedClip]) -> dict[str, float]:
    labels = bundle.manifest.labels
    passed: dict[bool, list[bool]] = {True: [], False: []}
    for clip in judged:
        for row, energy in zip(clip.probabilities, clip.energies.tolist(), strict=True):
            is_right = clip.truth is not None and int(row.argmax()) == clip.truth
            if is_right or clip.truth is None:
                verdict = apply_reject_rule(
                    dict(zip(labels, row.tolist(), strict=True)), bundle.manifest.deciding
                )
                known = bundle.manifest.calibration.knows(energy)
                passed[is_right].append(known and verdict.label in labels)
    shares = {"passed": float(np.mean(passed[True])) if passed[True] else 0.0}
    if passed[False]:
        shares["others_rejected"] = 1 - float(np.mean(passed[False]))
    return shares


def split_names(text: str) -> tuple[str, ...]:
    """Read `20-25,30` or `A,B` from the command line.

    Raises:
        InputError: A range runs backwards, or a text names nothing, which is not to mean all.
    """
    names: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            if int(last) < int(first):
                raise InputError(f"{part}: no range ends before it begins; write {last}-{first}")
            names += [str(number) for number in range(int(first), int(last) + 1)]
        else:
            names.append(part)
    if text and not names:
        raise InputError(f"{text!r} names nothing; write A,B or 1-7, or leave the option out")
    return tuple(names)
