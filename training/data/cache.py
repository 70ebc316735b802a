"""Prepared frames on disk: every clip is decoded once, through the code that streaming uses."""

import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from har_stream.core.errors import InputError
from har_stream.core.frame import PIXELS
from training.data import cache_file
from training.data.cache_file import Footage, FootageArray
from training.data.clip import Clip, Sampling, UnreadableClipError

logger = logging.getLogger(__name__)

N_WORKERS = 2
"""Clips decoded at a time; FFmpeg lets go of Python's lock."""


def is_image(seen: Footage) -> bool:
    """Tell frames from features."""
    return seen.dtype == np.uint8


@dataclass(frozen=True, slots=True)
class CachedClips:
    """What the cache holds of a data set.

    Attributes:
        frames: Per usable clip its frames, shape (n, height, width, 3), uint8, on disk; or what a
            frozen encoder says of them, shape (n, n_features), float32.
        unreadable: Clips that could not be read, each with the reason.
        short: Clips with less footage than a window spans; their last frame is repeated.
    """

    frames: dict[Clip, Footage]
    unreadable: dict[Clip, str]
    short: tuple[Clip, ...]


def read_clips(clips: Sequence[Clip], sampling: Sampling, *, folder: Path) -> CachedClips:
    """Return the prepared frames of clips, from the cache where it has them.

    Args:
        clips: What to read.
        sampling: How.
        folder: Where the cache lies; made if need be.

    Raises:
        InputError: No clip can be read, or the cache cannot be written.
    """
    with cache_file.writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
    frames: dict[Clip, Footage] = {}
    unreadable: dict[Clip, str] = {}
    cv2.setNumThreads(1)  # the workers keep the cores busy; more threads each only get in the way
    with ThreadPoolExecutor(N_WORKERS) as pool, _progress() as progress:
        task = progress.add_task("reading clips", total=len(clips))
        # 1. The workers decode what the cache lacks.
        futures = [pool.submit(_ensure_cached, clip, sampling, folder) for clip in clips]
        try:
            # 2. In the order of the clips, each is opened here, for that is not safe in threads.
            for clip, future in zip(clips, futures, strict=True):
                progress.advance(task)
                try:
                    made = future.result()
                    frames[clip] = (
                        _open_entry(clip, made, sampling) if isinstance(made, _Entry) else made
                    )
                except UnreadableClipError as error:
                    unreadable[clip] = str(error)
                    logger.warning("left out: %s", error)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # a full disk, or Ctrl-C, ends it
    if clips and not frames:
        first = next(iter(unreadable.values()))
        raise InputError(f"none of {len(clips)} clips can be read; the first: {first}")
    return CachedClips(frames, unreadable, _short(frames, sampling))


def _short(frames: dict[Clip, Footage], sampling: Sampling) -> tuple[Clip, ...]:
    if sampling.how == "spread":
        return ()
    n_needed = (sampling.spec.n_frames - 1) * sampling.ticks + 1
    short = tuple(clip for clip, images in frames.items() if len(images) < n_needed)
    if short:
        names = ", ".join(clip.path.name for clip in short[:5])
        logger.warning(
            "%d of %d clips are shorter than a window of %.1f s; their last frame repeats: %s",
            len(short),
            len(frames),
            sampling.spec.span_s,
            names + " ..." * (len(short) > 5),
        )
    return short


class _Entry(NamedTuple):
    """A file of the cache; a new one need not be checked."""

    path: Path
    is_new: bool


def _ensure_cached(clip: Clip, sampling: Sampling, folder: Path) -> _Entry | FootageArray:
    """Decode a clip unless the cache has it; runs in a thread.

    Returns:
        Its entry, or the frames themselves where no entry is needed.

    Raises:
        UnreadableClipError: It has no frames.
        InputError: The cache cannot be written, whichever clip it is.
    """
    if not clip.is_cached:
        return _encoded(clip, sampling)
    path = folder / f"{_key(clip.path, sampling)}.npy"
    if path.exists():
        return _Entry(path, is_new=False)
    cache_file.store_entry(path, _encoded(clip, sampling))
    return _Entry(path, is_new=True)


def _encoded(clip: Clip, sampling: Sampling) -> FootageArray:
    images = clip.frames(sampling)
    return images if sampling.encode is None else sampling.encode(images)


def _open_entry(clip: Clip, entry: _Entry, sampling: Sampling) -> Footage:
    """Find a clip's frames; read it again where its entry is corrupt. Not for threads."""
    if not entry.is_new and not cache_file.is_whole(entry.path):
        logger.warning("%s: the cached frames are corrupt; reading the clip again", entry.path)
        cache_file.store_entry(entry.path, _encoded(clip, sampling))
    return cache_file.find_entry(entry.path)


def _key(path: Path, sampling: Sampling) -> str:
    """Name what the frames depend on: the file, its state, and all that shapes the pixels."""
    try:
        state = path.stat()
    except OSError as error:
        raise UnreadableClipError(f"{path}: cannot be read: {error.strerror}") from error
    spec = sampling.spec
    shape = (spec.height_px, spec.width_px, spec.colour, spec.fit, sampling.how)
    rate = spec.n_frames if sampling.how == "spread" else spec.sample_hz * sampling.ticks
    encoded = () if sampling.encode is None else (sampling.encode.identity,)
    file = (str(path.resolve()), state.st_size, state.st_mtime_ns)
    identity = (PIXELS, *file, *shape, rate, *encoded)
    return hashlib.sha256(repr(identity).encode()).hexdigest()[:32]


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )
