"""`har-bench`: what recognition costs on this machine, in figures and in ratios, in one run."""

import argparse
import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from har_stream.bundles.bundle import find_bundle, load_bundle
from har_stream.core.atomic_file import check_folder, write_figures
from har_stream.core.command import CommandParser, run_command
from har_stream.mqtt.brokers.embedded_broker import run_broker

# TensorFlow speaks before it is asked, and is loaded only where it is measured.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NETWORKS = ("lrcn", "convlstm")
WATCHING = "lrcn-ucf"
"""The bundle of pipelines: it sees the whole picture, as the tutorial's loop does."""
FILMS = {
    "240p": ("320x240", 0),
    "720p": ("1280x720", 0),
    "240p_b": ("320x240", 3),
    "720p_b": ("1280x720", 3),
}
"""Size, and B frames in a row: cameras send none, most films have some."""
FILM_FPS = 30
CAMERAS = (1, 4, 16, 64)
N_TRIES = 20
"""To find how many cameras are held takes about so many."""
CAMERA_SIZE, CAMERA_FPS = "640x360", 10
EXTRAS = {"keras": "train", "tensorflow": "train"}
"""The extra of har-stream that brings each package which is loaded to be measured."""
PACKAGES = ("har-stream", "tensorflow", "keras", "ai-edge-litert", "opencv-python")

WAYS = {
    "loop_ms": "model.predict loop",
    "tf_function_ms": "one tf.function",
    "hop5_ms": "step, every 5th",
    "hop1_ms": "step, every frame",
}
READINGS = {
    "decode_fps": "decoded only",
    "sample_fps": "sampled and resized",
    "pipeline_fps": "whole pipeline",
    "needed_fps": "whole pipeline, decode: needed",
}


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Attributes:
        n_rounds: Rounds over all ways of computing a decision.
        film_s: Length of the films that are read as fast as possible.
        n_readings: How often each is read.
        live_s: Length of the film that plays at its own speed.
        many_s: Length of the one that very many cameras play.
        precision: By which share of itself the number of cameras held may be too low.
    """

    n_rounds: int
    film_s: int
    n_readings: int
    live_s: int
    many_s: int
    precision: float


FULL = Effort(n_rounds=60, film_s=60, n_readings=5, live_s=30, many_s=12, precision=0.05)
QUICK = Effort(n_rounds=5, film_s=10, n_readings=2, live_s=8, many_s=6, precision=0.25)

Figures = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `har-bench`; returns the exit status."""
    options = make_parser().parse_args(argv)
    return run_command("har-bench", lambda: _run(options), extras=EXTRAS)


def make_parser() -> argparse.ArgumentParser:
    """Describe every argument."""
    parser = CommandParser(
        prog="har-bench",
        description="Measure recognition on this machine: a decision's cost by the tutorials' loop "
        "and by our step, reading of films, many cameras, start, memory and messages. Leave the "
        "machine alone meanwhile.",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write all figures here")
    parser.add_argument("--quick", action="store_true", help="a rough answer within five minutes")
    return parser


def _run(options: argparse.Namespace) -> None:
    for package in EXTRAS:  # said before minutes of measuring, not after
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(name=package)
    if options.json:
        check_folder(options.json)
    figures = measure(QUICK if options.quick else FULL)
    Console().print(to_table(figures))
    if options.json:
        write_figures(options.json, figures)


def measure(effort: Effort) -> Figures:
    """Measure everything, with a progress bar on the terminal.

    Returns:
        As in the JSON file; docs/benchmark.md explains every key.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def follow(what: str, n_steps: int) -> Callable[[], None]:
            task = progress.add_task(what, total=n_steps)
            return lambda: progress.advance(task)

        with tempfile.TemporaryDirectory() as folder:
            streams = _measure_streams(Path(folder), effort, follow)
        return {"machine": _machine()} | _measure_steps(effort, follow) | streams


Follow = Callable[[str, int], Callable[[], None]]


def _measure_steps(effort: Effort, follow: Follow) -> Figures:
    from training.benchmark.steps import measure_steps

    figures = {}
    for network in NETWORKS:
        on_round = follow(f"a decision by {network}", effort.n_rounds)
        figures[network] = measure_steps(network, n_rounds=effort.n_rounds, on_round=on_round)
    return figures


def _measure_streams(folder: Path, effort: Effort, follow: Follow) -> Figures:
    from training.benchmark import capacity, service_cost, stream_cost

    loaded = load_bundle(find_bundle(WATCHING))
    pipeline: Figures = {}
    cameras: Figures = {}
    for name, (size, n_b_frames) in FILMS.items():
        film = stream_cost.make_video(
            folder / f"{name}.mp4",
            size=size,
            fps=FILM_FPS,
            duration_s=effort.film_s,
            n_b_frames=n_b_frames,
        )
        on_round = follow(f"reading {name}", effort.n_readings)
        pipeline[name] = stream_cost.measure_pipeline(
            film, loaded, n_rounds=effort.n_readings, on_round=on_round
        )
    film = stream_cost.make_video(
        folder / "camera.mp4", size=CAMERA_SIZE, fps=CAMERA_FPS, duration_s=effort.live_s
    )
    done = follow("many cameras", len(CAMERAS))
    for n in CAMERAS:
        cameras[str(n)] = stream_cost.measure_cameras(film, loaded, n_cameras=n, fps=CAMERA_FPS)
        done()
    many = stream_cost.make_video(
        folder / "many.mp4", size=CAMERA_SIZE, fps=CAMERA_FPS, duration_s=effort.many_s
    )
    cameras |= capacity.measure_capacity(
        many,
        loaded,
        fps=CAMERA_FPS,
        guess=max(CAMERAS),
        precision=effort.precision,
        on_try=follow("as many cameras as are held", N_TRIES),
    )
    done = follow("start and messages", 2)
    with run_broker(0) as url:
        start = service_cost.measure_start(film, loaded, url=url)
        done()
        messages = service_cost.measure_messages(film, loaded, url=url)
        done()
    return {"pipeline": pipeline, "cameras": cameras} | start | messages


def _machine() -> dict[str, Any]:
    from training.evaluation.speed import cpu_name

    return {
        "cpu": cpu_name(),
        "n_cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def to_table(figures: Mapping[str, Any]) -> Table:
    """Lay the figures out, each beside its ratio to what it is compared with."""
    table = Table(title=f"{figures['machine']['cpu']}, {figures['machine']['n_cores']} cores")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_column("ratio", justify="right")
    for network in NETWORKS:
        taken = figures[network]
        for key, what in WAYS.items():
            faster = taken["loop_ms"] / taken[key]
            table.add_row(f"{network}: {what}", f"{taken[key]:.3f} ms", f"{faster:.1f} x faster")
    for name, found in figures["pipeline"].items():
        for key, what in READINGS.items():
            if key not in found:  # figures of an earlier version
                continue
            share = found[key] / found["decode_fps"]
            table.add_row(f"{name}: {what}", f"{found[key]:.0f} frames/s", f"{share:.2f}")
    cameras = dict(figures["cameras"])
    held = {name: cameras.pop(name) for name in ("decode_capacity", "capacity") if name in cameras}
    for n, found in cameras.items():
        due = found["decisions"] + found["missed"]
        p95, longest = found["p95_lateness_ms"], found["max_lateness_ms"]
        late = f"p95 {p95:.0f} ms, max {longest:.0f} ms, drift {found['drift_ms']:.0f} ms"
        table.add_row(f"{n} cameras, late by", late, f"{found['decisions']}/{due} decided")
    for name, n_held in held.items():
        what = "decoded only" if name == "decode_capacity" else "whole pipeline"
        share = f"{n_held / held['decode_capacity']:.2f}"
        table.add_row(f"cameras held: {what}", f"{n_held} cameras", share)
    table.add_row("start to first decision", f"{figures['startup_s']:.2f} s")
    table.add_row("peak memory", f"{figures['rss_mb']:.0f} MB")
    table.add_row("frame to message, p95", f"{figures['mqtt_p95_ms']:.0f} ms")
    return table


if __name__ == "__main__":
    sys.exit(main())
