"""`har-sim`: the simulated home from the command line: record it, or score what is made of it."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.config.state_dir import default_state_dir
from har_stream.core.activity import IDLE
from har_stream.core.atomic_file import check_folder, write_figures, writing
from har_stream.core.command import CommandParser, count, positive, run_command, whole_number
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.preview.video_writer import ClipFile
from har_stream.recognition.recogniser import Recogniser
from har_stream.simulation.routine import DAY_S
from har_stream.simulation.simulated_camera import SimulatedSource, parse_source, read_frames
from har_stream.simulation.truth import Stay, truth, write_log
from training.evaluation.simulated_home import RecognisedHome, compare, compare_rooms, watch

START_AT = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday's midnight."""
RECORD_HZ = 5.0
MOST_PX = 7680
_STDERR = Console(stderr=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = make_parser().parse_args(argv)
    return run_command("har-sim", lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    if options.start_at.tzinfo is None:
        raise InputError(f"--start-at {options.start_at}: give its zone too, for example +01:00")
    options.run(options)


def _score(options: argparse.Namespace) -> None:
    if options.json:
        check_folder(options.json)
    recogniser = Recogniser(load_with_weights(options.bundle, state_dir=default_state_dir()))
    scores = []
    for seed in options.seed:
        source = _source(seed, options)
        told = {"start_at": options.start_at, "history": options.history}
        if source.residents == 1:
            scores.append(compare(source, _watch(source, recogniser, options), **told))
            continue
        rooms = {
            room: _watch(replace(source, room=room), recogniser, options) for room in source.rooms
        }
        scores.append(compare_rooms(source, rooms, **told))
    (_print if options.residents == 1 else _print_rooms)(scores)
    if options.json:
        write_figures(options.json, scores)


def _watch(
    source: SimulatedSource, recogniser: Recogniser, options: argparse.Namespace
) -> RecognisedHome:
    spec = recogniser.bundle.manifest.clip
    frames = read_frames(
        source, sample_hz=spec.sample_hz, n_frames=spec.n_frames, start_at=options.start_at
    )
    n_bursts = round(options.days * DAY_S / max(options.every, spec.n_frames / spec.sample_hz))
    name = f"sim:{source.seed} {source.room or ''}"
    watched = watch(
        track(frames, name, total=n_bursts * spec.n_frames, console=_STDERR), recogniser
    )
    if not watched.labels:
        raise InputError(f"--days {options.days:g}: over before the first decision; give more")
    return watched


def _print_rooms(scores: Sequence[dict[str, Any]]) -> None:
    table = Table(title="rooms of simulated homes, against their truth")
    for heading in ("seed", "residents", "occupied rooms right", "empty rooms", "next"):
        table.add_column(heading, justify="right")
    for score in scores:
        for name, found in score["residents"].items():
            table.add_row(
                str(score["seed"]),
                name,
                f"{found['occupied_rooms']:.1%}",
                f"{found['empty_rooms']:.1%}",
                f"{found['log_loss']:.2f} nats, {found['top1']:.0%} of {found['n']}",
            )
    Console().print(table)


def _print(scores: Sequence[dict[str, Any]]) -> None:
    table = Table(title="simulated homes, against their truth")
    for heading in (
        "seed",
        "decisions right",
        "time right",
        "events P / R",
        "lag",
        "forecast top-1",
    ):
        table.add_column(heading, justify="right")
    for score in scores:
        events, forecasts = score["events"], score["forecast"]
        top1 = forecasts.get("hmm", {}).get("top1")
        table.add_row(
            str(score["seed"]),
            f"{score['recognition_accuracy']:.1%} of {score['n_decisions']}",
            f"{score['current_activity_accuracy']:.1%}",
            f"{events['precision']:.1%} / {events['recall']:.1%} of {events['n_true']}",
            f"{events['median_lag_s']:.0f} s",
            "-" if top1 is None else f"{top1:.1%} of {forecasts['n']}",
        )
    Console().print(table)


def _record(options: argparse.Namespace) -> None:
    if not (options.video or options.log):
        raise InputError("nothing to record: give --video FILE.mp4, --log FILE.csv or both")
    source = _source(options.seed, options)
    frames = read_frames(source, sample_hz=RECORD_HZ, start_at=options.start_at, size=options.size)
    if options.log:
        with writing(options.log):
            write_log(options.log, _stays(source, options.start_at))
    if options.video:
        _write_video(options.video, frames, options.size)


def _stays(source: SimulatedSource, start_at: datetime) -> list[Stay]:
    """Return the truth; of two residents, what each does at home, in order."""
    lives = [
        truth(source.seed, start_at=start_at, days=source.days, resident=resident)
        for resident in range(source.residents)
    ]
    if len(lives) == 1:
        return lives[0]
    at_home = [stay for life in lives for stay in life if stay.activity != IDLE]
    return sorted(at_home, key=lambda stay: stay.started_at)


def _write_video(path: Path, frames: Iterator[Frame], size: tuple[int, int]) -> None:
    """Write an MP4 of the frames, whole or not at all."""
    clip = ClipFile(path, fps=RECORD_HZ, size_px=size)
    try:
        for frame in track(frames, f"recording {path.name}", console=_STDERR):
            clip.write(frame.image)
        if not clip.n_frames:
            raise InputError(f"{path}: no frame to record; give more --days")
        with writing(path):
            clip.close()
    finally:
        clip.abandon()  # of a clip that is closed, nothing is left to drop


def _source(seed: int, options: argparse.Namespace) -> SimulatedSource:
    room = f"&room={options.room}" if getattr(options, "room", None) else ""
    how = f"days={options.days}&every={options.every}&residents={options.residents}{room}"
    return parse_source(f"sim:{seed}?{how}")


def _size(text: str) -> tuple[int, int]:
    """Read a flag's size in pixels."""
    width, _, height = text.partition("x")
    try:
        size_px = count(width), count(height)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size; width x height expected, for example 384x216"
        ) from error
    if max(size_px) > MOST_PX:
        raise argparse.ArgumentTypeError(f"{text!r}: {MOST_PX} pixels at most a side")
    return size_px


def make_parser() -> argparse.ArgumentParser:
    """Describe every argument."""
    parser = CommandParser(prog="har-sim", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    record = commands.add_parser(
        "record",
        help="write what the camera sees as a video, and what is true as a log",
        description="The video holds one burst of 4 s per --every seconds, at 5 frames a second; "
        "--every 0 records without a pause. The log holds start, end, activity and room.",
    )
    record.add_argument("seed", type=whole_number, metavar="SEED", help="which home")
    record.add_argument("--video", type=Path, metavar="FILE.mp4")
    record.add_argument("--log", type=Path, metavar="FILE.csv")
    record.add_argument("--size", type=_size, default=(384, 216), metavar="WxH")
    record.add_argument("--room", help="what the camera sees (all); who is elsewhere is not seen")
    record.set_defaults(run=_record)
    score = commands.add_parser(
        "score",
        help="recognition, current activity, events and forecasts against the truth",
        description="Watches simulated homes with a bundle, in this process, and compares with "
        "what is true. The forecaster first learns --history earlier true days of the home. Of two "
        "residents every room has a camera, and a forecaster told of two stands beside one of one.",
    )
    score.add_argument("--seed", type=whole_number, nargs="+", default=[7], help="which homes")
    score.add_argument("--bundle", default="sim-home", metavar="NAME", help="recogniser")
    score.add_argument("--history", type=whole_number, default=14, metavar="DAYS")
    score.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    score.set_defaults(run=_score)
    for command in (record, score):
        command.add_argument(
            "--residents", type=int, choices=(1, 2), default=1, help="who live there (1)"
        )
        command.add_argument("--days", type=positive, default=1.0, help="simulated days")
        command.add_argument(
            "--every", type=float, default=30.0, metavar="S", help="between bursts"
        )
        command.add_argument(
            "--start-at",
            default=START_AT,
            metavar="TIME",
            type=datetime.fromisoformat,
            help="with its zone",
        )
    return parser
