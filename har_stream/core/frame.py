"""Frames, their sampling and their preprocessing: the only code in the project that does either.

Streaming and training both come through here, so a recogniser is served exactly the pixels and the
speed of motion that it was trained on.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

TICK_TOLERANCE = timedelta(microseconds=500)
"""A frame this much before a tick answers it: capture times are rounded, 1/30 s is not."""

FLOW_PX = 20.0
"""Movement from one frame to the next that is as fast as a network is told, in pixels."""


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


@dataclass(frozen=True, slots=True)
class Take:
    """The sampler's answer for one captured frame; ``n_ticks`` 0 means: not needed."""

    n_ticks: int
    resets: bool


NOT_NEEDED = Take(n_ticks=0, resets=False)


class Sampler:
    """Chooses frames by capture time, at ``sample_hz`` whatever the source's own rate.

    The sample for tick k is the first frame with ``captured_at >= t0 + k / sample_hz``. A gap (or a
    clock set back) starts anew at the frame after it.
    """

    def __init__(self, sample_hz: float) -> None:
        self._sample_hz = sample_hz
        self._gap = timedelta(seconds=2 / sample_hz + 0.5)
        self._t0: datetime | None = None
        self._last: datetime | None = None
        self._tick = 0
        self._idle_until: datetime | None = None

    def take(self, captured_at: datetime) -> Take:
        """Say whether the frame captured at this time is needed, and for how many ticks."""
        last, self._last = self._last, captured_at
        flows = last is not None and timedelta(0) <= captured_at - last <= self._gap
        if flows and self._idle_until is not None and captured_at < self._idle_until:
            return NOT_NEEDED
        if self._t0 is None or not flows:
            self._t0, self._tick = captured_at, 0
        elapsed = captured_at - self._t0 + TICK_TOLERANCE
        due = int(elapsed.total_seconds() * self._sample_hz) + 1
        n_ticks, self._tick = due - self._tick, due
        # Most frames of a file lie between two ticks, and reading must cost little beside decoding.
        self._idle_until = self._t0 + timedelta(seconds=due / self._sample_hz) - 2 * TICK_TOLERANCE
        return Take(n_ticks, not flows)


def supersede(older: Frame, newer: Frame) -> Frame:
    """Let a newer frame answer for one that nobody took: its ticks too, so that time runs on."""
    if newer.resets:
        return newer
    if older.resets:
        return replace(newer, n_ticks=1, resets=True)
    return replace(newer, n_ticks=older.n_ticks + newer.n_ticks)


def prepare(image: Image, spec: ClipSpec) -> Image:
    """Bring one BGR image to the network's size and channel order, still uint8.

    Shrinks by exact halves first and by area last: free of aliases, and six times cheaper than one
    area resize from 720p.

    Returns:
        Shape (spec.height_px, spec.width_px, 3), uint8.
    """
    if spec.fit == "crop":
        image = _centre_crop(image, spec.width_px / spec.height_px)
    while image.shape[0] >= 2 * spec.height_px and image.shape[1] >= 2 * spec.width_px:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    grows = image.shape[0] < spec.height_px or image.shape[1] < spec.width_px
    how = cv2.INTER_LINEAR if grows else cv2.INTER_AREA
    image = cv2.resize(image, (spec.width_px, spec.height_px), interpolation=how)  # type: ignore[assignment]
    return image if spec.colour == "bgr" else np.ascontiguousarray(image[..., ::-1])


def normalise(prepared: Image, spec: ClipSpec) -> NDArray[np.float32]:
    """Scale prepared uint8 frames of any leading shape to the network's input range, float32.

    With flow, the axis before height is time, and the first frame has none, which is 0.

    Returns:
        Shape (..., height, width, spec.n_channels).
    """
    scaled = prepared.astype(np.float32) * np.float32(spec.scale)
    if spec.offset:
        scaled += np.float32(spec.offset)
    if spec.motion == "flow":
        scaled = np.concatenate([scaled, _flow(prepared)], axis=-1)
    return scaled


def _flow(prepared: Image) -> NDArray[np.float32]:
    """Dense optical flow between successive frames, by inverse search (Kroeger 2016), cut to -1..1.

    It follows motion of 12 pixels a frame, where Farneback's finds none.

    Returns:
        To the right and down, in `FLOW_PX`; shape (..., n_frames, height, width, 2).
    """
    clips = prepared.reshape(-1, *prepared.shape[-4:])
    flow = np.zeros((*clips.shape[:-1], 2), np.float32)
    inverse_search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for clip, found in zip(clips, flow, strict=True):
        grey = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in clip]
        for n in range(1, len(grey)):
            inverse_search.calc(grey[n - 1], grey[n], found[n])
    np.clip(flow / np.float32(FLOW_PX), -1, 1, out=flow)
    return flow.reshape(*prepared.shape[:-1], 2)


def windows(
    frames: Iterable[Frame], spec: ClipSpec, *, hop_frames: int
) -> Iterator[tuple[Frame, Image]]:
    """Roll a window of prepared frames over sampled frames.

    A stream that ends before its first window is full repeats its last frame, as the pipeline does.

    Yields:
        The window's last frame, and the window, shape (n_frames, height, width, 3), uint8.
    """
    ring: deque[Image] = deque(maxlen=spec.n_frames)
    n_seen, last, yielded = 0, None, False
    for frame in frames:
        last = frame
        if frame.resets:
            ring.clear()
            n_seen = 0
        prepared = prepare(frame.image, spec)
        for _ in range(frame.n_ticks):
            ring.append(prepared)
            n_seen += 1
            if n_seen >= spec.n_frames and (n_seen - spec.n_frames) % hop_frames == 0:
                yielded = True
                yield frame, np.stack(ring)
    if last is not None and not yielded and ring:
        ring.extend([ring[-1]] * (spec.n_frames - len(ring)))
        yield last, np.stack(ring)


def _centre_crop(image: Image, aspect: float) -> Image:
    height, width = image.shape[:2]
    if width > height * aspect:
        kept = max(1, round(height * aspect))
        left = (width - kept) // 2
        return image[:, left : left + kept]
    kept = max(1, round(width / aspect))
    top = (height - kept) // 2
    return image[top : top + kept]
