"""Limits on what this process may write, so that tests meet a full disk without filling one."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Writing more fails with an `OSError`, as on a full disk."""
    whole = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, whole[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, whole)


@contextmanager
def tiny_disk(folder: Path, n_bytes: int) -> Iterator[None]:
    """A disk of its own at a folder; where nobody may mount one, the test is skipped."""
    folder.mkdir(exist_ok=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(folder)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(folder: Path) -> Path:
    """Take all the room that a disk has left; returns the file that holds it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler
