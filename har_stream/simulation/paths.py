"""Where the resident walks: from one place to another, straight or pottering about."""

from dataclasses import dataclass

import numpy as np

from har_stream.simulation.flat import Flat
from har_stream.simulation.routine import PlannedActivity
from har_stream.simulation.view import Array, xyz

_LOOK_S = 0.25
"""Headings are taken over this much time to both sides, so corners are rounded."""
_WALKABLE_X, _WALKABLE_Z = (-1.5, 1.3), (1.25, 2.1)
"""Floor without furniture, in every flat; metres."""
_LEAST_MPS, _USUAL_MPS = 0.35, (0.6, 1.2)


@dataclass(frozen=True, slots=True)
class Track:
    """A walk along a line of points at one speed.

    Attributes:
        points: Corners on the floor, shape (n, 3), metres.
        reached_m: Distance from the start at each corner, shape (n,).
        speed_mps: Metres a second.
    """

    points: Array
    reached_m: Array
    speed_mps: float

    def distance_m(self, t: Array) -> Array:
        """Distance walked after so many seconds."""
        return np.clip(t * self.speed_mps, 0.0, self.reached_m[-1])

    def position(self, t: Array) -> Array:
        """Point on the floor, shape (T, 3)."""
        went = self.distance_m(t)
        along = [np.interp(went, self.reached_m, self.points[:, axis]) for axis in range(3)]
        return np.stack(along, axis=1)

    def heading(self, t: Array) -> Array:
        """Direction of walking, radians from +x towards +z."""
        end_s = self.reached_m[-1] / self.speed_mps
        middle = np.clip(t, _LOOK_S, max(_LOOK_S, end_s - _LOOK_S))
        step = self.position(middle + _LOOK_S) - self.position(middle - _LOOK_S)
        return np.arctan2(step[:, 2], step[:, 0])


def lay_walk(planned: PlannedActivity, flat: Flat, rng: np.random.Generator) -> Track:
    """Lay the path of a walk.

    A crossing goes straight, as fast as it must; whoever has more time than that wanders.
    """
    start, goal = flat.places[planned.origin], flat.places[planned.place]
    length_s = max(0.1, planned.end_s - planned.start_s)
    enough_m = 0.8 * rng.uniform(*_USUAL_MPS) * length_s
    corners, length_m = [start.access], _apart_m(start.access, goal.access)
    while length_m < enough_m:
        corners.append(_anywhere(rng))
        length_m += _apart_m(corners[-2], corners[-1])
    corners.append(goal.access)
    if goal.spot[1] == 0.0:
        corners.append(goal.spot)
    points = np.stack(corners)
    steps = np.sqrt(((points[1:] - points[:-1]) ** 2).sum(axis=1))
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    return Track(points, reached, max(_LEAST_MPS, float(reached[-1]) / length_s))


def _apart_m(one: Array, other: Array) -> float:
    return float(np.sqrt(((one - other) ** 2).sum()))


def _anywhere(rng: np.random.Generator) -> Array:
    return xyz(rng.uniform(*_WALKABLE_X), 0.0, rng.uniform(*_WALKABLE_Z))
