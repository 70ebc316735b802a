"""A key-point network as a teacher: it looks at a frame turned every way and says who is where.

It has seen few people who lie. Turned so that they stand, it is as sure of many of them as of
others.
"""

import math

import numpy as np

from har_stream.core.frame import Image
from har_stream.recognition.person.key_points import TORSO
from har_stream.recognition.person.network import PoseNetwork
from training.data.keypoints.turned_square import Points, TurnedSquare, around, whole

QUARTERS = (0.0, math.pi / 2, -math.pi / 2, math.pi)
N_CLOSER = 2
"""Looks at a person who was found, from near and turned upright."""
MOST_APART = 0.06
"""Of a square's side: where two looks place a point farther apart, neither is believed."""


class Teacher:
    """Asks a network, such as MoveNet Lightning (Google 2021), more than once."""

    def __init__(self, network: PoseNetwork) -> None:
        self._network = network

    def look(self, image: Image, square: TurnedSquare) -> Points:
        """Look at a square of an RGB image once."""
        found = self._network.find(square.cut(image, self._network.size_px))
        return square.outside(np.ascontiguousarray(found[:, [1, 0, 2]], np.float32))

    def find(self, image: Image, *, angles: tuple[float, ...]) -> Points:
        """Find somebody: look at all angles, then closer at the surest, turned upright.

        Returns:
            The last look; a score is that of the worse of the last two, and of points that they
            place differently nothing is left of it.
        """
        looks = [self.look(image, whole(image, angle)) for angle in angles]
        best = max(looks, key=sureness)
        for _ in range(N_CLOSER):
            before, near = best, around(best, least=0.1, upright=True)
            if near is None:
                break
            best = self.look(image, near)
            apart = np.hypot(*(best - before)[:, :2].T) / near.side
            scores = np.minimum(best[:, 2], before[:, 2])
            best[:, 2] = np.where(apart < MOST_APART, scores, 0.0)
        return best


def sureness(points: Points) -> float:
    """How sure a look is of shoulders and hips, 0..1."""
    return float(points[TORSO, 2].mean())
