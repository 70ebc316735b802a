"""`har-demo`: the whole loop in one command, in processes of its own, watched over MQTT.

An embedded broker, har-stream on a source, har-forecast and har-page are started as a person would
start them; what the terminal shows is what any subscriber sees. Nothing is kept afterwards.
"""

import argparse
import contextlib
import functools
import importlib.util
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.live import Live

from har_stream.bundles.bundle import DEFAULT
from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.cameras.camera import is_live
from har_stream.commands.demo_view import LiveView
from har_stream.config.broker_settings import BrokerSettings
from har_stream.core.activity import IDLE
from har_stream.core.command import CommandParser, port, positive, run_command, whole_number
from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from har_stream.core.url import LOOPBACK
from har_stream.mqtt.broker_address import default_address
from har_stream.mqtt.brokers.embedded_broker import is_listening, run_broker
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.topics import Topics
from har_stream.simulation.simulated_camera import parse_source
from har_stream.simulation.truth import Stay, truth, write_log

REFRESH_S = 0.25
GRACE_S = 10.0
"""Time that a process gets to end cleanly."""
PAST_DAYS = 14
"""Simulated days that the forecaster has read of in a log before the demo begins."""
BEGINS_AT = time(6, 45)
"""Local time of the simulated day: the resident is about to get up."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    options = make_parser().parse_args(argv)
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    # A closed terminal leaves no process behind; a script in the background has SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    return run_command("har-demo", lambda: _run(options), is_service=True)


def make_parser() -> argparse.ArgumentParser:
    """Describe every argument."""
    parser = CommandParser(
        prog="har-demo",
        description="Embedded broker, har-stream, har-forecast and a live view in one command.",
        epilog="Without --camera it watches the simulated home; a webcam is never opened unasked.",
    )
    parser.add_argument("--camera", metavar="SRC", help="webcam index, file, folder or URL")
    parser.add_argument("--bundle", metavar="NAME", help="recogniser; default: fits the source")
    parser.add_argument(
        "--port", type=port, metavar="N", help="of the broker (default: the usual one, or any free)"
    )
    parser.add_argument(
        "--duration", type=positive, metavar="S", help="end by itself after S seconds"
    )
    parser.add_argument(
        "--seed", type=whole_number, default=7, help="which simulated home (%(default)s)"
    )
    parser.add_argument(
        "--pace", type=positive, default=120, help="simulated seconds in one second (%(default)s)"
    )
    return parser


@dataclass(frozen=True, slots=True)
class WatchedSource:
    """What the demo watches.

    Attributes:
        source: Camera of har-stream.
        bundle: Who recognises.
        flags: Further flags of har-stream.
        history: A log of the days before, which the forecaster reads first.
    """

    source: str
    bundle: str
    flags: tuple[str, ...] = ()
    history: Path | None = None


def _choose_source(options: argparse.Namespace, folder: Path) -> WatchedSource:
    if options.camera:
        return WatchedSource(options.camera, options.bundle or DEFAULT)
    source = f"sim:{options.seed}?past={PAST_DAYS}&pace={options.pace:g}"
    parse_source(source)  # before two weeks are lived through
    begins_at = datetime.combine(datetime.now(), BEGINS_AT).astimezone()
    midnight = begins_at.replace(hour=0, minute=0)
    lived = timedelta(days=PAST_DAYS) + (begins_at - midnight)
    past = truth(options.seed, start_at=begins_at - lived, days=lived / timedelta(days=1))
    write_log(folder / "past.csv", filter(_is_reported, past))
    return WatchedSource(
        source,
        options.bundle or "sim-home",
        ("--start-at", begins_at.isoformat()),
        folder / "past.csv",
    )


def _is_reported(stay: Stay) -> bool:
    """Tell whether a camera that looks twice a minute would have reported this."""
    return stay.activity != IDLE and stay.ended_at - stay.started_at >= timedelta(minutes=1)


def _run(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="har-demo-") as state_dir:
        _show(options, Path(state_dir))


def _show(options: argparse.Namespace, state_dir: Path) -> None:
    watched = _choose_source(options, state_dir)
    known = load_with_weights(watched.bundle, state_dir=state_dir).manifest
    with contextlib.ExitStack() as processes:
        start = functools.partial(_child, state_dir)
        remember = ("predictor.commands.forecast", "--state-dir", str(state_dir), "--home", "demo")
        reading = start(*remember, "--import", str(watched.history)) if watched.history else None
        with reading or contextlib.nullcontext() as reader:
            url = start_broker(processes, options.port)
            process = processes.enter_context(
                start("har_stream.commands.stream", *_stream_flags(watched, state_dir, url))
            )
            if reader:
                reader.wait()
        processes.enter_context(start(*remember, "--broker", url))
        page = _start_page(processes, state_dir, url)
        listen = f"mosquitto_sub -p {url.rsplit(':')[-1]} -t 'har/#' -v"
        view = LiveView(
            title=f"har-stream watches {redact(watched.source)} with {watched.bundle}",
            footer=f"broker {url}; listen in: {listen}\n{page}Ctrl-C ends it",
            labels=known.labels,
            urgent=known.deciding.urgent,
            ends=not is_live(watched.source),
        )
        _watch(view, url, process, duration_s=options.duration)


def _start_page(processes: contextlib.ExitStack, state_dir: Path, url: str) -> str:
    """Start the page where it is installed, and open it where there is a screen.

    Returns:
        What to say of it.
    """
    if importlib.util.find_spec("starlette") is None:
        return ""
    with socket.socket() as probe:  # any free port: another page may have the usual one
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    where = ("--state-dir", str(state_dir), "--home", "demo", "--broker", url, "--port", str(port))
    processes.enter_context(_child(state_dir, "page.commands.page", *where))
    address = f"http://{LOOPBACK}:{port}/"
    if sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(address)
    return f"page {address}; "


def start_broker(processes: contextlib.ExitStack, port: int | None) -> str:
    """Start a broker on the port asked for, else on the usual one, else on any free one."""
    address = default_address()
    if port is None and not is_listening(address):
        with contextlib.suppress(InputError):  # the port may be taken all the same
            return processes.enter_context(run_broker(address.port))
    return processes.enter_context(run_broker(port or 0))


def _stream_flags(watched: WatchedSource, state_dir: Path, url: str) -> list[str]:
    named = {
        "--camera": watched.source,
        "--bundle": watched.bundle,
        "--node": "demo",
        "--home": "demo",
        "--state-dir": str(state_dir),
        "--broker": url,
    }
    flags = [word for flag in named.items() for word in flag]
    return [*flags, "--realtime", "--fail-fast", *watched.flags]


@contextlib.contextmanager
def _child(state_dir: Path, module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of our commands; its log goes to a file, and is shown if it fails."""
    log = state_dir / f"{module}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        failed = process.poll()
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        process.kill()
    if failed:
        last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no word"]
        raise InputError(last[0].partition(": ")[2] or last[0])


def _watch(
    view: LiveView, url: str, source: subprocess.Popen[bytes], *, duration_s: float | None
) -> None:
    """Draw what arrives until the time is over or the source has ended."""
    console = Console()
    topics = Topics()
    lock = threading.Lock()

    def receive(topic: str, payload: bytes) -> None:
        with lock:
            line = view.add_message(topics, topic, payload)
        if line and not console.is_terminal:
            console.print(line, highlight=False, soft_wrap=True)

    connection = Connection(BrokerSettings(url=url), client_id="har-demo-view")
    connection.subscribe(f"{topics.base}/#", receive)
    console.print(view.title, view.footer, sep="\n", highlight=False, soft_wrap=True)
    drawing = (
        Live(console=console, screen=True, auto_refresh=False)
        if console.is_terminal
        else contextlib.nullcontext()
    )
    ends_at = monotonic() + duration_s if duration_s else float("inf")
    with connection, drawing as live, contextlib.suppress(KeyboardInterrupt):
        while monotonic() < ends_at:
            if live:
                with lock:
                    live.update(view.render(), refresh=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                source.wait(min(REFRESH_S, max(0.0, ends_at - monotonic())))
                break
    if console.is_terminal:  # the screen is gone
        console.print(*view.newest(), sep="\n", highlight=False, soft_wrap=True)
    console.print(view.summary(), highlight=False)


if __name__ == "__main__":
    sys.exit(main())
