"""Regions that a person draws into a camera's image: polygons, and what each of them means."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from har_stream.config.section import Fraction, Section, nested

Corner = tuple[Fraction, Fraction]
Place = Literal["floor", "bed", "sofa", "door"]
PLACES: tuple[Place, ...] = get_args(Place)
"""Where somebody may be; where two overlap, the one that stands first here counts."""
SMALLEST = 1e-6
"""Share of the image below which a polygon is a slip."""
N_LOOKS = 16
"""A place is looked for under what is blackened in so many columns and rows, less one."""
MAX_CORNERS, MAX_POLYGONS = 100, 50


def _checked_polygon(corners: tuple[Corner, ...]) -> tuple[Corner, ...]:
    if not 3 <= len(corners) <= MAX_CORNERS:
        raise ValueError(f"3 to {MAX_CORNERS} corners expected, each [x, y]")
    # Gauss's area formula; corners out of order mostly enclose nothing.
    doubled = sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in _sides(corners))
    if abs(doubled) / 2 < SMALLEST:
        raise ValueError("its corners enclose nothing; give them in order around it")
    return corners


Polygon = Annotated[tuple[Corner, ...], AfterValidator(_checked_polygon)]
Polygons = Annotated[
    tuple[Polygon, ...],
    Field(max_length=MAX_POLYGONS),
    nested(
        3,
        "a list of polygons expected, each a list of corners [x, y], for example "
        "[[[0.1, 0.6], [0.5, 0.6], [0.5, 0.9]]]",
    ),
]


class Regions(Section):
    """What a camera sees where: polygons of corners `[x, y]`, fractions of its whole image."""

    bed: Polygons = ()
    sofa: Polygons = ()
    floor: Polygons = ()
    door: Polygons = ()
    ignore: Polygons = Field((), description="blackened before anything looks at it")

    @model_validator(mode="after")
    def _can_be_seen(self) -> Self:
        for place in PLACES if self.ignore else ():
            if any(self._is_ignored(polygon) for polygon in getattr(self, place)):
                raise ValueError(
                    f"{place} lies wholly in ignore, where nothing is seen; draw one of them anew"
                )
        return self

    def _is_ignored(self, polygon: Polygon) -> bool:
        """Look at points spread over a polygon."""
        (left, right), (top, bottom) = (
            (min(each), max(each)) for each in zip(*polygon, strict=True)
        )
        points = [
            (left + (right - left) * column / N_LOOKS, top + (bottom - top) * row / N_LOOKS)
            for column in range(1, N_LOOKS)
            for row in range(1, N_LOOKS)
        ]
        inside = [point for point in points if _encloses(polygon, *point)]
        return bool(inside) and all(
            any(_encloses(each, *point) for each in self.ignore) for point in inside
        )

    @property
    def has_soft(self) -> bool:
        """Whether a place is drawn where people lie on purpose."""
        return bool(self.bed or self.sofa)

    def place_at(self, x: float, y: float) -> Place | None:
        """Say in which region a point of the whole image lies, if in any."""
        for place in PLACES:
            if any(_encloses(polygon, x, y) for polygon in getattr(self, place)):
                return place
        return None


def _sides(corners: Sequence[Corner]) -> list[tuple[Corner, Corner]]:
    return list(pairwise([*corners, corners[0]]))


def _encloses(polygon: Sequence[Corner], x: float, y: float) -> bool:
    """Count the sides that a ray to the right crosses: an odd number is inside."""
    inside = False
    for (x0, y0), (x1, y1) in _sides(polygon):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            inside = not inside
    return inside
