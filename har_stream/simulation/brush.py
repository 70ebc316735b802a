"""Draws the strokes of a figure, from far to near, with a shadow at the feet."""

import math

import cv2
import numpy as np

from har_stream.core.frame import Image
from har_stream.simulation.backdrop import SHIFT, Light, Pixels, to_pixels
from har_stream.simulation.flat import shade
from har_stream.simulation.poses import Act
from har_stream.simulation.view import Array, View

_ROUND = np.linspace(0.0, 2 * math.pi, 16, endpoint=False)
_SHADOW_M = 0.3
_SHADE = 0.82
_OUTLINE_M, _OUTLINE_SHADE = 0.02, 0.5
"""A darker rim sets the figure off from furniture of its own colour."""


class Brush:
    """A figure at T instants, projected and sorted once."""

    def __init__(self, made: Act, view: View, light: Light, shape: tuple[int, ...]) -> None:
        starts = [stroke.start for stroke in made.strokes]
        ends = [stroke.end for stroke in made.strokes]
        seen = view.project(made.points)
        distance = (seen[:, starts, 2] + seen[:, ends, 2]) / 2
        nearer = np.array([stroke.nearer for stroke in made.strokes])
        radii = np.array([stroke.radius for stroke in made.strokes])
        pixels = to_pixels(seen, shape)
        self._order = np.argsort(nearer - distance, axis=1, kind="stable").tolist()
        self._starts, self._ends = pixels[:, starts].tolist(), pixels[:, ends].tolist()
        px_per_m = shape[0] * view.focal / distance
        self._coats = [
            (
                np.maximum(1, np.rint(2 * (radii + rim) * px_per_m)).astype(int).tolist(),
                [light.on(shade(stroke.colour, factor)) for stroke in made.strokes],
            )
            for rim, factor in ((_OUTLINE_M, _OUTLINE_SHADE), (0.0, 1.0))
        ]
        shadows = to_pixels(view.project(_shadow(made)), shape)
        self._shadows = shadows if made.stands else None

    def paint(self, image: Image, index: int) -> None:
        """Paint the figure's instant ``index`` over an image."""
        if self._shadows is not None:
            _darken(image, self._shadows[index])
        starts, ends = self._starts[index], self._ends[index]
        for widths, colours in self._coats:
            for which in self._order[index]:
                line = (starts[which], ends[which], colours[which], widths[index][which])
                cv2.line(image, *line, cv2.LINE_AA, SHIFT)


def _shadow(made: Act) -> Array:
    """Outline of the shadow on the floor, shape (T, 16, 3)."""
    below = made.at("pelvis") * [1.0, 0.0, 1.0]
    ring = np.stack([np.cos(_ROUND), 0 * _ROUND, np.sin(_ROUND)], axis=1)
    return below[:, None] + _SHADOW_M * ring


def _darken(image: Image, outline: Pixels) -> None:
    left, top = np.maximum(outline.min(axis=0) >> SHIFT, 0)
    right, bottom = np.maximum((outline.max(axis=0) >> SHIFT) + 2, 0)
    part = image[top:bottom, left:right]
    if not part.size:
        return
    mask = np.zeros(part.shape[:2], np.uint8)
    inside = outline - (np.array([left, top], np.int32) << SHIFT)
    cv2.fillConvexPoly(mask, inside, 1, cv2.LINE_8, SHIFT)
    cv2.copyTo(cv2.convertScaleAbs(part, alpha=_SHADE), mask, part)
