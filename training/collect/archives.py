"""Unpacks archives of clips and lists into class folders; nothing lands outside its folder."""

import shutil
import subprocess
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import rarfile

from har_stream.core.errors import InputError
from training.data.folders import VIDEO_SUFFIXES

LISTS = "splits"
"""Folder of the official lists, beside the class folders."""
UNPACKERS = (
    ("unar", "-quiet", "-force-overwrite", "-no-directory", "-output-directory", "{to}", "{rar}"),
    ("bsdtar", "-x", "-f", "{rar}", "-C", "{to}"),
)
"""Programs that read compressed rar archives, all of an archive at once."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or rar archive, and the archives in it, each into a folder of its name.

    Raises:
        InputError: It is damaged, holds a path that leads out of it, or no program can unpack it.
    """
    folder.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                _check(archive, opened.namelist())
                opened.extractall(folder)
        else:
            _unpack_rar(archive, folder)
    except rarfile.RarCannotExec as error:
        raise InputError(
            f"{archive}: no program here unpacks rar archives: apt-get install unar"
        ) from error
    except (zipfile.BadZipFile, rarfile.Error, zlib.error, EOFError) as error:
        raise InputError(
            f"{archive}: a damaged archive ({error}); delete it and start again"
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    for inner in sorted(folder.rglob("*.rar")):
        unpack(inner, inner.with_suffix(""))
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
        _check(archive, [member.filename for member in members])
        if any(member.is_symlink() for member in members):
            raise InputError(f"{archive}: holds links, which no archive of clips does")
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


def _check(archive: Path, names: list[str]) -> None:
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{archive}: {name!r} leads out of the archive; nothing is unpacked")
