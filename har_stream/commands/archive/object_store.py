"""Recordings in an object store or behind any other address that fsspec knows.

A store is asked what it holds, and each recording is brought to the machine that recognises it, for
as long as that takes. See https://filesystem-spec.readthedocs.io
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from har_stream.cameras.camera import VIDEO_SUFFIXES
from har_stream.commands.archive.clip_list import ArchiveClip, ClipList, list_clips, no_recording
from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from har_stream.core.user_path import user_path


def find_clips(source: str) -> ClipList:
    """List the recordings of a folder, a list of recordings, or the address of a store.

    Raises:
        InputError: There is none, or the store does not answer.
        ModuleNotFoundError: fsspec is not installed.
    """
    return _list_objects(source) if is_address(source) else list_clips(user_path(source))


def is_address(path: str) -> bool:
    """Tell an address, as ``s3://bucket/folder``, from a path."""
    return "://" in path


@contextmanager
def brought_here(path: str) -> Iterator[str]:
    """Bring a recording to this machine; the path of a file is its own.

    The copy has no name, so that nothing is left of it however this process ends.

    Raises:
        InputError: The store does not give it out.
        ModuleNotFoundError: fsspec is not installed.
    """
    if not is_address(path):
        yield path
        return
    with tempfile.TemporaryFile() as copy:
        here = f"/proc/self/fd/{copy.fileno()}"
        files, key = _open_store(path)
        try:
            files.get_file(key, here)
        except Exception as error:  # each store has its own
            raise InputError(f"{redact(path)}: cannot be fetched: {_reason(error)}") from error
        yield here


def _list_objects(source: str) -> ClipList:
    files, root = _open_store(source)
    root = root.rstrip("/")
    try:
        listed: dict[str, dict[str, Any]] = files.find(root, detail=True)
    except Exception as error:  # each store has its own
        raise InputError(f"{redact(source)}: cannot be listed: {_reason(error)}") from error
    clips = []
    passed_over: Counter[str] = Counter()
    for key, told in sorted(listed.items()):
        name = key.removeprefix(root).lstrip("/") or PurePosixPath(key).name
        suffix = PurePosixPath(name).suffix.lower()
        if any(part.startswith(".") for part in PurePosixPath(name).parts):
            continue
        if suffix not in VIDEO_SUFFIXES:
            passed_over[suffix or "no suffix"] += 1
            continue
        path = files.unstrip_protocol(key)
        clips.append(ArchiveClip(name, path, int(told.get("size") or 0), _state_of(told)))
    if not clips:
        raise no_recording(redact(source), passed_over)
    return ClipList(Path(root), tuple(clips), (), passed_over)


def _open_store(path: str) -> tuple[Any, str]:
    """The store of an address, and the key there."""
    import fsspec

    try:
        files, key = fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:  # it names the package that a store needs
        raise InputError(f"{redact(path)}: {_reason(error)}") from error
    return files, key


def _state_of(told: dict[str, Any]) -> int:
    """What a store says of an object, as a number: another one once the object has changed."""
    said = repr(sorted((name, str(value)) for name, value in told.items()))
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:7])


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
