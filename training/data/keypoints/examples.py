"""Examples for the key-point network: squares around people and beside them, turned any way."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from har_stream.core.frame import Image
from har_stream.recognition.person.crops import brighten
from training.data.keypoints.turned_square import Points, TurnedSquare

SURE = 0.3
"""Score from which a teacher's point is believed; below it nothing is learned of that point."""
N_TRIES = 20
"""Squares that are drawn beside people until one touches nobody."""
BESIDE = 0.35
"""Of a person's extent is kept away from: hair, hands and feet are no key points."""
AWAY = -9.0
"""Where a joint is put, in squares, that is certainly in none."""


@dataclass(frozen=True, slots=True)
class KnownFrame:
    """A frame and who is in it.

    Attributes:
        image: RGB.
        points: Of the one person who is looked for; none: nobody is there. Where no point is
            sure, somebody is in the frame, and where is not known.
    """

    image: Image
    points: Points | None = None


@dataclass(frozen=True, slots=True)
class KnownSquare:
    """What a network takes in and what it is to say.

    Attributes:
        square: RGB, shape (size, size, 3), uint8.
        points: x and y as shares of it, and how sure they are; shape (17, 3).
        somebody: Whether anybody is in it.
    """

    square: Image
    points: Points
    somebody: bool


def draw(rng: np.random.Generator, examples: Sequence[KnownFrame], size_px: int) -> KnownSquare:
    """Draw one frame, cut it out somehow, and say where its joints are."""
    example = examples[int(rng.integers(len(examples)))]
    if example.points is None:
        square = _somewhere(rng, example.image)
    elif not (example.points[:, 2] >= SURE).any():
        square = _everything(rng, example.image)
    else:
        square = _around_person(rng, example.points)
    image = vary(rng, square.cut(example.image, size_px))
    if example.points is None:
        return KnownSquare(image, nobody(), False)
    return KnownSquare(image, square.inside(example.points), True)


def draw_beside(
    rng: np.random.Generator, examples: Sequence[KnownFrame], size_px: int
) -> KnownSquare | None:
    """Draw a frame with one person, and cut out a part that does not touch them.

    Returns:
        None where people fill their frames.
    """
    for _ in range(N_TRIES):
        example = examples[int(rng.integers(len(examples)))]
        assert example.points is not None  # noqa: S101 - one person is there
        square = _somewhere(rng, example.image, least=0.25, most=0.7)
        if not _touches(square, example.points):
            image = vary(rng, square.cut(example.image, size_px))
            return KnownSquare(image, nobody(), False)
    return None


def nobody() -> Points:
    """Return the points of nobody: none of them is in the square, for certain."""
    points = np.full((17, 3), AWAY, np.float32)
    points[:, 2] = 1.0
    return points


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
    if rng.random() < 0.15:
        seen = _at_night(rng, seen)
    if rng.random() < 0.15:
        seen = _compressed(rng, seen)
    return seen


def _at_night(rng: np.random.Generator, image: Image) -> Image:
    """Show it as a camera sees it in the dark, and mostly brightened again, as a tracker does."""
    level, noise = math.exp(rng.uniform(-3.2, -0.8)), rng.uniform(0.3, 3.0)
    dark = image.astype(np.float32) * level + rng.normal(0, noise, image.shape)
    seen: Image = np.clip(dark, 0, 255).astype(np.uint8)
    return brighten(seen) if rng.random() < 0.6 else seen


def _compressed(rng: np.random.Generator, image: Image) -> Image:
    options = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 60))]
    _, encoded = cv2.imencode(".jpg", image, options)
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    return image if decoded is None else decoded.astype(np.uint8, copy=False)


def _around_person(rng: np.random.Generator, points: Points) -> TurnedSquare:
    sure = points[points[:, 2] >= SURE, :2]
    low, high = sure.min(axis=0), sure.max(axis=0)
    extent = max(float((high - low).max()) * 1.15, 12.0)
    side = extent / rng.uniform(0.3, 1.0)
    x, y = (low + high) / 2 + rng.uniform(-0.5, 0.5, 2) * (side - 0.85 * extent)
    return TurnedSquare(x, y, side, _angle(rng), mirrored=bool(rng.random() < 0.5))


def _somewhere(
    rng: np.random.Generator, image: Image, *, least: float = 0.3, most: float = 1.05
) -> TurnedSquare:
    height, width = image.shape[:2]
    side = max(height, width) * rng.uniform(least, most)
    x, y = rng.uniform(0.1, 0.9, 2) * (width, height)
    return TurnedSquare(x, y, side, _angle(rng), mirrored=bool(rng.random() < 0.5))


def _everything(rng: np.random.Generator, image: Image) -> TurnedSquare:
    height, width = image.shape[:2]
    side = max(height, width) * rng.uniform(1.0, 1.1)
    return TurnedSquare(width / 2, height / 2, side, _angle(rng), mirrored=bool(rng.random() < 0.5))


def _touches(square: TurnedSquare, points: Points) -> bool:
    """Whether a square may show a part of a person; a turned one by the circle around it."""
    known = points[points[:, 2] >= SURE / 2, :2]
    low, high = known.min(axis=0), known.max(axis=0)
    reach = square.side * (0.5 if abs(math.sin(2 * square.angle)) < 0.1 else math.sqrt(0.5))
    slack = BESIDE * float((high - low).max()) + reach
    return bool(low[0] - slack < square.x < high[0] + slack) and bool(
        low[1] - slack < square.y < high[1] + slack
    )


def _angle(rng: np.random.Generator) -> float:
    """Any angle, or nearly none: one who stands in a turned square lies in it."""
    if rng.random() < 0.5:
        return float(rng.normal(0, 0.2))
    return float(rng.uniform(-math.pi, math.pi))
