"""One run in every number format, side by side: size, speed, and accuracy on its test clips.

The accuracy is that of the networks of the run's splits, none of which has seen the clips that it
is judged on; size and speed are those of the bundle.
"""

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras

from har_stream.bundles.bundle import MANIFEST, Bundle, Manifest, save_bundle
from har_stream.core.atomic_file import figures_text, replacing, writing
from har_stream.core.errors import InputError
from har_stream.core.frame import Image
from har_stream.recognition.engines.litert import file_of
from training import run_folder
from training.config import RunConfig
from training.data import cache, splits
from training.data.batches import parity_windows, sampling_of
from training.data.cache_file import Footage
from training.data.clip import Clip
from training.data.dataset import read_dataset
from training.encoders import frozen as frozen_encoder
from training.encoders.frozen import FrozenEncoder
from training.encoders.to_litert import FORMATS, NumberFormat, check_backend
from training.evaluation import clip_score, speed
from training.evaluation.clip_score import JudgedClip
from training.evaluation.evaluate_clips import stream_clips
from training.export.export_bundle import ParityError, export_bundle
from training.run_folder import RunRecord

Row = dict[str, Any]
LEAST_SAVED = 0.05
"""Share of the bytes; a format that saves less is not worth its loss of accuracy."""


def export_run(
    record: RunRecord, *, weights: NumberFormat, cache_folder: Path
) -> tuple[Bundle, list[Row]]:
    """Write a run's bundle in one number format, and set all formats side by side.

    Args:
        record: The run; its clips must still be where its config says.
        weights: The format; float32 replaces `bundle`, others are written beside it.
        cache_folder: Where prepared frames lie.

    Returns:
        The bundle, and a row per format: `n_bytes` of its LiteRT files, `median_ms` a frame,
        `accuracy` on the run's test clips, streamed, and `agreement`: the share of decisions with
        float32's label; none without float32. A format that is not the network has a row too, of
        why it is `refused`. The rows are kept in `formats.json` for the report.

    Raises:
        InputError: The format that was asked for is not the network, clips are missing, the run's
            folder cannot be written to, or Keras is not on TensorFlow.
    """
    check_backend()
    networks = networks_of(record)
    with tempfile.TemporaryDirectory() as scratch:
        frozen = frozen_encoder.make_frozen_encoder(record.config, folder=Path(scratch))
        judged: dict[NumberFormat, list[JudgedClip]] = {each: [] for each in FORMATS}
        refused: dict[NumberFormat, str] = {}
        for folder, learned_from, test in networks:
            made = _every_format(
                Path(scratch) / folder.name,
                wanted=weights,
                refused=refused,
                model=load_network(folder),
                manifest=record.manifest,
                windows=first_windows(record.config, learned_from, cache_folder),
                frozen=frozen,
            )
            for each in made:
                judged[each] += stream_clips(made[each], test)[0] if test else []
        judged = {each: judged[each] for each in made}
        rows = [
            {"format": each, "refused": refused[each]}
            if each in refused
            else _row(each, made[each], judged)
            for each in FORMATS
        ]
        files = {path.name: path.read_bytes() for path in made[weights].path.iterdir()}
    del files[MANIFEST]
    with writing(record.folder):
        with replacing(record.folder / run_folder.FORMATS) as file:
            file.write(figures_text(rows))
        return save_bundle(_place(record.folder, weights), made[weights].manifest, files), rows


def saves_nothing(rows: Sequence[Row], weights: NumberFormat) -> bool:
    """Tell whether a format is hardly smaller than float32, as where a backbone stays as it is."""
    n_bytes = {row["format"]: row["n_bytes"] for row in rows if "refused" not in row}
    return weights != "float32" and n_bytes[weights] > (1 - LEAST_SAVED) * n_bytes["float32"]


def discard_exports(folder: Path) -> None:
    """Remove what was made of an older network in the folder of a run: all but its `bundle`.

    Raises:
        OSError: It cannot be removed.
    """
    for name in (run_folder.FORMATS, run_folder.STREAM):
        (folder / name).unlink(missing_ok=True)
    for weights in FORMATS:
        if weights != "float32" and (older := _place(folder, weights)).exists():
            shutil.rmtree(older)


def _place(folder: Path, weights: NumberFormat) -> Path:
    suffix = "" if weights == "float32" else f"-{weights}"
    return folder / f"{run_folder.BUNDLE}{suffix}"


def networks_of(record: RunRecord) -> list[tuple[Path, Sequence[Clip], Sequence[Clip]]]:
    """Name each network's folder, what it learned from and is tested on; the bundle's is last."""
    config = record.config
    unreadable = {Path(path): reason for path, reason in record.unreadable.items()}
    _, parts = splits.make_splits_of_readable(
        read_dataset(config.data),
        unreadable,
        split=config.split,
        data=config.data,
        seed=config.seed,
    )
    tested = {judged.clip.path for judged in record.tested}
    found: list[tuple[Path, Sequence[Clip], Sequence[Clip]]] = [
        (
            record.folder / f"split-{n}",
            part.train,
            [clip for clip in part.test if clip.path in tested],
        )
        for n, part in enumerate(parts, 1)
    ]
    every_clip = [clip for _, _, test in found for clip in test]
    if len(every_clip) != len(tested):
        raise InputError(
            f"{config.data.path}: the clips have changed since {record.folder} was made; run "
            "train-har fit again"
        )
    if len(parts) > 1:  # the bundle's network learned from every clip: there is none to test it on
        found.append((record.folder, every_clip, ()))
    return found


def _every_format(
    folder: Path,
    *,
    wanted: NumberFormat,
    refused: dict[NumberFormat, str],
    model: keras.Model,
    manifest: Manifest,
    windows: Image,
    frozen: FrozenEncoder | None,
) -> dict[NumberFormat, Bundle]:
    """Export a network in every format that is not refused yet; add to `refused` what is now."""
    made: dict[NumberFormat, Bundle] = {}
    for weights in [each for each in FORMATS if each not in refused]:
        try:
            with writing(folder):
                made[weights] = export_bundle(
                    folder / weights,
                    model=model,
                    manifest=manifest,
                    windows=windows,
                    frozen=frozen,
                    weights=weights,
                )
        except ParityError as error:
            if weights == wanted:
                raise
            refused[weights] = str(error)
    return made


def _row(weights: NumberFormat, made: Bundle, judged: dict[NumberFormat, list[JudgedClip]]) -> Row:
    return {
        "format": weights,
        "n_bytes": litert_bytes(made),
        "median_ms": speed.measure_speed(made).to_json()["median_ms"],
        "accuracy": clip_score.score(judged[weights], made.manifest.labels)["accuracy"],
        "agreement": _agreement(judged[weights], judged.get("float32")),
    }


def _agreement(ours: Sequence[JudgedClip], theirs: Sequence[JudgedClip] | None) -> float | None:
    if theirs is None:
        return None
    said, expected = (clip_score.windows_of(judged)[0].argmax(-1) for judged in (ours, theirs))
    return float((said == expected).mean())


def litert_bytes(made: Bundle) -> int:
    """Size of a bundle's LiteRT files."""
    paths = [file_of(made, role) for role in made.manifest.networks]
    return sum(path.stat().st_size for path in paths if path is not None)


def load_network(folder: Path) -> keras.Model:
    """Read the window model that a run, or a split of it, has left in its folder.

    Raises:
        InputError: Keras cannot read it.
    """
    path = folder / run_folder.MODEL
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: Keras cannot read it; run train-har fit again") from error


def first_windows(config: RunConfig, clips: Sequence[Clip], cache_folder: Path) -> Image:
    """Cut the windows of cached clips on which an export must be the network."""

    def read(chosen: Sequence[Clip]) -> Iterable[Footage]:
        return cache.read_clips(chosen, sampling_of(config), folder=cache_folder).frames.values()

    return parity_windows(clips, config, read=read)
