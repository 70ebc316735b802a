"""Paints the furnished flat without anybody in it, and the light of the hour."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.frame import Image
from har_stream.simulation.flat import BACK_Z, FRONT_Z, SIDE_X, WALL_Y, Box, Colour, Flat, shade
from har_stream.simulation.view import Array, View

SHIFT = 4
"""Bits after the binary point of OpenCV's drawing coordinates."""
Pixels = NDArray[np.int32]
_TRIM, _DOOR, _HANDLE = (230.0, 230.0, 230.0), (105.0, 140.0, 175.0), (60.0, 60.0, 60.0)


@dataclass(frozen=True, slots=True)
class Light:
    """What the hour and the lamp make of every colour.

    Attributes:
        gain: Factors of blue, green and red.
        sky: Colour seen through the window.
    """

    gain: tuple[float, float, float]
    sky: Colour

    def on(self, colour: Sequence[float]) -> tuple[float, ...]:
        """Return a colour as it looks in this light."""
        return tuple(part * gain for part, gain in zip(colour, self.gain, strict=True))


def light_at(hour: float, *, lamp: bool, weather: float, exposure: float) -> Light:
    """Light the flat.

    Args:
        hour: 0 to 24.
        lamp: Whether somebody is up who would switch it on when it gets dark.
        weather: 0 overcast, 1 bright.
        exposure: Of the camera, 1 is right.
    """
    day = _ramp(hour, 6.0, 8.5) * (1 - _ramp(hour, 17.5, 20.5))
    bright = day * (0.75 + 0.25 * weather)
    lit = 0.85 * (1 - day) if lamp else 0.0
    dark = 0.42
    level = exposure * (dark + (1 - dark) * min(1.0, bright + lit))
    warm, cold = 0.12 * (lit > 0) * (1 - day), 0.14 * (1 - max(day, lit))
    gain = (level * (1 - warm + cold), level, level * (1 + 0.4 * warm - cold))
    night, blue = np.array([70.0, 40, 30]), np.array([245.0, 220, 190])
    sky = night + (blue - night) * day * (0.8 + 0.2 * weather)
    return Light(gain, (float(sky[0]), float(sky[1]), float(sky[2])))


class Canvas:
    """An image under paint, in room coordinates."""

    def __init__(self, image: Image, view: View, light: Light) -> None:
        self.image = image
        self._view = view
        self._light = light

    def quad(self, corners: Sequence[Sequence[float]], colour: Sequence[float]) -> None:
        """Fill a flat polygon of the room, corners (n, 3) in metres."""
        pixels = to_pixels(self._view.project(np.array(corners)), self.image.shape)
        cv2.fillConvexPoly(self.image, pixels, self._light.on(colour), cv2.LINE_AA, SHIFT)

    def ground(self, x: tuple[float, float], z: tuple[float, float], colour: Colour) -> None:
        """Fill a rectangle of the floor."""
        (x0, x1), (z0, z1) = x, z
        self.quad([(x0, 0, z0), (x1, 0, z0), (x1, 0, z1), (x0, 0, z1)], colour)

    def upright(
        self, x: tuple[float, float], y: tuple[float, float], colour: Colour, *, z: float = BACK_Z
    ) -> None:
        """Fill an upright rectangle that faces the front, on the back wall unless said."""
        (x0, x1), (y0, y1) = x, y
        self.quad([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], colour)

    def sideways(
        self, x: float, y: tuple[float, float], z: tuple[float, float], colour: Colour
    ) -> None:
        """Fill an upright rectangle that faces left or right."""
        (y0, y1), (z0, z1) = y, z
        self.quad([(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)], colour)

    def box(self, box: Box) -> None:
        """Paint the faces of a box that can be seen from the front, above and the sides."""
        (x0, y0, z0), (x1, y1, z1) = box.low, box.high
        eye = self._view.position
        if eye[0] < x0 or eye[0] > x1:
            side = x0 if eye[0] < x0 else x1
            self.sideways(side, (y0, y1), (z0, z1), shade(box.colour, 0.82))
        if eye[1] > y1:
            top = [(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)]
            self.quad(top, shade(box.colour, 1.1))
        self.upright((x0, x1), (y0, y1), box.colour, z=z0)


def to_pixels(projected: Array, shape: tuple[int, ...]) -> Pixels:
    """Turn projected points, shape (..., 3), into OpenCV's fixed-point pixels, (..., 2)."""
    height, width = shape[:2]
    centre = np.array([width / 2, height / 2])
    pixels: Array = np.rint((projected[..., :2] * height + centre) * (1 << SHIFT))
    return pixels.astype(np.int32)


def paint(canvas: Canvas, flat: Flat, light: Light) -> None:
    """Paint floor, walls, window, door and mat."""
    across, along, high = (-SIDE_X, SIDE_X), (FRONT_Z, BACK_Z), (0.0, WALL_Y)
    canvas.image[:] = np.rint(light.on(shade(flat.floor, 0.8)))
    for x in across:
        canvas.sideways(x, high, (FRONT_Z - 2, BACK_Z), shade(flat.wall, 0.88))
    canvas.upright(across, high, flat.wall)
    canvas.ground(across, along, flat.floor)
    for x in np.arange(-SIDE_X, SIDE_X, flat.plank_m):
        canvas.ground((x, x + 0.02), along, shade(flat.floor, 0.9))
    canvas.upright(across, (0.0, 0.09), _TRIM)
    _door(canvas, flat)
    _window(canvas, flat, light)
    canvas.ground(flat.mat[:2], flat.mat[2:], flat.accent)


def _door(canvas: Canvas, flat: Flat) -> None:
    left, right = flat.door_x, flat.door_x + 0.8
    canvas.upright((left - 0.05, right + 0.05), (0.0, 2.07), shade(flat.wall, 0.75))
    canvas.upright((left, right), (0.0, 2.02), _DOOR)
    canvas.upright((right - 0.1, right - 0.04), (0.98, 1.04), _HANDLE)


def _window(canvas: Canvas, flat: Flat, light: Light) -> None:
    middle, left, right = flat.window_x, flat.window_x - 0.55, flat.window_x + 0.55
    # The sky shines by itself, whatever the light in the room.
    blue, green, red = (sky / gain for sky, gain in zip(light.sky, light.gain, strict=True))
    canvas.upright((left - 0.05, right + 0.05), (1.15, 2.25), _TRIM)
    for pane in ((left, middle - 0.02), (middle + 0.02, right)):
        canvas.upright(pane, (1.2, 2.2), (blue, green, red))
    for curtain in ((left - 0.28, left), (right, right + 0.28)):
        canvas.upright(curtain, (1.0, 2.35), flat.accent)


def _ramp(value: float, begins: float, ends: float) -> float:
    share = min(1.0, max(0.0, (value - begins) / (ends - begins)))
    return 0.5 - 0.5 * math.cos(math.pi * share)
