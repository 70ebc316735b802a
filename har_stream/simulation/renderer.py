"""Draws the simulated home: the flat, the resident in it, and the camera's own imperfections."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from har_stream.core.activity import IDLE
from har_stream.core.frame import Image
from har_stream.simulation.acting import act, settle
from har_stream.simulation.backdrop import Canvas, Light, light_at, paint
from har_stream.simulation.brush import Brush
from har_stream.simulation.figure import draw_body, dress
from har_stream.simulation.flat import furnish
from har_stream.simulation.poses import Act
from har_stream.simulation.routine import DAY_S, PlannedActivity, hour_of_day
from har_stream.simulation.view import Array

SIZE = (192, 108)
"""Width and height of a frame unless another size is asked for, in pixels."""
_MARGIN_PX = 2
"""Painted around the frame, for the shaking."""
_GRAIN_PX = 64
"""The sensor's noise is cut out of a larger sheet, shifted by up to this much."""
_WHITE = (255.0, 255.0, 255.0)


@dataclass(frozen=True, slots=True)
class _Flat:
    """The flat as somebody at a certain depth divides it.

    Attributes:
        behind: All that is farther away.
        front: All of it, of which `covers` marks the nearer things, (height, width) uint8.
    """

    behind: Image
    front: Image
    covers: Image


class Renderer:
    """Draws one home; the same seed gives the same pixels for the same instants."""

    def __init__(self, seed: int, *, size: tuple[int, int] = SIZE) -> None:
        rng = _generator(seed, 0)
        self.home = furnish(rng)
        self._seed = seed
        self._body = draw_body(rng)
        self._noise = rng.uniform(1.0, 5.0)
        self._shake_px = rng.uniform(0.0, 0.5)
        self._exposure = rng.uniform(0.85, 1.12)
        self._shape = (size[1] + 2 * _MARGIN_PX, size[0] + 2 * _MARGIN_PX, 3)
        sheet = (self._shape[0] + _GRAIN_PX, self._shape[1] + _GRAIN_PX, 3)
        self._grain = rng.standard_normal(sheet, dtype=np.float32)

    def draw(self, at_s: Array, activities: Sequence[PlannedActivity]) -> list[Image]:
        """Draw the home at some instants close together.

        Args:
            at_s: Seconds since the midnight that the activities count from, ascending, shape (T,).
            activities: What the resident does then and just before, in order.

        Returns:
            T images, shape (height, width, 3), uint8, BGR.
        """
        images: list[Image] = []
        for index, planned in enumerate(activities):
            within = at_s[(at_s >= planned.start_s) & (at_s < planned.end_s)]
            if len(within):
                images += self._draw_one(within, planned, activities[index - 1] if index else None)
        return self._shot(images, _generator(self._seed, 4, round(1000 * at_s[0])))

    def _draw_one(
        self, at_s: Array, planned: PlannedActivity, before: PlannedActivity | None
    ) -> list[Image]:
        rng = _generator(self._seed, 3, int(at_s[0] // DAY_S))  # each day its weather and clothes
        awake = planned.activity not in (IDLE, "sleeping")
        hour = hour_of_day(float(at_s[0]))
        light = light_at(hour, lamp=awake, weather=rng.uniform(), exposure=self._exposure)
        if planned.activity == IDLE:
            empty = self._flat(light, len(self.home.boxes)).behind
            return [empty.copy() for _ in at_s]
        body = dress(self._body, rng)
        made = act(planned, at_s, self.home, body)
        if before is not None and before.activity != IDLE:
            last = act(before, np.array([before.end_s]), self.home, body)
            settle(made, last, at_s - planned.start_s)
        if planned.activity == "walking":
            depths = made.at("pelvis")[:, 2]
        else:
            depths = np.full(len(at_s), self.home.places[planned.place].depth)
        return self._people(made, depths, light)

    def _people(self, made: Act, depths: Array, light: Light) -> list[Image]:
        """Put the figure between what stands behind it and what stands before it."""
        brush = Brush(made, self.home.view, light, self._shape)
        flats: dict[int, _Flat] = {}
        images = []
        for index, depth in enumerate(depths):
            n_behind = sum(box.depth > depth for box in self.home.boxes)
            if n_behind not in flats:
                flats[n_behind] = self._flat(light, n_behind)
            flat = flats[n_behind]
            image = flat.behind.copy()
            brush.paint(image, index)
            cv2.copyTo(flat.front, flat.covers, image)
            images.append(image)
        return images

    def _flat(self, light: Light, n_behind: int) -> _Flat:
        home, plain = self.home, replace(light, gain=(1.0, 1.0, 1.0))
        behind = np.empty(self._shape, np.uint8)
        canvas = Canvas(behind, home.view, light)
        paint(canvas, home, light)
        for box in home.boxes[:n_behind]:
            canvas.box(box)
        front, covers = behind.copy(), np.zeros(self._shape, np.uint8)
        for box in home.boxes[n_behind:]:
            Canvas(front, home.view, light).box(box)
            Canvas(covers, home.view, plain).box(replace(box, colour=_WHITE))
        return _Flat(behind, front, (covers[..., 0] > 127).astype(np.uint8))

    def _shot(self, images: Sequence[Image], rng: np.random.Generator) -> list[Image]:
        """Take the pictures: the sensor's noise, and a camera that trembles."""
        grain = np.rint(self._noise * self._grain)
        bright, dark = (np.clip(part, 0, 255).astype(np.uint8) for part in (grain, -grain))
        height, width = self._shape[:2]
        shots = []
        for image in images:
            y, x = rng.integers(_GRAIN_PX, size=2)
            window = slice(y, y + height), slice(x, x + width)
            cv2.add(image, bright[window], dst=image)
            cv2.subtract(image, dark[window], dst=image)
            tremble = np.rint(rng.normal(0.0, self._shake_px, size=2)).astype(int)
            top, left = _MARGIN_PX + np.clip(tremble, -_MARGIN_PX, _MARGIN_PX)
            bottom, right = top + height - 2 * _MARGIN_PX, left + width - 2 * _MARGIN_PX
            shots.append(np.ascontiguousarray(image[top:bottom, left:right]))
        return shots


def _generator(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))
