"""Draws the simulated home: the flat, who is in it, and the camera's own imperfections."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from har_stream.core.activity import IDLE
from har_stream.core.frame import Image
from har_stream.simulation.acting import act, settle
from har_stream.simulation.backdrop import Canvas, Light, light_at, paint
from har_stream.simulation.brush import Brush
from har_stream.simulation.figure import Body, draw_body, dress
from har_stream.simulation.flat import Flat, furnish, furnish_for_two
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


@dataclass(frozen=True, slots=True)
class _Figure:
    """Somebody at T instants, and how deep in the room, shape (T,)."""

    made: Act
    depths: Array


_Doing = tuple[PlannedActivity, PlannedActivity | None]
"""What somebody does, and what before it."""


class Renderer:
    """Draws one home; the same seed gives the same pixels for the same instants.

    Args:
        seed: Which home.
        size: Width and height of the frames, in pixels.
        n_residents: How many live there: one or two.
    """

    def __init__(self, seed: int, *, size: tuple[int, int] = SIZE, n_residents: int = 1) -> None:
        rng = _generator(seed, 0)
        self.home = furnish(rng)
        self._seed = seed
        self._bodies = [draw_body(rng)]
        self._noise = rng.uniform(1.0, 5.0)
        self._shake_px = rng.uniform(0.0, 0.5)
        self._exposure = rng.uniform(0.85, 1.12)
        self._homes = (self.home,) if n_residents == 1 else furnish_for_two(self.home)
        self._bodies += [draw_body(_generator(seed, 6)) for _ in self._homes[1:]]
        self._shape = (size[1] + 2 * _MARGIN_PX, size[0] + 2 * _MARGIN_PX, 3)
        sheet = (self._shape[0] + _GRAIN_PX, self._shape[1] + _GRAIN_PX, 3)
        self._grain = rng.standard_normal(sheet, dtype=np.float32)

    def draw(self, at_s: Array, *lives: Sequence[PlannedActivity]) -> list[Image]:
        """Draw the home at some instants close together.

        Args:
            at_s: Seconds since the midnight that the activities count from, ascending, shape (T,).
            lives: What each resident does then and just before, in order.

        Returns:
            T images, shape (height, width, 3), uint8, BGR.
        """
        images: list[Image] = []
        for within, doing in _stretches(at_s, lives):
            images += self._draw_stretch(within, doing)
        return self._shot(images, _generator(self._seed, 4, round(1000 * at_s[0])))

    def _draw_stretch(self, at_s: Array, doing: Sequence[_Doing]) -> list[Image]:
        """Draw instants during which nobody goes over to something else."""
        day = int(at_s[0] // DAY_S)  # each day has its weather and clothes
        rng = _generator(self._seed, 3, day)
        awake = any(planned.activity not in (IDLE, "sleeping") for planned, _ in doing)
        hour = hour_of_day(float(at_s[0]))
        light = light_at(hour, lamp=awake, weather=rng.uniform(), exposure=self._exposure)
        figures = []
        for number, (planned, before) in enumerate(doing):
            if planned.activity != IDLE:
                clothes = _generator(self._seed, 3, day, number) if number else rng
                body = dress(self._bodies[number], clothes)
                figures.append(_figure(at_s, planned, before, self._homes[number], body))
        return self._people(figures, light, n_images=len(at_s))

    def _people(self, figures: Sequence[_Figure], light: Light, *, n_images: int) -> list[Image]:
        """Put figures, from far to near, between what stands behind and before each."""
        boxes = self._homes[-1].boxes
        brushes = [Brush(each.made, self.home.view, light, self._shape) for each in figures]
        flats: dict[int, _Flat] = {}
        images = []
        for index in range(n_images):
            depths = sorted(
                ((each.depths[index], number) for number, each in enumerate(figures)), reverse=True
            )
            behind = [sum(box.depth > depth for box in boxes) for depth, _ in depths]
            for n_behind in behind or [len(boxes)]:
                if n_behind not in flats:
                    flats[n_behind] = self._flat(light, n_behind)
            image = flats[behind[0] if behind else len(boxes)].behind.copy()
            for n_behind, (_, number) in zip(behind, depths, strict=True):
                flat = flats[n_behind]
                brushes[number].paint(image, index)
                cv2.copyTo(flat.front, flat.covers, image)
            images.append(image)
        return images

    def _flat(self, light: Light, n_behind: int) -> _Flat:
        home, plain = self._homes[-1], replace(light, gain=(1.0, 1.0, 1.0))
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


def _figure(
    at_s: Array, planned: PlannedActivity, before: PlannedActivity | None, home: Flat, body: Body
) -> _Figure:
    made = act(planned, at_s, home, body)
    if before is not None and before.activity != IDLE:
        last = act(before, np.array([before.end_s]), home, body)
        settle(made, last, at_s - planned.start_s)
    if planned.activity == "walking":
        return _Figure(made, made.at("pelvis")[:, 2])
    return _Figure(made, np.full(len(at_s), home.places[planned.place].depth))


def _stretches(
    at_s: Array, lives: Sequence[Sequence[PlannedActivity]]
) -> Iterator[tuple[Array, list[_Doing]]]:
    """Cut instants where somebody goes over to something else; yields what each does meanwhile."""
    ends = [[planned.end_s for planned in life[:-1]] for life in lives]
    running = np.array([np.searchsorted(each, at_s, side="right") for each in ends])
    cuts = np.flatnonzero(np.diff(running, axis=1).any(axis=0)) + 1
    for within, numbers in zip(np.split(at_s, cuts), np.split(running, cuts, axis=1), strict=True):
        yield (
            within,
            [
                (life[number], life[number - 1] if number else None)
                for life, number in zip(lives, numbers[:, 0], strict=True)
            ],
        )


def _generator(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))
