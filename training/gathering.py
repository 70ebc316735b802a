"""What the commands of `train-har` that gather clips print and ask."""

import argparse
import sys
import time
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from har_stream.errors import InputError


def record(options: argparse.Namespace, _: str) -> None:
    """Record clips at a camera, once consent is given."""
    from training.record import Wanted, consent, record_clips, session_of

    n_clips = max(1, round(60 * options.minutes / options.seconds))
    wanted = Wanted(options.label, options.camera, n_clips, options.seconds, options.out)
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


def cut(options: argparse.Namespace, _: str) -> None:
    """Cut labelled stretches out of recordings."""
    from training.cutting import cut_out
    from training.segments import read

    cut_out(read(options.source), options.out)
    _print_clips(options.out)


def _print_clips(folder: Path) -> None:
    from training.datasets import census

    table = Table("label", "clips", "groups", title=str(folder))
    for label, n_clips, n_groups in census(folder):
        table.add_row(label, str(n_clips), str(n_groups))
    Console().print(table)
    print(f"next: train-har fit configs/home.yaml --data {folder}")
