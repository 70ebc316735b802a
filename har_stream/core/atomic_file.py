"""Writes a file whole or not at all: a crash, a full disk or a power cut leaves the old one."""

import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from har_stream.core.errors import InputError


@contextmanager
def replacing_file(path: Path, *, outlasts_power_cut: bool = True) -> Iterator[Path]:
    """Say where to write a file that takes the place of ``path`` once the block has ended well.

    It keeps the suffix, by which some libraries choose the format; another process that writes the
    same file has another one.

    Args:
        path: The file.
        outlasts_power_cut: Whether the new file's bytes are on disk before it takes the old one's
            place, and that it has, before this returns; which takes as long as the disk does.

    Raises:
        OSError: It cannot be written.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, "Is a directory", str(path))
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        yield partial
        if outlasts_power_cut:
            sync(partial)
        partial.replace(path)
        if outlasts_power_cut:
            sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Make a file's bytes, or what was created, moved or deleted in a folder, outlast a power cut.

    Raises:
        OSError: The disk refuses.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line that a file which a person asked for cannot be written.

    Raises:
        InputError: In place of any `OSError` of the block.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def check_folder(path: Path) -> None:
    """Refuse a file that could not be written, before the long work whose outcome it would hold.

    Raises:
        InputError: Its folder is not there.
    """
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")


@contextmanager
def explain_errors(place: Path, what: str, *, remedy: str) -> Iterator[None]:
    """Say in one line what went wrong with a file or folder, why, and what to do.

    Raises:
        InputError: In place of any `OSError` of the block.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or error  # NumPy's short writes have no number
        raise InputError(f"{place}: {what} ({why}); {remedy}") from error


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file that takes the place of ``path`` once its block has ended well.

    Line ends are written as they are given.

    Raises:
        OSError: It cannot be written.
    """
    with (
        replacing_file(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        yield file


def is_stdout(path: Path) -> bool:
    """Tell whether standard output is meant, as ``-`` is in other programs."""
    return str(path) in ("-", "/dev/stdout")


def write_output(path: Path, content: str | bytes) -> None:
    """Write a file that a person asked for: whole, but to a pipe or standard output as it comes.

    Raises:
        InputError: It cannot be written.
    """
    encoded = content.encode() if isinstance(content, str) else content
    with writing(path):
        if is_stdout(path):
            sys.stdout.flush()
            sys.stdout.buffer.write(encoded)
            sys.stdout.flush()
        elif path.exists() and not path.is_file():
            path.write_bytes(encoded)
        else:
            with replacing_file(path) as partial:
                partial.write_bytes(encoded)


def write_figures(path: Path, figures: object) -> None:
    """Write measured figures as JSON, as `write_output` does.

    Raises:
        InputError: It cannot be written.
    """
    write_output(path, figures_text(figures))


def figures_text(figures: object) -> str:
    """Return measured figures as JSON, with as many digits as a measurement has: four."""
    return json.dumps(_shortened(figures), indent=2) + "\n"


def _shortened(figures: object) -> object:
    if isinstance(figures, float):
        return float(f"{figures:.4g}")
    if isinstance(figures, Mapping):
        return {name: _shortened(value) for name, value in figures.items()}
    if isinstance(figures, list | tuple):
        return [_shortened(value) for value in figures]
    return figures
