"""Prepared frames on disk: every clip is decoded once, through the code that streaming uses."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from har_stream.cameras.video_file import read_file
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec, Frame, Image
from har_stream.recognition.preprocessing import prepare
from training.data import cache_file
from training.data.cache_file import Footage, Seen
from training.data.clip import Clip
from training.data.simulated import SimulatedClip

logger = logging.getLogger(__name__)

Features = NDArray[np.float32]

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Capture time of every clip's first frame; windows depend on differences alone."""
PIXELS = 2
"""Raised whenever `har_stream.core.frame.prepare` gives other pixels, so that older frames are not
taken for its own."""
N_WORKERS = 2
"""Clips decoded at a time; OpenCV lets go of Python's lock."""
ALL_HZ = 1000.0
"""A sampling rate that no video exceeds: every frame is taken."""


def is_image(seen: Footage) -> bool:
    """Tell frames from features."""
    return seen.dtype == np.uint8


class Encode(Protocol):
    """Turns a clip's frames into features, which are cached in their place."""

    @property
    def identity(self) -> str:
        """All that the features depend on beside the frames."""

    def __call__(self, images: Image) -> Features:
        """Return a row of features for each frame, shape (n, n_features)."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How clips are cached.

    Attributes:
        spec: The network's input.
        how: `rolling`: frames at the rate of a camera's; `spread`: `spec.n_frames` frames evenly
            over the whole clip, as the study took them.
        ticks: Cached frames per sampled frame of `rolling`, so that windows can be jittered. Every
            `ticks`-th frame from the first is what streaming samples.
        encode: What a frozen encoder does with a clip's frames; none: they are cached themselves.
    """

    spec: ClipSpec
    how: Literal["rolling", "spread"] = "rolling"
    ticks: int = 1
    encode: Encode | None = None


@dataclass(frozen=True, slots=True)
class Cached:
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


def read_clips(clips: Sequence[Clip], sampling: Sampling, *, folder: Path) -> Cached:
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
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(N_WORKERS) as pool, _progress() as progress:
        task = progress.add_task("reading clips", total=len(clips))
        found = pool.map(lambda clip: _ensure(clip, sampling, folder), clips)
        for clip, made in zip(clips, found, strict=True):
            progress.advance(task)
            if isinstance(made, str):
                unreadable[clip] = made
                logger.warning("left out: %s", made)
            else:
                frames[clip] = _stored(clip, made, sampling) if isinstance(made, _Entry) else made
    if clips and not frames:
        first = next(iter(unreadable.values()))
        raise InputError(f"none of {len(clips)} clips can be read; the first: {first}")
    return Cached(frames, unreadable, _short(frames, sampling))


def _short(frames: dict[Clip, Footage], sampling: Sampling) -> tuple[Clip, ...]:
    if sampling.how == "spread":
        return ()
    n_needed = (sampling.spec.n_frames - 1) * sampling.ticks + 1
    short = tuple(clip for clip, images in frames.items() if len(images) < n_needed)
    if short:
        names = ", ".join(clip.path.name for clip in short[:5])
        logger.warning(
            "%d of %d clips are shorter than a window of %.1f s; their last frame repeats: %s%s",
            *(len(short), len(frames), sampling.spec.span_s, names, " ..." * (len(short) > 5)),
        )
    return short


class _Entry(NamedTuple):
    """A file of the cache; a new one need not be checked."""

    path: Path
    is_new: bool


def _ensure(clip: Clip, sampling: Sampling, folder: Path) -> _Entry | Seen | str:
    """Decode a clip unless the cache has it.

    Returns:
        Its entry, the frames themselves where no entry is needed, or why there are none.

    Raises:
        InputError: The cache cannot be written, whichever clip it is.
    """
    if isinstance(clip, SimulatedClip):  # rendered as fast as it would be read
        return _encoded(clip, sampling)
    try:
        path = folder / f"{_key(clip.path, sampling)}.npy"
        if path.exists():
            return _Entry(path, is_new=False)
        images = _encoded(clip, sampling)
    except InputError as error:
        return str(error)
    cache_file.store(path, images)
    return _Entry(path, is_new=True)


def _encoded(clip: Clip, sampling: Sampling) -> Seen:
    images = images_of(clip, sampling)
    return images if sampling.encode is None else sampling.encode(images)


def images_of(clip: Clip, sampling: Sampling) -> Image:
    """Read or render a clip's prepared frames past the cache; see `sample`."""
    if isinstance(clip, SimulatedClip):
        return clip.render(sampling.spec)
    return sample(clip.path, sampling)


def _stored(clip: Clip, entry: _Entry, sampling: Sampling) -> Footage:
    """Find a clip's frames; read it again where its entry is corrupt. Not for threads."""
    if not entry.is_new and not cache_file.is_whole(entry.path):
        logger.warning("%s: the cached frames are corrupt; reading the clip again", entry.path)
        cache_file.store(entry.path, _encoded(clip, sampling))
    return cache_file.find(entry.path)


def sample(path: Path, sampling: Sampling) -> Image:
    """Decode, sample and prepare one clip; the longest stretch where the file has a gap.

    Returns:
        Shape (n, height, width, 3), uint8.

    Raises:
        InputError: The file is no video, or has fewer frames than an evenly spread window needs.
    """
    if sampling.how == "spread":
        return _spread(path, sampling.spec)
    rate = sampling.spec.sample_hz * sampling.ticks
    stretches: list[list[Image]] = []
    for frame in read_file(path, sample_hz=rate, start_at=EPOCH):
        if frame.resets:
            stretches.append([])
        stretches[-1] += [prepare(frame.image, sampling.spec)] * frame.n_ticks
    return np.stack(max(stretches, key=len))


def length_s(path: Path) -> float:
    """Length that a video file states, in seconds; 0 where it states none."""
    video = cv2.VideoCapture(str(path))
    fps, n_frames = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
    video.release()
    return max(0.0, n_frames / fps) if fps > 0 else 0.0


def _spread(path: Path, spec: ClipSpec) -> Image:
    every = list(_every_frame(path))
    if len(every) < spec.n_frames:
        raise InputError(f"{path}: {len(every)} frames, fewer than the {spec.n_frames} of a window")
    step = len(every) // spec.n_frames
    return np.stack([prepare(frame.image, spec) for frame in every[::step][: spec.n_frames]])


def _every_frame(path: Path) -> Iterable[Frame]:
    return read_file(path, sample_hz=ALL_HZ, start_at=EPOCH)


def _key(path: Path, sampling: Sampling) -> str:
    """Name what the frames depend on: the file, its state, and all that shapes the pixels."""
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
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
