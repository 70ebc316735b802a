"""A data set from its archives to class folders: whole and counted, or not at all."""

import shutil
import tempfile
from pathlib import Path

from har_stream.core.errors import InputError
from training.collect.archives import arrange, unpack
from training.collect.download_files import Showing, download_files, write_record
from training.collect.download_sources import DatasetSource
from training.data.folders import count_clips


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
        fetched = download_files(source.archives, waiting, showing=showing)
        with tempfile.TemporaryDirectory(dir=waiting) as temporary:
            unpacked, made = Path(temporary) / "unpacked", Path(temporary) / "made"
            for remote in source.archives:
                unpack(waiting / remote.name, unpacked / Path(remote.name).stem)
            arrange(unpacked, made)
            _count(source, made)
            write_record(made, fetched)
            made.rename(folder)
        shutil.rmtree(waiting)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error


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
