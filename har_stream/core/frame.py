"""A frame, and the clip of frames that a network takes in."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


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

    @property
    def n_channels(self) -> int:
        """Channels of a frame as the network takes it in."""
        return 5 if self.motion == "flow" else 3

    @property
    def span_s(self) -> float:
        """Stream time between a window's first and last frame, in seconds."""
        return (self.n_frames - 1) / self.sample_hz


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled image.

    Attributes:
        image: As captured, shape (height, width, 3), uint8, BGR.
        captured_at: Stream time, timezone-aware.
        n_ticks: Sampling instants that it answers: above 1 where the source is slower than the
            bundle's rate and its newest frame is repeated.
        resets: First frame after the start or after a gap: windows begin anew here.
    """

    image: Image
    captured_at: datetime
    n_ticks: int = 1
    resets: bool = False


def supersede(older: Frame, newer: Frame) -> Frame:
    """Let a newer frame answer for one that nobody took: its ticks too, so that time runs on."""
    if newer.resets:
        return newer
    if older.resets:
        return replace(newer, n_ticks=1, resets=True)
    return replace(newer, n_ticks=older.n_ticks + newer.n_ticks)
