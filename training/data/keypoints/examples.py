"""Batches for the key-point network: squares around people, turned any way, and maps of joints."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.frame import Image
from training.data.keypoints.turned_square import Points, TurnedSquare

SURE = 0.3
"""Score from which a teacher's point is believed; below it nothing is learned of that point."""
STRIDE = 8
"""Pixels of a square to one cell of a map."""
SPREAD = 0.9
"""Standard deviation of a joint in its map, cells."""
IGNORED = -1.0
"""What a map holds of a joint of which nothing is known."""
Maps = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class KnownFrame:
    """A frame and who is in it.

    Attributes:
        image: RGB.
        points: Of the one person who is looked for; none: nobody is there.
    """

    image: Image
    points: Points | None = None


def draw(
    rng: np.random.Generator, examples: Sequence[KnownFrame], size_px: int
) -> tuple[Image, Maps]:
    """Draw one example, cut it out somehow, and say where its joints are."""
    example = examples[int(rng.integers(len(examples)))]
    square = _around_nobody(rng, example.image)
    if example.points is not None:
        square = _around_person(rng, example.points)
    image = vary(rng, square.cut(example.image, size_px))
    if example.points is None:
        return image, np.zeros((size_px // STRIDE, size_px // STRIDE, 17), np.float32)
    return image, draw_maps(square.inside(example.points), size_px // STRIDE)


def draw_maps(points: Points, n_cells: int) -> Maps:
    """Draw where joints are, (17, 3) as shares of a square, in a map of n x n cells for each."""
    centres = np.arange(n_cells) + 0.5
    apart = centres[:, None] - points[:, :2].T.ravel() * n_cells
    across, down = np.split(np.exp(-(apart**2) / (2 * SPREAD**2)), 2, axis=1)
    maps: Maps = (down[:, None] * across[None]).astype(np.float32)
    maps[..., points[:, 2] < SURE] = IGNORED
    return maps


def vary(rng: np.random.Generator, image: Image) -> Image:
    """Change light, colour, sharpness and noise, and hide a part."""
    size, varied = len(image), image.astype(np.float32)
    if rng.random() < 0.25:  # as from a camera far away
        small = int(size * rng.uniform(0.35, 0.8))
        far = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        varied = cv2.resize(far, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    if rng.random() < 0.15:
        varied[:] = varied.mean(axis=2, keepdims=True)
    level = math.exp(rng.uniform(-1.6, 0.4) if rng.random() < 0.25 else rng.normal(0, 0.2))
    middle = varied.mean()
    varied = (varied - middle) * rng.uniform(0.6, 1.3) + middle
    varied *= level * rng.uniform(0.9, 1.1, 3)
    varied += rng.normal(0, rng.uniform(0, 8), (size, size, 1))
    if rng.random() < 0.15:
        left, top = rng.integers(0, size, 2)
        right, bottom = np.array([left, top]) + (rng.uniform(0.1, 0.35, 2) * size).astype(int)
        varied[top:bottom, left:right] = rng.uniform(0, 255, 3)
    seen: Image = np.clip(varied, 0, 255).astype(np.uint8)
    return seen


def _around_person(rng: np.random.Generator, points: Points) -> TurnedSquare:
    sure = points[points[:, 2] >= SURE, :2]
    low, high = sure.min(axis=0), sure.max(axis=0)
    extent = max(float((high - low).max()) * 1.15, 12.0)
    side = extent / rng.uniform(0.3, 1.0)
    x, y = (low + high) / 2 + rng.uniform(-0.5, 0.5, 2) * (side - 0.85 * extent)
    return TurnedSquare(x, y, side, _angle(rng), mirrored=bool(rng.random() < 0.5))


def _around_nobody(rng: np.random.Generator, image: Image) -> TurnedSquare:
    height, width = image.shape[:2]
    side = max(height, width) * rng.uniform(0.3, 1.05)
    x, y = rng.uniform(0.2, 0.8, 2) * (width, height)
    return TurnedSquare(x, y, side, _angle(rng), mirrored=bool(rng.random() < 0.5))


def _angle(rng: np.random.Generator) -> float:
    """Any angle, or nearly none: one who stands in a turned square lies in it."""
    if rng.random() < 0.5:
        return float(rng.normal(0, 0.2))
    return float(rng.uniform(-math.pi, math.pi))
