"""A frame, and the clip of frames that a network takes in."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Seen = Literal["none", "crop", "keypoints"]

MOST_PX = 640
"""Each side of an image in which a person is looked for, at most."""

PIXELS = 3
"""Raised whenever a file's prepared frames get other pixels: a bundle tells the ones that it was
learned from, and frames that were kept for training are read anew."""


@dataclass(frozen=True, slots=True)
class PictureSize:
    """How large an image is wanted; a reader only ever shrinks.

    Attributes:
        width_px: Its width.
        height_px: Its height.
        fit: ``squash`` changes the aspect ratio; ``crop`` keeps it and cuts the centre; ``inside``
            keeps it, and the image is as large as fits.
    """

    width_px: int
    height_px: int
    fit: Literal["squash", "crop", "inside"] = "squash"


SampleRate = float | Callable[[], float]
"""Sampled frames a second; what tells them, where another bundle may come while frames do."""
WantedPicture = PictureSize | Callable[[], PictureSize | None] | None
"""The size of images, none: as captured; or, likewise, what tells it."""


def rate_of(sample_hz: SampleRate) -> float:
    """Return the rate as it is now."""
    return sample_hz() if callable(sample_hz) else sample_hz


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """What a network takes in; it travels in the bundle, and the bundle's wins at run time.

    Attributes:
        n_frames: Frames of one window.
        height_px: Height of a prepared frame.
        width_px: Width of a prepared frame.
        sample_hz: Sampled frames per second of stream time.
        colour: Channel order that the network was trained on.
        scale: Factor from uint8 to the network's input range, 1/255 for 0..1.
        offset: Added after scaling, -1 for an input range of -1..1 with scale 1/127.5.
        fit: ``squash`` changes the aspect ratio; ``crop`` keeps it and cuts the centre.
        motion: ``flow`` adds two channels: how far each pixel has moved since the last frame.
        person: ``keypoints``: the network takes in where a person's joints are, and height and
            width are those of the squares that these are found in; ``crop``: the square around the
            person; ``none``: all of the image.
    """

    n_frames: int
    height_px: int
    width_px: int
    sample_hz: float
    colour: Literal["bgr", "rgb"] = "bgr"
    scale: float = 1 / 255
    offset: float = 0.0
    fit: Literal["squash", "crop"] = "squash"
    motion: Literal["none", "flow"] = "none"
    person: Seen = "none"

    @property
    def n_channels(self) -> int:
        """Channels of a frame as the network takes it in."""
        return 5 if self.motion == "flow" else 3

    @property
    def picture(self) -> PictureSize:
        """What a reader should deliver of each image: as many pixels as the network takes in.

        Where a person is looked for: the whole of it, for the person may be small.
        """
        if self.person != "none":
            return PictureSize(MOST_PX, MOST_PX, "inside")
        return PictureSize(self.width_px, self.height_px, self.fit)

    @property
    def span_s(self) -> float:
        """Stream time between a window's first and last frame, in seconds."""
        return (self.n_frames - 1) / self.sample_hz

    @property
    def evidence_s(self) -> float:
        """How much of a window a decision is about: of a person's postures the newest second."""
        return min(self.span_s, 1.0) if self.person == "keypoints" else self.span_s


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled image.

    Attributes:
        image: As captured, or the smaller picture that was asked for, shape (height, width, 3),
            uint8, BGR.
        captured_at: Stream time, timezone-aware.
        n_ticks: Sampling instants that it answers: above 1 where the source is slower than the
            bundle's rate and its newest frame is repeated.
        resets: First frame after the start or after a gap: windows begin anew here.
        shown: The whole image, where people look at it and `image` is smaller.
        fingerprint: Of a live image as it arrived: a camera that repeats it is frozen.
    """

    image: Image
    captured_at: datetime
    n_ticks: int = 1
    resets: bool = False
    shown: Image | None = None
    fingerprint: int | None = None


def supersede(older: Frame, newer: Frame) -> Frame:
    """Let a newer frame answer for one that nobody took: its ticks too, so that time runs on."""
    if newer.resets:
        return newer
    if older.resets:
        return replace(newer, n_ticks=1, resets=True)
    return replace(newer, n_ticks=older.n_ticks + newer.n_ticks)
