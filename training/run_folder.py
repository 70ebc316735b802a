"""What a training run leaves in its folder, beside checkpoints: everything a report needs.

- `bundle/`: what `har-stream --bundle` takes.
- `model.keras`: the window model; in `split-N`, that of a split, which never saw its test clips.
- `run.json`: config, figures, splits, learning curves, clips that were left out.
- `decisions.json`: calibrated probabilities of every test clip, window by window.
- `stream.json`: its test clips played as streams, and what is reported where nothing happens.
- `formats.json`: after `train-har export`, the bundle's number formats side by side.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import ValidationError

from har_stream.bundles.bundle import Manifest
from har_stream.core.atomic_file import explain_errors, replacing, replacing_file
from har_stream.core.errors import InputError
from training.config import RunConfig
from training.data.clip import Clip, VideoClip
from training.evaluation.clip_score import JudgedClip

if TYPE_CHECKING:
    import keras

BUNDLE, MODEL, RUN, DECISIONS = "bundle", "model.keras", "run.json", "decisions.json"
FORMATS, STREAM = "formats.json", "stream.json"
PRETRAINED = "pretrain"
"""The folder of the network that others start from."""
CalibratedOn = Literal["validation", "test", "folds"]
"""Clips by which confidence was fitted: set aside, the test clips too, or all folds' test clips."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as its folder tells it.

    Attributes:
        folder: The folder.
        config: What the run was told.
        manifest: Of its bundle.
        scores: On test clips; see `training.evaluation.clip_score.score`.
        splits: Per split its name, sizes, best epoch and learning curves; with `split.refit`, those
            of the first network, which the validation clips judged.
        calibrated_on: What temperature and reject rule were fitted on.
        unreadable: Path of each clip left out, and why.
        short: Clips with less footage than a window spans.
        tested: Calibrated decisions on every test clip, split after split.
    """

    folder: Path
    config: RunConfig
    manifest: Manifest
    scores: dict[str, Any]
    splits: list[dict[str, Any]]
    calibrated_on: CalibratedOn
    unreadable: dict[str, str]
    short: list[str]
    tested: list[JudgedClip]


def read_run(folder: Path) -> RunRecord:
    """Read a finished run.

    Raises:
        InputError: The folder holds none, or one of another version of har-stream.
    """
    run, decisions = _read(folder / RUN), _read(folder / DECISIONS)
    try:
        config = RunConfig.model_validate(run["config"])
        manifest = Manifest.model_validate(run["manifest"])
        splits, scores = run["splits"], run["scores"]
        calibrated_on = run["calibrated_on"]
        unreadable, short = run["unreadable"], run["short"]
        spans = config.data.groups_span_classes
        tested = [_judged(row, manifest.labels, spans=spans) for row in decisions]
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder}: its files are of another version of har-stream; run train-har fit again"
        ) from error
    return RunRecord(
        folder,
        config=config,
        manifest=manifest,
        scores=scores,
        splits=splits,
        calibrated_on=calibrated_on,
        unreadable=unreadable,
        short=short,
        tested=tested,
    )


def read_formats(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of `formats.json`; none before `train-har export`.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / FORMATS
    rows: list[dict[str, Any]] = _read(path, made_by="export") if path.exists() else []
    return rows


def read_stream(folder: Path) -> dict[str, Any] | None:
    """Read `stream.json`; none where a run could not be played as a stream.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / STREAM
    figures: dict[str, Any] | None = _read(path) if path.exists() else None
    return figures


def write_stream(folder: Path, figures: Mapping[str, Any]) -> None:
    """Write `stream.json`."""
    _write(folder / STREAM, figures)


def saving_run(folder: Path) -> AbstractContextManager[None]:
    """Say what to do where a run's folder cannot be written.

    Raises:
        InputError: In place of any `OSError` of the block.
    """
    kept = "an older bundle in it is as it was: free some space and go on with --resume"
    return explain_errors(folder, "cannot be written", remedy=kept)


def save_model(model: "keras.Model", path: Path) -> None:
    """Replace a `.keras` file whole or not at all."""
    with replacing_file(path) as partial:
        model.save(partial)


def write_figures(
    folder: Path,
    *,
    config: RunConfig,
    manifest: Manifest,
    scores: Mapping[str, Any],
    splits: Sequence[Mapping[str, Any]],
    calibrated_on: CalibratedOn,
    unreadable: Mapping[Clip, str],
    short: Iterable[Clip],
) -> None:
    """Write `run.json`, by which a folder counts as a finished run: last of all.

    The arguments are what `RunRecord` holds.
    """
    content = {
        "config": config.model_dump(mode="json"),
        "manifest": manifest.model_dump(mode="json"),
        "scores": scores,
        "splits": splits,
        "calibrated_on": calibrated_on,
        "unreadable": {str(clip.path): reason for clip, reason in unreadable.items()},
        "short": [str(clip.path) for clip in short],
    }
    _write(folder / RUN, content)


def write_decisions(folder: Path, tested: Sequence[JudgedClip]) -> None:
    """Write `decisions.json`."""
    content = [
        {
            "path": str(judged.clip.path),
            "label": judged.clip.label,
            "group": judged.clip.group,
            "probabilities": judged.probabilities.round(5).tolist(),
        }
        for judged in tested
    ]
    _write(folder / DECISIONS, content)


def _judged(row: dict[str, Any], labels: Sequence[str], *, spans: bool) -> JudgedClip:
    clip = VideoClip(Path(row["path"]), row["label"], row["group"], spans=spans)
    return JudgedClip(clip, labels.index(clip.label), np.array(row["probabilities"], np.float64))


def _read(path: Path, *, made_by: str = "fit") -> Any:
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give the folder of a finished run, the "
            "--out of train-har fit"
        ) from error
    except (ValueError, RecursionError) as error:  # neither JSON nor even text
        raise InputError(f"{path}: damaged ({error}); run train-har {made_by} again") from error


def _write(path: Path, content: Any) -> None:
    with replacing(path) as file:
        json.dump(content, file, indent=1)
