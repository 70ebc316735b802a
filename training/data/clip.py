"""A clip, the video that it was cut from, how its frames are sampled, and a data set of clips."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.video_file import VideoFile, read_file
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec, Image
from har_stream.recognition.preprocessing import prepare

LINK = "+"
"""Joins the names of linked groups: clips of `16+18` share footage."""
EVERY_CLASS = "*"
"""Stands for the class in the source of a clip whose group spans classes."""
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Capture time of every clip's first frame; windows depend on differences alone."""
ALL_HZ = 1000.0
"""A sampling rate that no video exceeds: every frame is taken."""

Features = NDArray[np.float32]


class UnreadableClipError(InputError):
    """The file of a clip is no video, or holds too little; the others can be used without it."""


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
class Clip(ABC):
    """One clip of a data set: see `VideoClip`, and `training.data.simulated.SimulatedClip`.

    Attributes:
        path: The file, or what names it.
        label: Its class.
        group: Name of the video it was cut from; `LINK` joins linked groups.
        spans: Whether its group is the same footage in every class, as one person's recordings are;
            otherwise groups of two classes have nothing in common but the name.
        ungrouped: Whether its name holds no group. It counts as a group of its own, though other
            clips may be of the same video.
    """

    path: Path
    label: str
    group: str
    spans: bool = False
    ungrouped: bool = False
    is_cached: ClassVar[bool] = True
    """Whether its frames are worth a place on disk."""

    @abstractmethod
    def frames(self, sampling: Sampling) -> Image:
        """Return the prepared frames, shape (n, height, width, 3), uint8.

        Raises:
            UnreadableClipError: There are none, or too few.
        """

    @property
    def name(self) -> str:
        """Class and file name: alike wherever the data set lies."""
        return f"{self.label}/{self.path.name}"

    @property
    def source(self) -> str:
        """The group with its class, if that matters: what must not lie on two sides of a split."""
        return f"{EVERY_CLASS if self.spans else self.label}/{self.group}"

    def is_of(self, groups: Iterable[str]) -> bool:
        """Tell whether it, or footage linked with it, belongs to one of these groups."""
        return not {canonical_group(group) for group in groups}.isdisjoint(self.group.split(LINK))


@dataclass(frozen=True, slots=True)
class VideoClip(Clip):
    """A video file."""

    def frames(self, sampling: Sampling) -> Image:
        """Decode, sample and prepare; the longest stretch where the file has a gap.

        Returns:
            Shape (n, height, width, 3), uint8.

        Raises:
            UnreadableClipError: The file is no video, or has fewer frames than an evenly spread
                window needs.
        """
        try:
            if sampling.how == "spread":
                return _spread_frames(self.path, sampling.spec)
            return _longest_stretch(self.path, sampling)
        except InputError as error:
            raise UnreadableClipError(str(error)) from error

    def length_s(self) -> float:
        """Length that the file states, in seconds; 0 where it states none."""
        try:
            video = VideoFile(self.path, SourceCounts())
        except InputError:
            return 0.0
        video.close()
        return video.stated_s


@dataclass(frozen=True, slots=True)
class Dataset:
    """Clips by purpose.

    Attributes:
        labels: Class names in the network's order.
        clips: Clips of these labels.
        others: Clips that are none of them; what they show is not to be recognised.
    """

    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    others: tuple[Clip, ...]


def canonical_group(group: str) -> str:
    """Write a group's name in one way: numbers without leading zeros."""
    return str(int(group)) if group.isdecimal() else group


def _longest_stretch(path: Path, sampling: Sampling) -> Image:
    rate = sampling.spec.sample_hz * sampling.ticks
    stretches: list[list[Image]] = []
    images = ImageOptions(sampling.spec.picture)
    for frame in read_file(path, sample_hz=rate, start_at=EPOCH, images=images):
        if frame.resets:
            stretches.append([])
        stretches[-1] += [prepare(frame.image, sampling.spec)] * frame.n_ticks
    return np.stack(max(stretches, key=len))


def _spread_frames(path: Path, spec: ClipSpec) -> Image:
    every = list(
        read_file(path, sample_hz=ALL_HZ, start_at=EPOCH, images=ImageOptions(spec.picture))
    )
    if len(every) < spec.n_frames:
        raise InputError(f"{path}: {len(every)} frames, fewer than the {spec.n_frames} of a window")
    step = len(every) // spec.n_frames
    return np.stack([prepare(frame.image, spec) for frame in every[::step][: spec.n_frames]])
