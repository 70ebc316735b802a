"""Fetches files into a folder, and writes down where each came from and its hash.

Needs no package beyond those that running needs, so that every install can fetch weights.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from har_stream.bundles.fetch_file import Advance, fetch_file
from har_stream.bundles.published_weights import Remote
from har_stream.core.atomic_file import replacing
from har_stream.core.errors import InputError

RECORD = "download.json"
"""Says what was fetched, with the hash of every file."""

Showing = Callable[[str], AbstractContextManager[Advance]]
"""Shows the progress of a file of this name."""


def download_weights(remote: Remote, folder: Path, *, showing: Showing) -> Path:
    """Fetch pretrained weights into a folder of their name, unless they are there.

    Raises:
        InputError: They cannot be fetched or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder, download_files((remote,), folder, showing=showing))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    return folder / remote.name


def download_files(
    remotes: tuple[Remote, ...], folder: Path, *, showing: Showing
) -> list[dict[str, str | int]]:
    """Fetch files into one folder; returns where each came from, its size and its hash.

    Raises:
        InputError: One cannot be fetched.
        OSError: It cannot be written.
    """
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


def write_record(folder: Path, fetched: list[dict[str, str | int]]) -> None:
    """Keep what `download_files` returned beside the files.

    Raises:
        OSError: It cannot be written.
    """
    with replacing(folder / RECORD) as file:
        json.dump(fetched, file, indent=2)
