"""Unpacks archives of clips and lists into class folders; nothing lands outside its folder."""

import lzma
import shutil
import stat
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import rarfile

from har_stream.cameras.camera import VIDEO_SUFFIXES
from har_stream.core.errors import InputError

LISTS = "splits"
"""Folder of the official lists, beside the class folders."""
UNPACKERS = (
    ("unar", "-quiet", "-force-overwrite", "-no-directory", "-output-directory", "{to}", "{rar}"),
    ("bsdtar", "-x", "-f", "{rar}", "-C", "{to}"),
)
"""Programs that read compressed rar archives, all of an archive at once."""
MAX_FILES = 100_000
MAX_GROWTH, MAX_GROWTH_BYTES = 10, 100_000_000
"""An archive may unpack to so many times its size, and so much more: clips hardly shrink."""
MAX_NESTED = 2
"""Archives in archives: HMDB51's lie in another one."""
_DAMAGED = (
    *(zipfile.BadZipFile, rarfile.Error, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, ValueError, LookupError),
)
"""What reading an archive that is none, or damaged, encrypted or odd, may raise."""


def unpack(archive: Path, folder: Path, *, n_nested: int = MAX_NESTED) -> None:
    """Unpack a zip or rar archive, and the archives in it, each into a folder of its name.

    Args:
        archive: It may come from a stranger.
        folder: Where to; it must not be there yet.
        n_nested: How deep archives may lie in archives.

    Raises:
        InputError: It is damaged, holds a path that leads out of it, a link or a device, or far
            more than its size; or no program can unpack it.
    """
    try:
        folder.mkdir(parents=True)
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                _check(archive, [_zip_member(info) for info in opened.infolist()])
                opened.extractall(folder)
        else:
            _unpack_rar(archive, folder)
    except rarfile.RarCannotExec as error:
        raise InputError(
            f"{archive}: no program here unpacks rar archives: apt-get install unar"
        ) from error
    except _DAMAGED as error:
        why = " ".join(str(error).split())[:300]
        raise InputError(
            f"{archive}: a damaged archive ({why}); delete it and start again"
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    for inner in sorted(folder.rglob("*.rar")):
        if not n_nested:
            raise InputError(f"{archive}: more than {MAX_NESTED} archives lie in each other")
        unpack(inner, inner.with_suffix(""), n_nested=n_nested - 1)
        inner.unlink()


def arrange(unpacked: Path, folder: Path) -> None:
    """Move clips to `folder/CLASS/`, after the folder that they lay in, and lists to one folder."""
    for path in sorted(unpacked.rglob("*")):
        if path.name.startswith(".") or not path.is_file() or path.is_symlink():
            continue
        suffix = path.suffix.lower()
        if suffix in VIDEO_SUFFIXES or suffix == ".txt":
            place = folder / (LISTS if suffix == ".txt" else path.parent.name)
            place.mkdir(parents=True, exist_ok=True)
            shutil.move(path, place / path.name)


def _unpack_rar(archive: Path, folder: Path) -> None:
    with rarfile.RarFile(archive) as opened:
        members = opened.infolist()
        _check(archive, [_rar_member(info) for info in members])
        if all(member.is_dir() or member.compress_type == rarfile.RAR_M0 for member in members):
            opened.extractall(folder)
            return
    for program, *arguments in UNPACKERS:
        if shutil.which(program):
            filled = [argument.format(rar=archive, to=folder) for argument in arguments]
            run = subprocess.run([program, *filled], capture_output=True, text=True, check=False)  # noqa: S603
            if run.returncode:
                raise rarfile.Error(f"{program}: {(run.stderr or run.stdout).strip()[-200:]}")
            return
    raise rarfile.RarCannotExec


class _Member(NamedTuple):
    """What an archive says of one file in it."""

    name: str
    n_bytes: int
    is_plain: bool


def _zip_member(info: zipfile.ZipInfo) -> _Member:
    return _Member(info.filename, info.file_size, _is_plain(info.external_attr >> 16))


def _rar_member(info: rarfile.RarInfo) -> _Member:
    is_unix = info.host_os == rarfile.RAR_OS_UNIX
    is_plain = not (info.is_symlink() or info.file_redir)
    is_plain &= not is_unix or _is_plain(info.mode or 0)
    return _Member(info.filename, info.file_size or 0, is_plain)


def _is_plain(mode: int) -> bool:
    return stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)


def _check(archive: Path, members: list[_Member]) -> None:
    for member in members:
        path = PurePosixPath(member.name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{archive}: {member.name!r} leads out of the archive; nothing is unpacked"
            )
        if not member.is_plain:
            raise InputError(
                f"{archive}: {member.name!r} is a link or a device, which no archive of clips "
                "holds; nothing is unpacked"
            )
    n_bytes = sum(member.n_bytes for member in members)
    allowed = MAX_GROWTH_BYTES + MAX_GROWTH * archive.stat().st_size
    if len(members) > MAX_FILES or n_bytes > allowed:
        raise InputError(
            f"{archive}: holds {n_bytes / 1e9:.1f} GB in {len(members)} files, far more than its "
            "size; nothing is unpacked"
        )
