"""A finished run as a stream: each split's network watches the test clips that it never saw."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from har_stream.bundles.bundle import MANIFEST, load_bundle, save_bundle
from har_stream.core.atomic_file import writing
from har_stream.core.errors import InputError
from training import run_folder
from training.data.clip import Clip
from training.encoders import frozen as frozen_encoder
from training.encoders.to_litert import check_backend
from training.evaluation.evaluate_stream import StreamRecord, play_stream, summarise
from training.export.all_formats import first_windows, load_network, networks_of
from training.export.export_bundle import export_bundle
from training.run_folder import RunRecord

IN_MANIFEST = (
    "accuracy",
    "event_f1",
    "found",
    "latency_s",
    "spurious_per_minute",
    "false_in_empty_hour",
    "false_per_hour",
    "false_per_hour_low",
    "false_per_hour_high",
)
"""Figures of a stream that a bundle's manifest holds, each as `stream_<name>`."""


def stream_run(
    record: RunRecord, *, ordinary: Sequence[Clip], cache_folder: Path
) -> dict[str, Any] | None:
    """Score a run as a stream, and add the figures to its folder and its bundle's manifest.

    Args:
        record: The run; its clips must still be where its config says.
        ordinary: Recordings in which nothing of its labels happens.
        cache_folder: Where prepared frames lie.

    Returns:
        What `training.evaluation.evaluate_stream.summarise` says; none where no clip can be played:
        simulated homes have a score of their own, `har-sim score`, and clips of one window are no
        stream.

    Raises:
        InputError: Clips are missing, or the run's folder cannot be written to.
    """
    if record.config.data.kind == "simulated":
        return None
    check_backend()
    bundle = load_bundle(record.folder / run_folder.BUNDLE)
    records = _play(record, cache_folder)
    if not records:
        return None
    figures = summarise(records, bundle, ordinary=ordinary)
    told = {f"stream_{name}": figures.get(name) for name in IN_MANIFEST}
    metrics = {name: round(float(value), 4) for name, value in told.items() if value is not None}
    manifest = bundle.manifest.model_copy(update={"metrics": bundle.manifest.metrics | metrics})
    files = {path.name: path.read_bytes() for path in bundle.path.iterdir()}
    del files[MANIFEST]
    with writing(record.folder):
        save_bundle(bundle.path, manifest, files)
        run_folder.write_stream(record.folder, figures)
    return figures


def _play(record: RunRecord, cache_folder: Path) -> list[StreamRecord]:
    records = []
    with tempfile.TemporaryDirectory() as scratch:
        frozen = frozen_encoder.make_frozen_encoder(record.config, folder=Path(scratch))
        for folder, learned_from, test in networks_of(record):
            if not test:
                continue
            network = export_bundle(
                Path(scratch) / folder.name,
                model=load_network(folder),
                manifest=record.manifest,
                windows=first_windows(record.config, learned_from, cache_folder),
                frozen=frozen,
            )
            try:
                records.append(play_stream(network, test))
            except InputError:
                continue  # no clip of this part holds two windows
    return records
