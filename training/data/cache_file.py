"""One entry of the frame cache: an array and its checksum, mapped only while it is indexed."""

import os
import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from har_stream.core.atomic_file import explain_errors, replacing_file

FootageArray = NDArray[Any]
"""Frames, uint8, or features, float32."""

CHECKSUM_BYTES = 4
"""At the end of an entry, behind its frames."""


class Footage(Protocol):
    """What is cached of a clip: an array in memory, or `StoredFootage`; indexed alike."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its frames, uint8, or features, float32."""

    def __len__(self) -> int:
        """Frames."""

    def __getitem__(self, which: Any, /) -> FootageArray:
        """Take some of the frames, as NumPy does."""


@dataclass(frozen=True, slots=True)
class StoredFootage:
    """The array of an entry, on disk.

    A map that stays keeps a file descriptor, and a data set has more clips than a process may have
    descriptors. So every look opens the file anew, which takes a tenth of a millisecond.

    Attributes:
        path: The entry.
        dtype: Of its frames, uint8, or features, float32.
        shape: (n, height, width, 3) of frames, (n, n_features) of features.
        offset: Where they begin in the file, in bytes.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    def __len__(self) -> int:
        """Frames."""
        return self.shape[0]

    def __getitem__(self, which: Any, /) -> FootageArray:
        """Take some of the frames, as NumPy does; a slice stays mapped, a list is copied.

        Raises:
            InputError: The entry has gone, or cannot be opened.
        """
        with _opening(self.path):
            mapped: FootageArray = np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        seen: FootageArray = mapped[which]
        return seen


def find_entry(path: Path) -> StoredFootage:
    """Read where in an entry its frames lie.

    Not for threads: NumPy's reader of headers is not safe there under Python 3.11.

    Raises:
        InputError: It cannot be opened.
    """
    with _opening(path):
        mapped = np.load(path, mmap_mode="r")
    return StoredFootage(path, mapped.dtype, mapped.shape, mapped.offset)


def is_whole(path: Path) -> bool:
    """Tell whether an entry holds what was stored, by the checksum at its end.

    Raises:
        InputError: It cannot be opened, which says nothing of what it holds.
    """
    try:
        with _opening(path), path.open("rb") as file:
            images: FootageArray = np.load(path, mmap_mode="r")
            file.seek(-CHECKSUM_BYTES, os.SEEK_END)
            return file.read() == _checksum(images)
    except (ValueError, EOFError):
        return False


def store_entry(path: Path, images: FootageArray) -> None:
    """Write an entry whole or not at all; what a power cut tears, its checksum tells.

    Raises:
        InputError: It cannot be written.
    """
    with (
        writing_to(path.parent),
        replacing_file(path, outlasts_power_cut=False) as partial,
        partial.open("wb") as file,
    ):
        np.save(file, images)
        file.write(_checksum(images))


def writing_to(folder: Path) -> AbstractContextManager[None]:
    """Say what to do where the cache cannot be written.

    Raises:
        InputError: In place of any `OSError` of the block.
    """
    remedy = "free some space, or point --cache elsewhere"
    return explain_errors(folder, "the frame cache cannot be written", remedy=remedy)


def _opening(path: Path) -> AbstractContextManager[None]:
    remedy = "start again, or point --cache elsewhere"
    return explain_errors(path, "the cached frames cannot be read", remedy=remedy)


def _checksum(images: FootageArray) -> bytes:
    return zlib.crc32(images.data).to_bytes(CHECKSUM_BYTES, "little")
