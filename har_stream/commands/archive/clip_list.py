"""Which recordings an archive holds: the files of a folder, or those that a list names."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from har_stream.cameras.camera import VIDEO_SUFFIXES
from har_stream.config.ids import as_id
from har_stream.core.errors import InputError

_HAS_LETTER = re.compile(r"[^\W\d_]")
_MAX_LIST_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class ArchiveClip:
    """One recording of an archive.

    Attributes:
        name: Its path below the archive, with ``/``; it names the clip in every output.
        path: Where it lies: an absolute path, or the address of an object.
        n_bytes: Its size.
        changed_ns: When it was last written; with its size this tells whether it is still the same.
            Of an object it is a hash of all that its store says of it.
    """

    name: str
    path: str
    n_bytes: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class ClipList:
    """What was found.

    Attributes:
        root: Names are below it.
        clips: In the order of their names.
        unread: One line for each that is named, or there, and cannot be read.
        passed_over: How many files of each suffix are no videos.
    """

    root: Path
    clips: tuple[ArchiveClip, ...]
    unread: tuple[str, ...]
    passed_over: Counter[str]


def list_clips(source: Path) -> ClipList:
    """List the recordings of a folder, all levels of it, or of a text file, one path a line.

    Hidden files and folders are left alone. Paths in a list are relative to the list's folder;
    empty lines and lines that begin with ``#`` say nothing.

    Raises:
        InputError: There is no such folder or list, or there is no recording in it.
    """
    root = source if source.is_dir() else source.parent
    unread: list[str] = []
    passed_over: Counter[str] = Counter()
    is_folder = source.is_dir()
    paths = _walk(root, unread, passed_over) if is_folder else _read_list(source, unread)
    found = {}
    for path in paths:
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
        try:
            name.encode()
            state = path.stat()
        except UnicodeEncodeError:
            unread.append(f"{os.fsencode(path)!r}: its name is not UTF-8; rename it")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            unread.append(f"{path}: cannot be read: {reason}")
        else:
            found[name] = ArchiveClip(name, str(path.resolve()), state.st_size, state.st_mtime_ns)
    if not found and not unread:
        raise no_recording(str(source), passed_over)
    clips = tuple(found[name] for name in sorted(found))
    return ClipList(root, clips, tuple(unread), passed_over)


def camera_of(name: str, root: Path) -> str:
    """Name the camera of a clip: the first folder above it whose name has a letter, below the root.

    A clip that lies in no such folder is of the camera that is named as the root is.
    """
    folders = [part for part in Path(name).parts[:-1] if _HAS_LETTER.search(part)]
    return as_id(folders[0] if folders else root.resolve().name)


def _walk(root: Path, unread: list[str], passed_over: Counter[str]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        unread.append(f"{error.filename}: cannot be read: {error.strerror}")

    for folder, folders, files in os.walk(root, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() not in VIDEO_SUFFIXES:
                passed_over[path.suffix.lower() or "no suffix"] += 1
            elif path.is_file() or path.is_symlink():  # a link to nothing is named later
                yield path


def _read_list(source: Path, unread: list[str]) -> Iterator[Path]:
    try:
        with source.open(encoding="utf-8-sig") as file:
            text = file.read(_MAX_LIST_BYTES)
    except OSError as error:
        raise InputError(
            f"{source}: cannot be read: {error.strerror}; give a folder of recordings, or a text "
            "file that names one a line"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: no list of recordings in UTF-8, one path a line; give that, or a folder"
        ) from error
    seen = set()
    for number, line in enumerate(text.split("\n"), 1):
        told = line.strip()
        if not told or told.startswith("#"):
            continue
        said = f"{source}:{number}: {told[:200]}"
        try:
            path = source.parent / Path(told).expanduser()
            is_no_file = path.exists() and not path.is_file()
        except (OSError, ValueError, RuntimeError):
            unread.append(f"{said}: is no name that a file may have")
            continue
        if path in seen:
            unread.append(f"{said} is named a second time, and read once")
        elif is_no_file:
            unread.append(f"{said} is no file; name files, or give a folder")
        else:
            yield path
        seen.add(path)


def no_recording(source: str, passed_over: Counter[str]) -> InputError:
    """Say that a source has no recording, and what it has instead."""
    others = "give a folder of video files"
    if passed_over:
        others = f"it has {describe(passed_over)}, which are no videos by their names"
    return InputError(f"{source}: no recording in it; {others}")


def describe(passed_over: Counter[str]) -> str:
    """Say how many files of which suffixes, the most frequent first."""
    return ", ".join(f"{n} x {suffix}" for suffix, n in passed_over.most_common(5))
