"""`har-sim`: the simulated home from the command line: record it, or score what is made of it."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from har_stream.bundles import bundle
from har_stream.config.state_dir import default_state_dir
from har_stream.core.activity import IDLE
from har_stream.core.atomic_file import check_folder, writing
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.thresholds import apply_reject_rule
from har_stream.preview.video_writer import ClipFile
from har_stream.recognition.recogniser import Recogniser
from har_stream.recognition.segmenter import Segmenter
from har_stream.simulation.routine import DAY_S
from har_stream.simulation.simulated_camera import SimulatedSource, parse_source, read_frames
from har_stream.simulation.truth import Stay, truth, write_log
from predictor.models.hmm import HmmForecaster
from predictor.outlook import Forecaster, Observation
from predictor.service.running_scores import RunningScores
from training.evaluation.simulated_home import (
    Told,
    lasting,
    score_events,
    score_labels,
    share_of_time,
)

START_AT = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday's midnight."""
RECORD_HZ = 5.0
_CAMERA = "sim"
_STDERR = Console(stderr=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        if options.start_at.tzinfo is None:
            raise InputError(
                f"--start-at {options.start_at}: give its zone too, for example +01:00"
            )
        options.run(options)
    except InputError as error:
        print(f"har-sim: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("har-sim: interrupted", file=sys.stderr)
        return 130
    return 0


@dataclass(slots=True)
class Watched:
    """What was made of a home.

    Attributes:
        labels: Every decision: its instant and label, perhaps ``unknown``.
        states: What the segmenter held to be going on from each instant on.
        told: Its reports.
    """

    labels: list[tuple[datetime, str]] = field(default_factory=list)
    states: list[tuple[datetime, str]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)


def watch(frames: Iterable[Frame], recogniser: Recogniser) -> Watched:
    """Recognise and segment frames, as the pipeline does for one camera."""
    manifest = recogniser.bundle.manifest
    segmenter = Segmenter(_CAMERA, manifest.deciding, span_s=manifest.clip.span_s)
    watched = Watched()
    for frame in frames:
        if frame.resets:
            segmenter.begin(frame.captured_at)
        for decision in recogniser.step([(_CAMERA, frame)]):
            named = dict(zip(manifest.labels, decision.probabilities.tolist(), strict=True))
            change = segmenter.observe(decision.at, named)
            if change is not None:
                watched.told.append(Told.by(change, decision.at))
            watched.labels.append((decision.at, apply_reject_rule(named, manifest.deciding).label))
            watched.states.append((decision.at, segmenter.state))
    return watched


def forecast(
    forecaster: Forecaster, *, history: Iterable[Stay], told: Sequence[Told], asked: Iterable[Stay]
) -> RunningScores:
    """Ask for the next activity before each true one, given only what was reported until then.

    Args:
        forecaster: Knows nothing yet.
        history: True activities of earlier days, learned first.
        told: Reports of the days that are judged.
        asked: Their true activities; ``idle`` is no activity.
    """
    scores = RunningScores()
    for stay in history:
        _tell(forecaster, Told(stay.activity, stay.started_at, stay.started_at))
    pending = list(told)
    for stay in asked:
        while pending and pending[0].said_at <= stay.started_at:
            _tell(forecaster, pending.pop(0))
        if stay.activity != IDLE:
            likely = forecaster.outlook(stay.started_at).next
            scores.add(likely, stay.activity, model=forecaster.name)
    return scores


def _tell(forecaster: Forecaster, report: Told) -> None:
    began_at = max(report.began_at, forecaster.seen_until or report.began_at)
    if report.activity == IDLE:
        forecaster.end(began_at)
    else:
        forecaster.observe(Observation(report.activity, began_at))


def _score(options: argparse.Namespace) -> None:
    if options.json:
        check_folder(options.json)
    recogniser = Recogniser(bundle.load_named(options.bundle, state_dir=default_state_dir()))
    spec = recogniser.bundle.manifest.clip
    scores = []
    for seed in options.seed:
        source = _source(seed, options)
        frames = read_frames(
            source, sample_hz=spec.sample_hz, n_frames=spec.n_frames, start_at=options.start_at
        )
        n_bursts = round(options.days * DAY_S / max(options.every, spec.n_frames / spec.sample_hz))
        shown = track(frames, f"sim:{seed}", total=n_bursts * spec.n_frames, console=_STDERR)
        watched = watch(shown, recogniser)
        if not watched.labels:
            raise InputError(f"--days {options.days:g}: over before the first decision; give more")
        recogniser.forget(_CAMERA)
        scores.append(compare(source, watched, start_at=options.start_at, history=options.history))
    _print(scores)
    if options.json:
        with writing(options.json):  # in place, for it may be /dev/stdout
            options.json.write_text(json.dumps(scores, indent=2) + "\n")


def compare(
    source: SimulatedSource, watched: Watched, *, start_at: datetime, history: int
) -> dict[str, Any]:
    """Hold what was made of a home against its truth.

    Args:
        source: What was watched.
        watched: What was made of it.
        start_at: When watching began.
        history: Days before that the forecaster learns from: true ones, of the same home.
    """
    stays = truth(source.seed, start_at=start_at, days=source.days)
    earlier = truth(source.seed, start_at=start_at - timedelta(days=history), days=history)
    lasts_s = 2 * source.every
    forecasts = forecast(
        HmmForecaster(),
        history=lasting(earlier, at_least_s=lasts_s),
        told=watched.told,
        asked=lasting(stays, at_least_s=lasts_s),
    )
    accuracy, confusion = score_labels(stays, watched.labels)
    until = start_at + timedelta(days=source.days)
    return {
        "seed": source.seed,
        "n_decisions": len(watched.labels),
        "recognition_accuracy": accuracy,
        "current_activity_accuracy": share_of_time(stays, watched.states, until=until),
        "events": dataclasses.asdict(score_events(stays, watched.told, every_s=source.every)),
        "forecast": {
            "n": forecasts.n_scored,
            **{name: score.model_dump() for name, score in forecasts.scores().items()},
        },
        "confusion": confusion,
    }


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
            write_log(options.log, truth(source.seed, start_at=options.start_at, days=source.days))
    if options.video:
        _write_video(options.video, frames, options.size)


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
    return parse_source(f"sim:{seed}?days={options.days}&every={options.every}")


def _size(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.split("x"))
    return width, height


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="har-sim", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    record = commands.add_parser(
        "record",
        help="write what the camera sees as a video, and what is true as a log",
        description="The video holds one burst of 4 s per --every seconds, at 5 frames a second; "
        "--every 0 records without a pause. The log holds start, end, activity and room.",
    )
    record.add_argument("seed", type=int, metavar="SEED", help="which home")
    record.add_argument("--video", type=Path, metavar="FILE.mp4")
    record.add_argument("--log", type=Path, metavar="FILE.csv")
    record.add_argument("--size", type=_size, default=(384, 216), metavar="WxH")
    record.set_defaults(run=_record)
    score = commands.add_parser(
        "score",
        help="recognition, current activity, events and forecasts against the truth",
        description="Watches simulated homes with a bundle, in this process, and compares with "
        "what is true. The forecaster first learns --history earlier true days of the home.",
    )
    score.add_argument("--seed", type=int, nargs="+", default=[7], help="which homes")
    score.add_argument("--bundle", default="sim-home", metavar="NAME", help="recogniser")
    score.add_argument("--history", type=int, default=14, metavar="DAYS")
    score.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    score.set_defaults(run=_score)
    for command in (record, score):
        command.add_argument("--days", type=float, default=1.0, help="simulated days")
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
