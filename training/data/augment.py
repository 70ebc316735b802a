"""Variations of a training window: when it is cut, how fast it runs, how it is framed and lit."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.frame import Image
from training.config import AugmentConfig


def choose_times(
    n_cached: int, *, n_frames: int, augment: AugmentConfig, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the cached frames of one window: where it starts, and how fast it runs.

    Args:
        n_cached: Frames that the cache holds of the clip.
        n_frames: Frames of a window.
        augment: `ticks` apart at normal speed.
        rng: Source of chance.

    Returns:
        Indices, shape (n_frames,); the last frame repeats where the clip is too short.
    """
    widest = math.log(augment.speed)
    step = augment.ticks * math.exp(rng.uniform(-widest, widest))
    first = rng.uniform(0, max(0.0, n_cached - (n_frames - 1) * step))
    return np.minimum((first + step * np.arange(n_frames)).astype(np.int64), n_cached - 1)


def vary(window: Image, augment: AugmentConfig, rng: np.random.Generator) -> Image:
    """Frame and light a window anew, all its frames alike.

    Args:
        window: Shape (n_frames, height, width, 3), uint8; not changed.
        augment: How far.
        rng: Source of chance.
    """
    if rng.random() < augment.flip:
        window = window[:, :, ::-1]
    if augment.crop:
        window = _crop(window, augment.crop, rng)
    if augment.colour:
        pixels = np.ascontiguousarray(window).reshape(-1, 1, 3)
        window = cv2.LUT(pixels, _light(augment.colour, rng)).reshape(window.shape)  # type: ignore[assignment]
    if rng.random() < augment.grey:
        window = np.repeat(window.mean(-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    return window


def _crop(window: Image, most: float, rng: np.random.Generator) -> Image:
    """Cut a part with about the frame's aspect ratio out, and bring it back to size."""
    height, width = window.shape[1:3]
    kept = rng.uniform(1 - most, 1)
    rows = max(1, round(height * kept))
    columns = max(1, round(width * min(1, kept * rng.uniform(0.9, 1.1))))
    top = rng.integers(height - rows + 1)
    left = rng.integers(width - columns + 1)
    part = np.ascontiguousarray(window[:, top : top + rows, left : left + columns])
    return np.stack([cv2.resize(frame, (width, height)) for frame in part])


def _light(most: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Look-up table of other contrast, brightness and colour balance, shape (1, 256, 3)."""
    contrast = rng.uniform(1 - most, 1 + most)
    brightness = rng.uniform(-most, most) * 80
    balance = rng.uniform(1 - most / 2, 1 + most / 2, 3)
    levels = ((np.arange(256) - 110) * contrast + 110 + brightness)[:, None] * balance
    return np.clip(levels, 0, 255).astype(np.uint8)[None]
