"""Pretrained weights, which come from outside and lie in folders of their own, never in a bundle.

`train-har download weights NAME` puts them into the state directory, and so does the first use of a
bundle that needs them; HAR_WEIGHTS names one more folder, or a file, which is looked at first.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from har_stream.config.state_dir import weights_cache
from har_stream.core.atomic_file import replacing_file, writing
from har_stream.core.errors import InputError
from har_stream.core.user_path import is_there, user_path

logger = logging.getLogger(__name__)

ENVIRONMENT = "HAR_WEIGHTS"


def folder() -> Path:
    """Where downloaded weights lie, a folder or a file each."""
    return weights_cache()


def find_by_name(name_or_path: str, *, suffixes: tuple[str, ...], known: Collection[str]) -> Path:
    """Find a file of weights by its path, or by the name that it is downloaded under.

    Args:
        name_or_path: A file, a folder with one such file, or a name.
        suffixes: What the file's name may end on.
        known: Names that can be downloaded.

    Raises:
        InputError: There is none; the message says how to bring it.
    """
    places = [user_path(name_or_path), *(place / name_or_path for place in _places())]
    for place in places:
        if not is_there(place):
            continue
        if place.is_file():
            return place
        files = [path for path in _files(place) if path.name.endswith(suffixes)]
        if len(files) == 1:
            return files[0]
    name = Path(name_or_path).name  # a path tells it by its last part
    remedy = f"{how_to_bring(name)}, or give a path"
    if name not in known:
        remedy = f"give a path, or a name that can be downloaded: {', '.join(known)}"
    raise InputError(f"no weights {name_or_path!r} in {', '.join(map(str, _places()))}: {remedy}")


def how_to_bring(name: str) -> str:
    """Return the command that downloads weights."""
    return f"train-har download weights {name}"


def with_folder(remedy: str) -> str:
    """Add to a remedy what to do where weights lie already, unless it says so."""
    if ENVIRONMENT in remedy:
        return remedy
    return f"{remedy}, or name a folder that holds it: {ENVIRONMENT}=FOLDER"


def keep_copy(path: Path) -> Path:
    """Copy a file of weights to where bundles look for theirs, unless it is there already.

    Returns:
        The file that a bundle will find.

    Raises:
        InputError: It cannot be copied.
    """
    sha256 = hash_of(path)
    if found := find_by_hash(sha256, suffix=path.suffix):
        return found
    kept = folder() / f"{path.stem}-{sha256[:8]}" / path.name
    with writing(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(kept) as partial:
            shutil.copyfile(path, partial)
            if hash_of(partial) != sha256:
                raise InputError(f"{path}: it changed while it was copied; start again")
    logger.info("weights: %s is copied to %s, where its bundle will look for it", path, kept)
    return kept


def find_by_hash(sha256: str, *, suffix: str) -> Path | None:
    """Find a file of weights by the hash of its content."""
    files = (path for place in _places() for path in _files(place) if path.suffix == suffix)
    return next((path for path in files if hash_of(path) == sha256), None)


def hash_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _places() -> list[Path]:
    given = os.environ.get(ENVIRONMENT)
    if not given:
        return [folder()]
    if not is_there(user_path(given)):
        raise InputError(f"{ENVIRONMENT}: {given}: no such file or folder; mend or unset it")
    return [user_path(given), folder()]


def _files(place: Path) -> Iterator[Path]:
    found = [place] if place.is_file() else sorted(place.rglob("*"))
    return (path for path in found if path.is_file())
