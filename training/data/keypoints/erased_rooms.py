"""Rooms without their people: what every clip shows where its person is not.

Footage of empty rooms is rare, and a network sees people in furniture. The median of the frames in
which the person is elsewhere is the empty room; what the person covers all the time is filled with
what stands beside it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.frame import Image
from har_stream.recognition.person.key_points import KeyPoints

N_FRAMES = 25
"""Frames that the median is taken of."""
N_PICTURES = 12
"""Pictures that are taken of an empty room."""
SEEN = 0.15
"""Score of a key point from which the person is there."""
AROUND, AROUND_PX = 0.3, 8
"""Margin around key points, of the longer side and in pixels: clothes, hair, shadows."""
STEP_PX = 8
DARKENED = 0.4
"""Share of rooms that are shown darker than they are ..."""
BRIGHTNESS = (0.15, 0.5)
"""... by such a factor."""
NOISE = (0.5, 3.0)
"""Of the camera, in grey levels."""


def erase(images: Sequence[Image], found: Sequence[KeyPoints]) -> NDArray[np.float32]:
    """Return the room without its person, shape (height, width, 3), in grey levels.

    Args:
        images: Frames of one fixed camera, all of one shape.
        found: Where the person is in each.
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, N_FRAMES).astype(int))
    stack = np.stack([images[n] for n in chosen]).astype(np.float32)
    for frame, n in zip(stack, chosen, strict=True):
        frame[_covered(found[n], frame.shape[:2])] = np.nan
    never = np.asarray(np.isnan(stack[..., 0]).all(0))
    stack[:, never] = 0.0
    room: NDArray[np.float32] = np.nanmedian(stack, axis=0)
    return _fill(room, never) if never.any() else room


def shoot(room: NDArray[np.float32], rng: np.random.Generator) -> Iterator[Image]:
    """Take pictures of a room: with a camera's noise, and perhaps in the dark."""
    light = rng.uniform(*BRIGHTNESS) if rng.random() < DARKENED else 1.0
    yield from _with_noise((room for _ in range(N_PICTURES)), light, rng)


def darken(images: Iterable[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Show what a camera would have seen of the same in the dark."""
    yield from _with_noise(images, rng.uniform(*BRIGHTNESS), rng)


def _with_noise(
    images: Iterable[NDArray[Any]], light: float, rng: np.random.Generator
) -> Iterator[Image]:
    sigma = rng.uniform(*NOISE)
    for image in images:
        noise = rng.normal(0.0, sigma, image.shape)
        yield np.clip(image * light + noise, 0, 255).astype(np.uint8)


def _covered(person: KeyPoints, shape: tuple[int, ...]) -> tuple[slice, slice]:
    height, width = shape
    counts = person.points[:, 2] > SEEN
    if not counts.any():
        return slice(0), slice(0)
    x, y = person.points[counts, 0] * width, person.points[counts, 1] * height
    margin = AROUND * max(np.ptp(x), np.ptp(y)) + AROUND_PX
    return (
        slice(max(0, int(y.min() - margin)), max(0, int(y.max() + margin))),
        slice(max(0, int(x.min() - margin)), max(0, int(x.max() + margin))),
    )


def _fill(room: NDArray[np.float32], never: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill what was never seen with the nearest part of the room beside it that was."""
    y, x = np.nonzero(never)
    rows, left, right = slice(y.min(), y.max() + 1), x.min(), x.max() + 1
    width = room.shape[1]
    for shift in sorted(range(-width, width, STEP_PX), key=abs):
        beside = slice(left + shift, right + shift)
        if left + shift >= 0 and right + shift <= width and not never[rows, beside].any():
            hole = never[rows, left:right]
            room[rows, left:right][hole] = room[rows, beside][hole]
            return room
    filled = cv2.inpaint(room.astype(np.uint8), never.astype(np.uint8), 5, cv2.INPAINT_TELEA)
    return filled.astype(np.float32)
