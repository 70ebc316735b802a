"""The flat: one open room with kitchen, table, sofa, bed, mat and door, furnished anew per seed.

Room coordinates in metres: x to the right, y up, z away from the camera; the floor spans
x -2.7..2.7 and z 0..3.4.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from har_stream.simulation.view import Array, View, draw_view, xyz

Colour = tuple[float, float, float]
"""Blue, green, red, 0..255."""

WALL_Y, BACK_Z, SIDE_X, FRONT_Z = 3.6, 3.4, 2.7, -0.6
_BESIDE_M = 0.4
"""So far from the first resident a second one does the same at the same place."""
_MIDDLE = xyz(0.1, 0.0, 1.15)


@dataclass(frozen=True, slots=True)
class Box:
    """A piece of furniture: an upright box.

    Attributes:
        low: Least x, y, z.
        high: Greatest x, y, z.
        colour: Of its front; top and sides are lighter and darker.
        depth: Sort key, metres from the front: greater ones are painted first.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: Colour
    depth: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where an activity happens.

    Attributes:
        spot: Point on the floor (or seat, or mattress) where the body is, metres.
        access: Point on the floor from which it is reached.
        heading: Direction that the resident faces there, radians from +x towards +z.
        depth: Sort key of somebody there, in front of the furniture it belongs to.
    """

    spot: Array
    access: Array
    heading: float
    depth: float


@dataclass(frozen=True, slots=True)
class Flat:
    """One furnished flat and the camera in it."""

    view: View
    boxes: tuple[Box, ...]
    places: dict[str, Place]
    wall: Colour
    floor: Colour
    accent: Colour
    window_x: float
    door_x: float
    mat: tuple[float, float, float, float]
    plank_m: float


def furnish(rng: np.random.Generator) -> Flat:
    """Draw a home: the arrangement, sizes and colours of its furniture, and its camera."""
    boxes: list[Box] = []
    places: dict[str, Place] = {}
    sofa_at_back = bool(rng.random() < 0.5)
    wood, metal = pastel(rng, (60, 110, 160), 40), pastel(rng, (190, 190, 190), 30)
    _kitchen(rng, boxes, places, (wood, metal))
    _table(rng, boxes, places, wood)
    _bed(rng, boxes, places, wood)
    _sofa(rng, boxes, places, at_back=sofa_at_back)
    mat_x, mat_z = rng.uniform(-1.1, -0.6), rng.uniform(0.55, 0.8)
    mat_way = math.pi * rng.choice([-0.5, -0.5, 0.0, 1.0]) + rng.normal(0.0, 0.25)
    mat_spot = xyz(mat_x, 0.0, mat_z)
    places["mat"] = Place(mat_spot, mat_spot + xyz(0.0, 0.0, 0.6), mat_way, mat_z)
    floor = xyz(rng.uniform(-1.0, 0.2), 0.0, rng.uniform(1.2, 1.8))
    lies = rng.choice([0.0, math.pi]) + rng.normal(0.0, 0.5)
    places["floor"] = Place(floor, floor, lies, floor[2])
    door_x = rng.uniform(1.05, 1.15) if sofa_at_back else rng.uniform(0.0, 0.9)
    door = xyz(door_x + 0.4, 0.0, 3.0)
    places["door"] = Place(door, door, math.pi / 2, 3.0)
    boxes.sort(key=lambda box: -box.depth)
    return Flat(
        view=draw_view(rng),
        boxes=tuple(boxes),
        places=places,
        wall=pastel(rng, (210, 215, 220), 28),
        floor=pastel(rng, (115, 150, 180), 38),
        accent=pastel(rng, (130, 130, 130), 70),
        window_x=rng.uniform(-1.9, -1.4),
        door_x=door_x,
        mat=(mat_x - 0.9, mat_x + 0.9, mat_z - 0.42, mat_z + 0.42),
        plank_m=rng.uniform(0.25, 0.6),
    )


def furnish_for_two(flat: Flat) -> tuple[Flat, Flat]:
    """Return a flat with a stool more at the table, as each of two residents uses it.

    The second one's places lie beside those of the first, towards the middle of the room.
    """
    beside: dict[str, Place] = {}
    for name, place in flat.places.items():
        sideways = xyz(-math.sin(place.heading), 0.0, math.cos(place.heading))
        step = math.copysign(_BESIDE_M, float(sideways @ (_MIDDLE - place.spot))) * sideways
        depth = place.depth + float(step[2])
        beside[name] = replace(place, spot=place.spot + step, depth=depth)
    x, y, z = beside["table"].spot
    stool = Box((x - 0.18, 0.0, z - 0.18), (x + 0.18, y, z + 0.18), flat.accent, z + 0.17)
    boxes = tuple(sorted([*flat.boxes, stool], key=lambda box: -box.depth))
    first = replace(flat, boxes=boxes)
    return first, replace(first, places=beside)


def pastel(rng: np.random.Generator, about: Colour, spread: float) -> Colour:
    """Draw a colour about another one."""
    blue, green, red = np.clip(np.add(about, rng.uniform(-spread, spread, 3)), 15, 245)
    return float(blue), float(green), float(red)


def shade(colour: Colour, factor: float) -> Colour:
    """Return a darker or lighter colour."""
    blue, green, red = (min(255.0, part * factor) for part in colour)
    return blue, green, red


def _kitchen(
    rng: np.random.Generator,
    boxes: list[Box],
    places: dict[str, Place],
    colours: tuple[Colour, Colour],
) -> None:
    wood, metal = colours
    z0, z1, x0 = rng.uniform(1.0, 1.2), rng.uniform(2.8, 3.1), rng.uniform(2.05, 2.15)
    stove_z = rng.uniform(1.5, 2.1)
    fronts = pastel(rng, (195, 200, 205), 38)
    boxes += [
        Box((x0, 0, z0), (SIDE_X, 0.86, z1), fronts, 2.6),
        Box((x0 - 0.03, 0.86, z0), (SIDE_X, 0.91, z1), wood, 2.59),
        Box((x0, 0.2, stove_z - 0.3), (x0 + 0.01, 0.8, stove_z + 0.3), (60, 60, 60), 2.58),
        Box((x0 + 0.05, 0.91, stove_z - 0.28), (SIDE_X, 0.93, stove_z + 0.28), (45, 45, 45), 2.57),
        Box((2.35, 1.45, z0 + 0.2), (SIDE_X, 2.05, z1), fronts, 2.7),
        Box((x0, 0, z1), (SIDE_X, 1.85, BACK_Z), metal, 2.8),
    ]
    spot = xyz(x0 - 0.33, 0.0, stove_z)
    places["stove"] = Place(spot, xyz(1.3, 0.0, min(stove_z, 2.0)), 0.0, stove_z)


def _table(
    rng: np.random.Generator, boxes: list[Box], places: dict[str, Place], wood: Colour
) -> None:
    x0, z = rng.uniform(0.55, 0.75), rng.uniform(0.55, 0.8)
    x1, half = x0 + rng.uniform(0.8, 1.1), rng.uniform(0.3, 0.4)
    leg = shade(wood, 0.7)
    legs = [(x, zz) for zz in (z + half - 0.06, z - half) for x in (x0, x1 - 0.06)]
    boxes += [Box((x, 0, zz), (x + 0.06, 0.7, zz + 0.06), leg, z + 0.2) for x, zz in legs]
    boxes.append(Box((x0, 0.7, z - half), (x1, 0.75, z + half), wood, z + 0.19))
    seat_x, chair = x0 - 0.22, pastel(rng, (90, 110, 140), 50)
    boxes += [
        Box((seat_x - 0.2, 0.40, z - 0.2), (seat_x + 0.2, 0.45, z + 0.2), chair, z + 0.16),
        Box((seat_x - 0.2, 0.45, z - 0.2), (seat_x - 0.16, 0.95, z + 0.2), chair, z + 0.15),
        Box((seat_x - 0.2, 0, z - 0.2), (seat_x - 0.15, 0.4, z - 0.15), chair, z + 0.15),
        Box((seat_x + 0.15, 0, z - 0.2), (seat_x + 0.2, 0.4, z - 0.15), chair, z + 0.15),
    ]
    spot = xyz(seat_x, 0.45, z)
    places["table"] = Place(spot, xyz(seat_x - 0.1, 0.0, 1.3), 0.0, z)


def _bed(
    rng: np.random.Generator, boxes: list[Box], places: dict[str, Place], wood: Colour
) -> None:
    x1, z0 = rng.uniform(-0.75, -0.55), rng.uniform(2.3, 2.45)
    z1, top = z0 + rng.uniform(0.85, 0.95), rng.uniform(0.42, 0.52)
    sheet = pastel(rng, (215, 215, 215), 30)
    head_left = bool(rng.random() < 0.7)
    pillow_x = -SIDE_X + 0.12 if head_left else x1 - 0.5
    board_x = -SIDE_X if head_left else x1 - 0.06
    boxes += [
        Box((-SIDE_X, 0.1, z0), (x1, 0.3, z1), wood, 3.1),
        Box((-SIDE_X + 0.02, 0.3, z0 + 0.02), (x1 - 0.02, top, z1 - 0.02), sheet, 3.09),
        Box((board_x, 0.1, z0), (board_x + 0.06, top + 0.4, z1), wood, 3.08),
        Box((pillow_x, top, z0 + 0.2), (pillow_x + 0.38, top + 0.1, z1 - 0.2), (235,) * 3, 3.07),
    ]
    middle = (-SIDE_X + 1.02) if head_left else (x1 - 1.02)
    spot = xyz(middle, top, (z0 + z1) / 2 - 0.05)
    heading = 0.0 if head_left else math.pi
    places["bed"] = Place(spot, xyz(-1.1, 0.0, 2.0), heading, z0)


def _sofa(
    rng: np.random.Generator, boxes: list[Box], places: dict[str, Place], *, at_back: bool
) -> None:
    colour = pastel(rng, (120, 120, 120), 80)
    seat = pastel(rng, colour, 15)
    long, deep, top = rng.uniform(1.2, 1.5), rng.uniform(0.72, 0.82), rng.uniform(0.4, 0.46)
    shift = rng.uniform(-0.3, 0.3)
    if at_back:
        x, z = rng.uniform(0.05, 0.2), BACK_Z - deep
        corners = [
            ((x - long / 2, 0.0, BACK_Z - 0.2), (x + long / 2, 0.85, BACK_Z)),
            ((x - long / 2, 0.0, z), (x + long / 2, top, BACK_Z - 0.2)),
            ((x - long / 2, 0.0, z), (x - long / 2 + 0.16, 0.6, BACK_Z)),
            ((x + long / 2 - 0.16, 0.0, z), (x + long / 2, 0.6, BACK_Z)),
        ]
        spot, access = xyz(x + shift, top, z + 0.3), xyz(x + shift, 0.0, 2.0)
        heading, depth = -math.pi / 2, z - 0.1
    else:
        x, z = -SIDE_X + rng.uniform(0.15, 0.4), rng.uniform(1.05, 1.25)
        corners = [
            ((x, 0.0, z - long / 2), (x + 0.2, 0.85, z + long / 2)),
            ((x + 0.2, 0.0, z - long / 2), (x + deep, top, z + long / 2)),
            ((x, 0.0, z + long / 2 - 0.16), (x + deep, 0.6, z + long / 2)),
        ]
        spot = xyz(x + 0.42, top, z + shift)
        access, heading, depth = xyz(-1.35, 0.0, 1.5), rng.normal(0.0, 0.2), z - long / 2
    keys = (2.95, 2.94, 2.93, 2.92)
    boxes += [
        Box(low, high, seat if index == 1 else colour, key)
        for index, ((low, high), key) in enumerate(zip(corners, keys, strict=False))
    ]
    places["sofa"] = Place(spot, access, heading, depth)
