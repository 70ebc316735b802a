"""Damages files as disks, power cuts and people do: bytes, pages, lengths, the log of another."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

PAGE = 4096


def change_bytes(path: Path, rng: random.Random) -> None:
    """Turn one to eight bytes into others."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] ^= rng.randint(1, 255)
    path.write_bytes(content)


def change_header(path: Path, rng: random.Random) -> None:
    """Turn a byte among the first hundred into another."""
    content = bytearray(path.read_bytes())
    content[rng.randrange(min(100, len(content)))] ^= rng.randint(1, 255)
    path.write_bytes(content)


def zero_pages(path: Path, rng: random.Random) -> None:
    """Overwrite one to three pages with zeroes."""
    _overwrite(path, rng, lambda _: bytes(PAGE))


def scramble_pages(path: Path, rng: random.Random) -> None:
    """Overwrite one to three pages with noise."""
    _overwrite(path, rng, lambda _: rng.randbytes(PAGE))


def tear_pages(path: Path, rng: random.Random) -> None:
    """Put a page's second half into another page: a write that was cut short."""
    content = path.read_bytes()
    other = rng.randrange(max(1, len(content) // PAGE)) * PAGE
    _overwrite(path, rng, lambda page: page[:512] + content[other + 512 : other + PAGE])


def swap_pages(path: Path, rng: random.Random) -> None:
    """Put a page in place of another."""
    content = path.read_bytes()
    other = rng.randrange(max(1, len(content) // PAGE)) * PAGE
    _overwrite(path, rng, lambda _: content[other : other + PAGE])


def truncate(path: Path, rng: random.Random) -> None:
    """Cut the end off, perhaps all."""
    with path.open("r+b") as file:
        file.truncate(rng.randrange(path.stat().st_size))


def no_database(path: Path, rng: random.Random) -> None:
    """Put something else in its place."""
    path.write_bytes(rng.randbytes(rng.randrange(1, 20_000)))


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    change_bytes,
    change_header,
    zero_pages,
    scramble_pages,
    tear_pages,
    swap_pages,
    truncate,
    no_database,
)


def copy_in_use(path: Path, copy: Path) -> Path:
    """Copy a database that is open, with its log, as a power cut would leave it."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    for end in ("", "-wal"):
        source = path.with_name(path.name + end)
        if source.exists():
            shutil.copy(source, copy.with_name(copy.name + end))
    return copy


def _overwrite(path: Path, rng: random.Random, change: Callable[[bytes], bytes]) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(max(1, len(content) // PAGE)) * PAGE
        page = bytes(content[at : at + PAGE])
        content[at : at + PAGE] = change(page)[: len(page)]
    path.write_bytes(content)
