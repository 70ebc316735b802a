"""`har`: all of a home in one command, in processes that are started again if they fail.

Recogniser, forecaster and page run as a person would start them, with a broker where none answers.
"""

import argparse
import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from har_stream.config.settings import Settings, load_settings
from har_stream.core.backoff import backoff_s
from har_stream.core.command import CommandParser, port, run_command
from har_stream.mqtt.broker_address import default_address
from har_stream.mqtt.brokers.embedded_broker import is_listening, run_broker
from page.commands.page import PORT

LOOK_S = 0.25
"""So often it is looked whether all still run."""
GRACE_S = 10.0
"""Time that a process gets to end cleanly."""
STABLE_S = 60.0
"""A process that ran for so long begins with the shortest pause anew."""
SEEN = {
    "keep-clips": "keep short clips, to teach from: see docs/page.md",
    "skeleton": "show people's joints as lines",
    "pictures": "show what the cameras see",
}
"""What the page may show of what cameras see; `har-stream` has the same flags."""
RETRY_FIRST_S, RETRY_LONGEST_S = 1.0, 60.0
EXAMPLES = f"""
examples:
  har --camera 0                       a webcam; the page is at http://127.0.0.1:{PORT}
  har --config home.yaml               cameras, broker and home as the file has them
  har --camera 0 --bundle my-home --port 8080
  har --version                        of all parts
  har licences                         of all packages, bundles and weights

Each of har-stream, har-forecast and har-page is started again when it fails; one that a person's
mistake has ended ends all. Ctrl-C ends all of them.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `har`; returns the exit status."""
    options = make_parser().parse_args(argv)
    if options.version or options.licences:
        return run_command("har", lambda: print(_say(options)))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    return run_command("har", lambda: _run(options), is_service=True)


def make_parser() -> argparse.ArgumentParser:
    """Describe every argument."""
    parser = CommandParser(
        prog="har",
        description="Watch, remember, forecast and show a home: all programs in one command.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "licences", nargs="?", choices=("licences",), metavar="licences", help="only say them"
    )
    parser.add_argument("--version", action="store_true", help="only say it, of all parts")
    parser.add_argument("--camera", metavar="SRC", action="append", default=[], help="repeatable")
    parser.add_argument("--bundle", metavar="NAME|PATH", help="the model")
    for flag, about in SEEN.items():
        parser.add_argument(f"--{flag}", action="store_true", help=about)
    parser.add_argument("--config", metavar="FILE", type=Path, help="YAML, for all of them")
    parser.add_argument("--home", metavar="ID", help="name of the household")
    parser.add_argument("--state-dir", metavar="DIR", type=Path, help="what they keep")
    parser.add_argument("--broker", metavar="URL", help="of MQTT; none: one of this machine")
    parser.add_argument("--host", metavar="ADDRESS", help="where the page listens (127.0.0.1)")
    parser.add_argument("--port", metavar="N", type=port, help=f"of the page ({PORT})")
    parser.add_argument("--password-file", metavar="FILE", type=Path, help="of the page")
    return parser


def _say(options: argparse.Namespace) -> str:
    from page.commands.parts import say_licences, say_versions

    if options.version:
        return say_versions()
    settings = load_settings(options.config) if options.config else Settings()
    return say_licences(options.state_dir or settings.state_dir)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is to run.

    Attributes:
        name: What a person calls it.
        command: What is started.
    """

    name: str
    command: Sequence[str]


def programs_of(options: argparse.Namespace, *, broker: str | None) -> list[Program]:
    """Return what is to run.

    Args:
        options: Of `har`.
        broker: The URL that all of them are told; ``None``: they know.
    """
    common = _flags(
        config=options.config, home=options.home, state_dir=options.state_dir, broker=broker
    )
    cameras = [word for camera in options.camera for word in ("--camera", camera)]
    seen = [f"--{flag}" for flag in SEEN if getattr(options, flag.replace("-", "_"))]
    page = _flags(host=options.host, port=options.port, password_file=options.password_file)
    own = {
        "har-stream": (
            "har_stream.commands.stream",
            *cameras,
            *seen,
            *_flags(bundle=options.bundle),
        ),
        "har-forecast": ("predictor.commands.forecast",),
        "har-page": ("page.commands.page", *page),
    }
    return [Program(name, (sys.executable, "-m", *words, *common)) for name, words in own.items()]


def _flags(**values: object) -> list[str]:
    given = {name: value for name, value in values.items() if value is not None}
    return [
        word
        for name, value in given.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]


def _run(options: argparse.Namespace) -> int:
    with contextlib.ExitStack() as around:
        broker = options.broker
        named = load_settings(options.config).broker.url if options.config else None
        if broker is None and named is None and not is_listening(default_address()):
            broker = around.enter_context(run_broker(default_address().port))
        return supervise(programs_of(options, broker=broker), stopped=threading.Event())


def supervise(
    programs: Sequence[Program],
    *,
    stopped: threading.Event,
    monotonic: Callable[[], float] = time.monotonic,
    tell: Callable[[str], object] = lambda line: print(line, file=sys.stderr, flush=True),
) -> int:
    """Keep programs running until somebody ends this, or a person's mistake has ended one.

    A program that ends with status 0 has done what it was to do: a recorded film is over.

    Args:
        programs: What is to run, in the order in which it is started; it is ended in that order.
        stopped: Set to end it.
        monotonic: Seconds that nobody can set.
        tell: Tells a person what happens.

    Returns:
        0, or 2 where a person has to change something.
    """
    with contextlib.ExitStack() as running:
        children = [_Child(program, monotonic, tell) for program in reversed(programs)]
        for child in children:
            running.callback(child.end)
        while not stopped.wait(LOOK_S):
            for child in children:
                if child.look() == 2:
                    tell(f"har: {child.name} cannot run like that; ending")
                    return 2
            if all(child.is_done for child in children):
                break
    return 0


class _Child:
    """One program's process, and the next one after it has failed."""

    def __init__(
        self, program: Program, monotonic: Callable[[], float], tell: Callable[[str], object]
    ) -> None:
        self.name = program.name
        self.is_done = False
        self._command = program.command
        self._monotonic = monotonic
        self._tell = tell
        self._n_failed = 0
        self._again_at_s: float | None = None
        self._start()

    def _start(self) -> None:
        self._again_at_s = None
        self._began_s = self._monotonic()
        # In a session of its own: the terminal's Ctrl-C is ours, and each is ended once.
        self._process = subprocess.Popen(  # noqa: S603 -- our own module, no shell
            self._command, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def look(self) -> int | None:
        """See whether it runs, and start it again where that is due; returns how it ended."""
        if self.is_done:
            return None
        if self._again_at_s is not None:
            if self._monotonic() >= self._again_at_s:
                self._start()
            return None
        status = self._process.poll()
        if status == 0:
            self.is_done = True
            self._tell(f"har: {self.name} has ended")
        elif status not in (None, 2):
            if self._monotonic() - self._began_s > STABLE_S:
                self._n_failed = 0
            jitter = random.random()  # noqa: S311 -- spreads load only
            wait_s = backoff_s(
                self._n_failed, jitter=jitter, first_s=RETRY_FIRST_S, longest_s=RETRY_LONGEST_S
            )
            self._n_failed += 1
            self._again_at_s = self._monotonic() + wait_s
            self._tell(f"har: {self.name} ended with {status}; again in {wait_s:.1f} s")
        return status

    def end(self) -> None:
        """Have it end cleanly, or at all."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    sys.exit(main())
