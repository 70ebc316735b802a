"""`har-fleet archive`: recordings recognised by all machines, into a folder of Parquet."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from har_stream.bundles.bundle import DEFAULT
from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.commands.archive.archive import ArchiveOptions, recognise_archive
from har_stream.commands.archive.archive_arguments import archive_options, find_archive
from har_stream.commands.stream_arguments import make_parser, read_settings
from har_stream.core.atomic_file import explain_errors
from predictor.journal.journal import Journal

EVENTS, PROGRESS = "events.parquet", "_progress"
"""Readers of Parquet take a folder as one table, and pass over what begins with an underscore."""


def archive(options: argparse.Namespace, others: Sequence[str]) -> int:
    """Recognise an archive, and add its events to a journal if so asked.

    Args:
        options: Of `har-fleet archive`.
        others: Flags of `har-stream --archive`, which hold here too.

    Returns:
        1 where a recording could not be read, otherwise 0.
    """
    out: Path = options.out / EVENTS
    parser = make_parser()
    parser.prog = "har-fleet archive"
    told = parser.parse_args(["--archive", options.source, "--out", str(out), *others])
    if options.journal:
        Journal(options.journal).close()  # one that cannot be used is known before hours of work
    with explain_errors(options.out, "cannot be written", remedy="give another --out"):
        options.out.mkdir(exist_ok=True)
    settings = read_settings(told)
    found = find_archive(told)
    bundle = load_with_weights(settings.bundle or DEFAULT, state_dir=settings.state_dir)
    how = archive_options(told, settings, bundle, n_clips=len(found.clips))
    if options.address or importlib.util.find_spec("ray"):
        how = _on_ray(how, address=options.address, n_at_once=told.workers)
    else:
        print(
            "har-fleet: ray is not installed, so this machine's processes do it, as har-stream "
            "--archive has them: pip install 'har-stream[fleet]'",
            file=sys.stderr,
        )
    status = recognise_archive(found, out, how, progress_file=options.out / PROGRESS)
    if options.journal:
        from predictor.commands.forecast import main as har_forecast

        status = har_forecast(["--import", str(out), "--journal", options.journal]) or status
    return status


def _on_ray(how: ArchiveOptions, *, address: str | None, n_at_once: int | None) -> ArchiveOptions:
    from fleet.archives.ray_clips import RayClips
    from fleet.cluster.ray_workers import start_ray

    start_ray((), address=address)
    return replace(how, n_threads=1, open_workers=lambda setup, _: RayClips(setup, n_at_once))
