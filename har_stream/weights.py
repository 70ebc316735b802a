"""Pretrained weights, which come from outside and lie in folders of their own, never in a bundle.

`train-har download weights NAME` puts them into the state directory; HAR_WEIGHTS names one more
folder, which is looked through first.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from har_stream.errors import InputError
from har_stream.settings import state_dir

ENVIRONMENT = "HAR_WEIGHTS"


def folder() -> Path:
    """Where downloaded weights lie, a folder or a file each."""
    return state_dir() / "cache" / "weights"


def named(name_or_path: str, *, suffixes: tuple[str, ...]) -> Path:
    """Find a file of weights by its path, or by the name that it is downloaded under.

    Args:
        name_or_path: A file, a folder with one such file, or a name.
        suffixes: What the file's name may end on.

    Raises:
        InputError: There is none; the message says how to bring it.
    """
    places = [Path(name_or_path).expanduser(), *(place / name_or_path for place in _places())]
    for place in places:
        if place.is_file():
            return place
        files = [path for path in _files(place) if path.name.endswith(suffixes)]
        if len(files) == 1:
            return files[0]
    raise InputError(
        f"no weights {name_or_path!r} in {', '.join(map(str, _places()))}: "
        f"{how_to_bring(name_or_path)}, or give a path"
    )


def how_to_bring(name_or_path: str) -> str:
    """Return the command that downloads weights; a path tells their name by its last part."""
    return f"train-har download weights {Path(name_or_path).name}"


def of_hash(sha256: str, *, suffix: str) -> Path | None:
    """Find a file of weights by the hash of its content."""
    files = (path for place in _places() for path in _files(place) if path.suffix == suffix)
    return next((path for path in files if hash_of(path) == sha256), None)


def hash_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _places() -> list[Path]:
    given = os.environ.get(ENVIRONMENT)
    return [Path(given).expanduser(), folder()] if given else [folder()]


def _files(place: Path) -> Iterator[Path]:
    return (path for path in sorted(place.rglob("*")) if path.is_file())
