"""Runs side by side: what each is worth, and which differences are more than chance."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from har_stream.bundles.bundle import load_bundle
from har_stream.core.errors import InputError
from predictor.evaluation.metrics import group_interval
from training import run_folder
from training.evaluation import clip_score, compute_cost, speed
from training.evaluation.clip_score import JudgedClip
from training.run_folder import RunRecord

SEEDS = "seed-*"
"""Folders of a sweep: the runs of `train-har fit --seeds`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One run, or the runs of a sweep, which differ in their seed alone.

    Attributes:
        name: Unique among the entries of a comparison.
        runs: At least one.
    """

    name: str
    runs: tuple[RunRecord, ...]

    @property
    def tested(self) -> list[JudgedClip]:
        """Decisions on test clips of all runs, one after the other."""
        return [judged for run in self.runs for judged in run.tested]


def read(paths: Sequence[Path]) -> list[Entry]:
    """Read runs and sweeps, and give each a name of its own.

    Raises:
        InputError: A folder holds neither.
    """
    found = [_runs_of(path) for path in paths]
    names = [runs[0].manifest.name for runs in found]
    repeated = {name for name, n in Counter(names).items() if n > 1}
    return [
        Entry(f"{name} ({path})" if name in repeated else name, runs)
        for name, path, runs in zip(names, paths, found, strict=True)
    ]


def seeds_of(folder: Path, made: Sequence[Path] = ()) -> list[Entry]:
    """Read a sweep, each of its seeds an entry.

    Args:
        folder: Of the sweep.
        made: Its runs; none: all that lie there.
    """
    return [Entry(f"seed {run.config.seed}", (run,)) for run in _runs_of(folder, made)]


def is_sweep(folder: Path) -> bool:
    """Tell a sweep from a run."""
    return not (folder / run_folder.RUN).exists() and any(folder.glob(SEEDS))


def _runs_of(folder: Path, made: Sequence[Path] = ()) -> tuple[RunRecord, ...]:
    folders = made or (sorted(folder.glob(SEEDS)) if is_sweep(folder) else [folder])
    runs = sorted(map(run_folder.read_run, folders), key=lambda run: run.config.seed)
    if len({run.manifest.labels for run in runs}) > 1:
        raise InputError(f"{folder}: its seeds know different labels; run train-har fit again")
    return tuple(runs)


def compare(entries: Sequence[Entry]) -> dict[str, Any]:
    """Gather everything that the page says; speeds are measured now, one after the other.

    Returns:
        `entries`: a row each; `differences`: of every two, how much more accurate the first is on
        the clips that both were tested on, with its 95 % interval.
    """
    return {
        "entries": [_row(entry) for entry in entries],
        "differences": [difference(a, b) for a, b in itertools.combinations(entries, 2)],
    }


def _row(entry: Entry) -> dict[str, Any]:
    first = entry.runs[0]
    loaded = load_bundle(first.folder / run_folder.BUNDLE)
    work, taken = compute_cost.count_compute(loaded), speed.measure_speed(loaded)
    accuracy, (low, high) = _accuracy(entry)
    return {
        "name": entry.name,
        "network": first.manifest.network,
        "n_labels": len(first.manifest.labels),
        "split": first.manifest.provenance.split,
        "leaks": any(run.manifest.provenance.leaks for run in entry.runs),
        "seeds": [run.config.seed for run in entry.runs],
        "n_clips": len({judged.clip.name for judged in entry.tested}),
        "accuracy": accuracy,
        "accuracy_95": (low, high),
        "macro_f1": float(np.mean([run.scores["macro_f1"] for run in entry.runs])),
        "ece": float(np.mean([run.scores["ece"] for run in entry.runs])),
        "n_parameters": loaded.manifest.n_parameters,
        "multiply_adds_step": work.step,
        "multiply_adds_window": work.window,
        "ms_per_frame": taken.to_json(),
        "confusion": _confusion(entry),
    }


def _accuracy(entry: Entry) -> tuple[float, tuple[float, float]]:
    """The mean and its 95 % interval: over seeds where there are several, otherwise over videos."""
    if len(entry.runs) > 1:
        mean, half = clip_score.mean_and_interval([run.scores["accuracy"] for run in entry.runs])
        return mean, (mean - half, mean + half)
    right = list(rightness(entry.tested).values())
    groups = [judged.clip.source for judged in entry.tested]
    return float(np.mean(right)), group_interval(right, groups)


def _confusion(entry: Entry) -> list[list[int]]:
    """Count clips by true and recognised label, over all runs."""
    said = np.array([judged.said for judged in entry.tested])
    truth = np.array([judged.truth for judged in entry.tested])
    n_labels = len(entry.runs[0].manifest.labels)
    counts: list[list[int]] = (
        clip_score.confusion(said, truth, n_labels=n_labels).astype(int).tolist()
    )
    return counts


def rightness(tested: Sequence[JudgedClip]) -> dict[str, float]:
    """Per name of a test clip, the share of runs that recognised it."""
    right: dict[str, list[bool]] = {}
    for judged in tested:
        right.setdefault(judged.clip.name, []).append(judged.said == judged.truth)
    return {name: float(np.mean(each)) for name, each in right.items()}


def difference(first: Entry, second: Entry) -> dict[str, Any]:
    """How much more accurate the first is, by paired bootstrap over videos.

    Returns:
        `accuracy` and `accuracy_95` of the difference on the `n_clips` that both were tested on;
        both none where there are none, or where the labels are not the same.
    """
    found: dict[str, Any] = {"first": first.name, "second": second.name}
    ours, theirs = rightness(first.tested), rightness(second.tested)
    paired = [name for name in ours if name in theirs]
    same_labels = set(first.runs[0].manifest.labels) == set(second.runs[0].manifest.labels)
    if not paired or not same_labels:
        return found | {"n_clips": 0, "accuracy": None, "accuracy_95": None}
    source = {judged.clip.name: judged.clip.source for judged in first.tested}
    apart = [ours[name] - theirs[name] for name in paired]
    interval = group_interval(apart, [source[name] for name in paired])
    mean = float(np.mean(apart))
    return found | {"n_clips": len(paired), "accuracy": mean, "accuracy_95": interval}
