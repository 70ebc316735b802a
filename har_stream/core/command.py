"""How every command of the project begins and ends: types of its flags, one line for a mistake."""

import argparse
import math
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import NoReturn

from har_stream.core.errors import InputError

MAX_PORT = 65_535


class CommandParser(argparse.ArgumentParser):
    """A parser that says a mistake in one line, as commands do, in place of all its usage."""

    def error(self, message: str) -> NoReturn:
        """End with status 2; the line says where all arguments are told."""
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help says more\n")


def command_parser(name: str, description: str, *, examples: str) -> argparse.ArgumentParser:
    """Begin the parser of a command: its help ends with examples, and it can say its version."""
    parser = CommandParser(
        prog=name,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    told = f"%(prog)s {version('har-stream')}"
    parser.add_argument("--version", action="version", version=told)
    return parser


def run_command(
    name: str,
    body: Callable[[], int | None],
    *,
    is_service: bool = False,
    extras: Mapping[str, str] | None = None,
) -> int:
    """Run a command and return its exit status.

    A person's mistake is one line and status 2. Ctrl-C is the ordinary end of a service, status 0;
    a tool that was to finish something says that it did not, status 130, as shells do.

    Args:
        name: As it was called; every line begins with it.
        body: Does the work; its status, or none for 0.
        is_service: Runs until somebody ends it.
        extras: By package, the extra of har-stream that brings it, where it may be missing.
    """
    try:
        status = body() or 0
        sys.stdout.flush()
        return status
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in (extras or {}):
            raise
        remedy = f"pip install 'har-stream[{(extras or {})[package]}]'"
        print(f"{name}: {package} is not installed: {remedy}", file=sys.stderr)
        return 2
    except ImportError as error:
        if "cannot open shared object" not in str(error):
            raise
        remedy = "on Debian: apt-get install libgl1 libglib2.0-0"
        print(f"{name}: this system lacks a library: {error}; {remedy}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        if is_service:
            raise
        # Whoever read has had enough, as `head` has; what is left is flushed to nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, EOFError) as interrupt:  # EOF: Ctrl-D where something is asked
        if is_service:
            return 0
        # Ctrl-C may say what is kept; what Python says of Ctrl-D helps nobody.
        said = interrupt.args if isinstance(interrupt, KeyboardInterrupt) else ()
        print(f"{name}: interrupted", *said, file=sys.stderr)
        return 130


def warn_deprecated(used: str, *, instead: str) -> None:
    """Say what to use in place of what still works and will be gone in the next major version."""
    print(f"{used} still works, and will be gone in 2.0: use {instead}", file=sys.stderr)


def positive(text: str) -> float:
    """Read a flag's number above 0."""
    number = _number(text, float)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return number


def from_0_on(text: str) -> float:
    """Read a flag's number, 0 or more."""
    number = _number(text, float)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return number


def share(text: str) -> float:
    """Read a flag's share, 0 or more and below 1."""
    number = _number(text, float)
    if not 0.0 <= number < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no share from 0 up to 1")
    return number


def count(text: str) -> int:
    """Read a flag's whole number, 1 or more."""
    number = _number(text, int)
    if not number >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(number)


def port(text: str) -> int:
    """Read a flag's port of TCP; 0 is any that is free."""
    number = _number(text, int)
    if not 0 <= number <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to {MAX_PORT}")
    return int(number)


def whole_number(text: str) -> int:
    """Read a flag's whole number, 0 or more: a seed, or seconds to wait."""
    number = _number(text, int)
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(number)


def names(text: str) -> tuple[str, ...]:
    """Read a flag's names, parted by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _number(text: str, kind: Callable[[str], float]) -> float:
    try:
        return kind(text)
    except ValueError:
        return math.nan
