"""What the commands of `train-har` that gather clips print and ask."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from har_stream.bundles.published_weights import Remote
from har_stream.core.errors import InputError

HOME_GROUPS, HOME_LABELS = 3, 2
"""Least that `configs/home.yaml` can learn from: groups of each label, and labels."""
HOME_WEIGHTS = "movinet_a0_stream_int8"
"""Of its encoder."""


def record(options: argparse.Namespace, _: str) -> None:
    """Record clips at a camera, once consent is given."""
    from training.collect.record import RecordingPlan, consent, record_clips, session_of

    n_clips = max(1, round(60 * options.minutes / options.seconds))
    wanted = RecordingPlan(options.label, options.camera, n_clips, options.seconds, options.out)
    session = session_of(datetime.now())
    print(consent(wanted))
    if not options.yes:
        if not sys.stdin.isatty():
            raise InputError("consent is asked for on a terminal; give --yes where all have agreed")
        input("Press Enter to begin, Ctrl-C to leave it. ")
    with Progress() as shown:
        for left_s in range(options.countdown, 0, -1):
            shown.console.print(f"recording {options.label} in {left_s} ...")
            time.sleep(1)
        task = shown.add_task(f"recording {options.label}", total=n_clips)
        try:
            record_clips(wanted, session=session, on_clip=lambda _: shown.advance(task))
        except KeyboardInterrupt:
            shown.console.print("stopped; the clips that are whole are kept")
    _print_clips(options.out)
    _print_next(options.out)


def cut(options: argparse.Namespace, _: str) -> None:
    """Cut labelled stretches out of recordings."""
    from training.collect.cut import cut_clips
    from training.collect.labels import read_labels

    wanted = [
        segment
        for segment in read_labels(options.source)
        if not options.labels or segment.label in options.labels
    ]
    cut_clips(wanted, options.out)
    _print_clips(options.out)
    _print_next(options.out)


def download(options: argparse.Namespace, _: str) -> None:
    """Fetch a data set, or pretrained weights."""
    if options.name == "weights":
        from har_stream.bundles import published_weights, weights
        from training.collect.download_files import download_weights

        remote = _at(published_weights.weights(options.weights or ""), options.mirror)
        folder = weights.folder() / (options.weights or "")
        print(f"weights: {download_weights(remote, folder, showing=_showing)}")
        return
    from training.collect import download_sources
    from training.collect.download_dataset import download_dataset

    source = download_sources.dataset(options.name)
    source = replace(source, archives=tuple(_at(file, options.mirror) for file in source.archives))
    folder = options.out or Path(options.name)
    download_dataset(source, folder, showing=_showing)
    _print_clips(folder)
    print(f"{options.name}: {source.cite}")


def _at(remote: Remote, mirror: str | None) -> Remote:
    """Take a file from elsewhere, if so told; checked before a folder is made for it."""
    if not mirror:
        return remote
    from har_stream.bundles.fetch_file import check_address

    check_address(mirror)
    return replace(remote, url=f"{mirror.rstrip('/')}/{remote.name}")


@contextmanager
def _showing(name: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn()) as shown:
        task = shown.add_task(name, total=None)
        yield lambda n_here, n_total: shown.update(task, completed=n_here, total=n_total)


def _print_next(folder: Path) -> None:
    """Print what is still to be gathered; the command that learns once it can work."""
    from training.data.folders import count_clips

    classes = count_clips(folder)
    lacking = [
        f"{label} from {HOME_GROUPS - n_groups} more"
        for label, _, n_groups in classes
        if n_groups < HOME_GROUPS
    ]
    if len(classes) < HOME_LABELS:
        lacking.append(f"another activity from {HOME_GROUPS}")
    if lacking:
        print(f"next: gather {', '.join(lacking)} (sessions or recordings: each tests the others)")
    else:
        print(f"next: train-har teach --clips {folder} --ordinary DIR   (of an ordinary day)")
        print(f"  or: train-har download weights {HOME_WEIGHTS}   (once)")
        print(f"      train-har fit configs/home.yaml --data {folder}")


def _print_clips(folder: Path) -> None:
    from training.data.folders import count_clips

    table = Table("label", "clips", "groups", title=str(folder))
    for label, n_clips, n_groups in count_clips(folder):
        table.add_row(label, str(n_clips), str(n_groups))
    Console().print(table)


COMMANDS = {"download": download, "record": record, "cut": cut}
