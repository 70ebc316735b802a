"""The arguments of `har-stream` that are about an archive, read and checked."""

import argparse
import os

from har_stream.bundles.bundle import Bundle
from har_stream.commands.archive.archive import ArchiveOptions
from har_stream.commands.archive.clip_list import ClipList
from har_stream.commands.archive.event_table import check_out
from har_stream.commands.archive.object_store import find_clips
from har_stream.commands.stream_arguments import common_room
from har_stream.config.settings import Settings
from har_stream.core.errors import InputError


def find_archive(options: argparse.Namespace) -> ClipList:
    """List what ``--archive`` names, once it is known that the outcome can be written.

    Raises:
        InputError: A flag is missing or makes no sense beside it, or there is no recording.
    """
    if options.out is None:
        raise InputError("--archive: give --out EVENTS.parquet or EVENTS.jsonl as well")
    for flag in ("camera", "realtime", "record_events", "show", "record", "metrics_port"):
        if getattr(options, flag):
            raise InputError(f"--archive and --{flag.replace('_', '-')}: give one of them")
    check_out(options.out)
    return find_clips(options.archive)


def archive_options(
    options: argparse.Namespace, settings: Settings, bundle: Bundle, *, n_clips: int
) -> ArchiveOptions:
    """Say how an archive is recognised; few recordings are decoded by several threads each."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    n_workers = options.workers or n_cores or 1
    return ArchiveOptions(
        bundle=bundle,
        engine=settings.engine,
        cameras={camera.id: camera for camera in settings.cameras},
        room=common_room(options.room),
        home=settings.home if "home" in settings.model_fields_set else None,
        clip_names=options.clip_names,
        start_at=options.start_at,
        n_workers=n_workers,
        n_threads=max(1, n_workers // max(n_clips, 1)),
    )
