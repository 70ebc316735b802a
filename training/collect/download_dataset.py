"""A data set from its archives to class folders: whole and counted, or not at all."""

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from har_stream.bundles.fetch_file import Advance, fetch_file
from har_stream.bundles.published_weights import Remote
from har_stream.core.atomic_file import replacing
from har_stream.core.errors import InputError
from training.collect.archives import arrange, unpack
from training.collect.download_sources import DatasetSource
from training.data.folders import count_clips

RECORD = "download.json"
"""Says what was fetched, with the hash of every archive."""

Showing = Callable[[str], AbstractContextManager[Advance]]
"""Shows the progress of a file of this name."""


def download_dataset(source: DatasetSource, folder: Path, *, showing: Showing) -> None:
    """Fetch, unpack, count, and only then put in place; the archives are deleted afterwards.

    Args:
        source: Where it comes from and what must come out.
        folder: Gets a folder per class, and the official lists in `splits`.
        showing: Shows the progress of a download.

    Raises:
        InputError: It cannot be fetched, unpacked or written, the counts are not those of the
            data set, or something else lies in its place.
    """
    if folder.exists():
        _count(source, folder)
        return
    waiting = folder.with_name(f".{folder.name}.download")
    try:
        waiting.mkdir(parents=True, exist_ok=True)
        fetched = _fetch_all(source.archives, waiting, showing=showing)
        with tempfile.TemporaryDirectory(dir=waiting) as temporary:
            unpacked, made = Path(temporary) / "unpacked", Path(temporary) / "made"
            for remote in source.archives:
                unpack(waiting / remote.name, unpacked / Path(remote.name).stem)
            arrange(unpacked, made)
            _count(source, made)
            _write_record(made, fetched)
            made.rename(folder)
        shutil.rmtree(waiting)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error


def download_weights(remote: Remote, folder: Path, *, showing: Showing) -> Path:
    """Fetch pretrained weights into a folder of their name, unless they are there.

    Raises:
        InputError: They cannot be fetched or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_record(folder, _fetch_all((remote,), folder, showing=showing))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    return folder / remote.name


def _fetch_all(
    remotes: tuple[Remote, ...], folder: Path, *, showing: Showing
) -> list[dict[str, str | int]]:
    """Fetch files into one folder; returns where each came from, its size and its hash."""
    fetched: list[dict[str, str | int]] = []
    for remote in remotes:
        path = folder / remote.name
        with showing(remote.name) as advance:
            sha256 = fetch_file(remote, path, advance=advance)
        compared = "published" if remote.sha256 else "none is published; this is the first download"
        fetched.append(
            {"url": remote.url, "bytes": path.stat().st_size, "sha256": sha256, "hash": compared}
        )
    return fetched


def _write_record(folder: Path, fetched: list[dict[str, str | int]]) -> None:
    with replacing(folder / RECORD) as file:
        json.dump(fetched, file, indent=2)


def _count(source: DatasetSource, folder: Path) -> None:
    classes = count_clips(folder) if folder.is_dir() else []
    n_clips = sum(n for _, n, _ in classes)
    least, most = source.n_clips
    if len(classes) != source.n_classes or not least <= n_clips <= most:
        expected = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        raise InputError(
            f"{folder}: {n_clips:,} clips of {len(classes)} classes, not {expected} of "
            f"{source.n_classes}; give another folder with --out, or delete it and start again"
        )
