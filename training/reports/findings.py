"""What a run shows, as plain values: the content of `report.json`. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from har_stream.bundles.bundle import Manifest
from predictor.evaluation.metrics import Indices, group_interval, reliability
from training.evaluation import clip_score
from training.evaluation.calibration import NEGATIVES_REJECTED, SHARES
from training.evaluation.clip_score import JudgedClip
from training.evaluation.compute_cost import ComputeCost
from training.evaluation.speed import Speed
from training.run_folder import RunRecord

N_WORST = 6
"""Confusions that are shown with a clip."""


def make_findings(
    record: RunRecord,
    *,
    exported: Manifest,
    work: ComputeCost,
    speed: Speed,
    formats: Sequence[dict[str, Any]],
    stream: dict[str, Any] | None,
) -> dict[str, Any]:
    """Gather everything that the page of a run says.

    Args:
        record: The run.
        exported: What its bundle says of itself: it knows of encoders that came to it.
        work: What its bundle computes.
        speed: How fast it does.
        formats: Its exports side by side; empty before `train-har export`.
        stream: Its test clips played as streams; none where they could not be.
    """
    manifest, labels = record.manifest, record.manifest.labels
    said, truth = _by_clip(record.tested)
    right = (said == truth).astype(float)
    groups = [judged.clip.source for judged in record.tested]
    probabilities, truth_of_window = clip_score.windows_of(record.tested)
    group_of_window = np.repeat(groups, [len(judged.probabilities) for judged in record.tested])
    return {
        "name": manifest.name,
        "about": manifest.about,
        "network": manifest.network,
        "labels": list(labels),
        "scores": record.scores
        | {
            "accuracy_95": group_interval(right.tolist(), groups),
            "n_groups": len(set(groups)),
            "n_windows": len(truth_of_window),
            "ece_by_chance": clip_score.chance_calibration_error(
                probabilities.max(-1), group_of_window.tolist()
            ),
        },
        "confusion": clip_score.confusion(said, truth, n_labels=len(labels)).astype(int).tolist(),
        "worst": [
            row | {"path": shorten_paths(row["path"], record)}
            for row in worst_confusions(record.tested, labels)
        ],
        "reliability": [each._asdict() for each in reliability(probabilities, truth_of_window)],
        "calibration": manifest.calibration.model_dump() | {"fitted_on": record.calibrated_on},
        "rejecting": {
            "below": manifest.deciding.reject_below,
            "margin_below": manifest.deciding.margin_below,
            "energy_above": manifest.calibration.energy_above,
            **{name: manifest.metrics.get(name) for name in (*SHARES, NEGATIVES_REJECTED)},
        },
        "split": {
            "by": record.config.split.by,
            "said": manifest.provenance.split,
            "leaks": manifest.provenance.leaks,
            "refit": record.config.split.refit and record.calibrated_on == "validation",
            "n_ungrouped": record.splits[0]["n_ungrouped"],
            "parts": record.splits,
        },
        "left_out": {
            "unreadable": [shorten_paths(why, record) for why in record.unreadable.values()],
            "short": [shorten_paths(path, record) for path in record.short],
        },
        "cost": {
            "n_parameters": exported.n_parameters,
            "outside": sorted(exported.outside),
            "multiply_adds_step": work.step,
            "multiply_adds_window": work.window,
            "ms_per_frame": speed.to_json(),
        },
        "formats": list(formats),
        "stream": stream,
        "clip": record.config.model_dump(mode="json")["clip"] | {"span_s": manifest.clip.span_s},
        "provenance": manifest.provenance.model_dump(exclude={"trained_on"}),
    }


def shorten_paths(text: str, record: RunRecord) -> str:
    """Name clips from their data set's folder on: a report is sent to others."""
    root = record.config.data.path
    return text.removeprefix(f"{root}/") if root else text


def worst_confusions(tested: Sequence[JudgedClip], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Name the most frequent confusions, each with the clip that was wrong most confidently.

    Returns:
        Per confusion `truth`, `said`, how often (`n`) `of` how many clips, and of the clip `path`
        and `confidence`, the mean over its windows.
    """
    said, truth = _by_clip(tested)
    of_label = Counter(truth.tolist())
    cells = Counter((t, s) for t, s in zip(truth.tolist(), said.tolist(), strict=True) if t != s)
    worst = []
    for (true, taken_for), n in cells.most_common(N_WORST):
        alike = [
            judged
            for judged, t, s in zip(tested, truth, said, strict=True)
            if (t, s) == (true, taken_for)
        ]
        surest = max(alike, key=lambda judged: _confidence(judged, taken_for))
        worst.append(
            {
                "truth": labels[true],
                "said": labels[taken_for],
                "n": n,
                "of": of_label[true],
                "path": str(surest.clip.path),
                "confidence": _confidence(surest, taken_for),
            }
        )
    return worst


def _confidence(judged: JudgedClip, label: int) -> float:
    return float(judged.probabilities[:, label].mean())


def _by_clip(tested: Sequence[JudgedClip]) -> tuple[Indices, Indices]:
    """What was said of each clip, by its mean probabilities, and what is true."""
    said = np.array([judged.said for judged in tested])
    return said, np.array([judged.truth for judged in tested])
