"""A camera's hours of real clips: back to back with cuts, and rooms where nothing moves."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.readers import Arrival, EndOfSource
from har_stream.cameras.video_file import read_file
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import News
from har_stream.core.frame import ClipSpec, Frame, Image
from har_stream.pipeline import Pipeline
from har_stream.recognition.recogniser import Recogniser
from training.data.clip import Clip

N_MEDIAN_FRAMES = 25
"""Frames of a clip, evenly spread, whose median is its room without what moves in it."""
NOISE = 2.5
"""Standard deviation of a sensor's noise, in grey levels of 255."""
N_NOISES = 16
"""Different images of noise; each frame takes one of them, shifted at random."""
CAMERA = CameraSettings(source="0", name="stream")
LIGHT, LIGHT_PERIOD_S = 0.15, 1200.0
"""A cloud passes: brightness swings by this share within this time."""


@dataclass(frozen=True, slots=True)
class StreamScene:
    """What a camera shows for a while.

    Attributes:
        clip: What is played; none where a room is empty.
        label: What is to be recognised; none where nothing is.
        began_at: Capture time of its first frame.
        ended_at: Where the next scene begins.
    """

    clip: Clip | None
    label: str | None
    began_at: datetime
    ended_at: datetime


def play_clip(clip: Clip, spec: ClipSpec, *, start_at: datetime) -> list[Frame]:
    """Sampled frames of a clip that follows something else: its first frame resets nothing.

    They carry the whole image too, of which `empty_room` is made.
    """
    images = ImageOptions(spec.picture, shows=True)
    frames = read_file(clip.path, sample_hz=spec.sample_hz, start_at=start_at, images=images)
    return [replace(frame, resets=False) for frame in frames]


def end_of_frames(frames: Iterable[Frame], *, sample_hz: float, start_at: datetime) -> datetime:
    """Where the sampling instant after the last frame lies."""
    return start_at + timedelta(seconds=sum(frame.n_ticks for frame in frames) / sample_hz)


def empty_room(frames: Sequence[Frame]) -> Image:
    """Take away what moves: the median over time of a clip, shape (height, width, 3)."""
    chosen = frames[:: math.ceil(len(frames) / N_MEDIAN_FRAMES)]
    whole = [frame.image if frame.shown is None else frame.shown for frame in chosen]
    median: Image = np.median(whole, axis=0).astype(np.uint8)
    return median


def still_scene(
    room: Image, *, duration_s: float, sample_hz: float, start_at: datetime, seed: int
) -> Iterator[Frame]:
    """A room in which nothing moves, through a real sensor: noise, and light that comes and goes.

    Args:
        room: Shape (height, width, 3), uint8.
        duration_s: How long.
        sample_hz: Frames per second.
        start_at: Capture time of the first.
        seed: Of the noise.
    """
    rng = np.random.default_rng(seed)
    noises = rng.normal(0, NOISE, (N_NOISES, *room.shape)).astype(np.float32)
    for n in range(round(duration_s * sample_hz)):
        seconds = n / sample_hz
        light = 1 + LIGHT * math.sin(2 * math.pi * seconds / LIGHT_PERIOD_S)
        shift = tuple(int(rng.integers(length)) for length in room.shape[:2])
        noise = np.roll(noises[rng.integers(N_NOISES)], shift, axis=(0, 1))
        image = np.clip(room * np.float32(light) + noise, 0, 255).astype(np.uint8)
        yield Frame(image, start_at + timedelta(seconds=seconds))


def watch(
    recogniser: Recogniser, frames: Iterable[Frame], camera: CameraSettings = CAMERA
) -> list[News]:
    """All that the pipeline says of one camera that shows these frames and then ends."""
    return list(Pipeline(recogniser, [camera]).run(_Playback(frames, camera.id)))


class _Playback:
    """One camera's frames, handed to the pipeline one by one."""

    def __init__(self, frames: Iterable[Frame], camera: str) -> None:
        self._frames = iter(frames)
        self._camera = camera
        self.ended = False

    def next_arrivals(self, timeout_s: float) -> list[Arrival]:
        frame = next(self._frames, None)
        self.ended = frame is None
        return [Arrival(self._camera, frame or EndOfSource(), time.monotonic())]
