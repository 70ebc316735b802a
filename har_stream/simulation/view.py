"""How the camera sees the room: a pinhole camera, a little different in every home.

Room coordinates in metres: x to the right, y up, z away from the camera.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def xyz(x: float, y: float, z: float) -> Array:
    """A point or an offset in the room, shape (3,), metres."""
    return np.array([x, y, z])


@dataclass(frozen=True, slots=True)
class View:
    """A fixed camera.

    Attributes:
        position: Where it hangs, shape (3,), metres.
        axes: Right, up and forward of the camera as rows, shape (3, 3).
        focal: Focal length in image heights.
        mirrored: The whole home is seen mirrored.
    """

    position: Array
    axes: Array
    focal: float
    mirrored: bool

    def project(self, points: Array) -> Array:
        """Project room points, shape (..., 3).

        Returns:
            Shape (..., 3): right and down of the image's centre in image heights, and distance
            along the optical axis in metres.
        """
        seen = (points - self.position) @ self.axes.T
        distance = np.maximum(seen[..., 2], 0.1)
        right = seen[..., 0] * self.focal / distance
        down = -seen[..., 1] * self.focal / distance
        return np.stack([-right if self.mirrored else right, down, distance], axis=-1)


def draw_view(rng: np.random.Generator) -> View:
    """Hang the camera somewhere that overlooks the flat, aimed at its middle, a little askew."""
    position = np.array([rng.uniform(-0.7, 0.7), rng.uniform(1.9, 2.6), rng.uniform(-3.6, -2.7)])
    target = np.array([rng.uniform(-0.15, 0.15), rng.uniform(0.7, 0.85), rng.uniform(1.5, 1.9)])
    forward = target - position
    distance = float(np.sqrt(forward @ forward))
    forward /= distance
    roll = rng.normal(0.0, 0.015)
    level = np.cross([np.sin(roll), np.cos(roll), 0.0], forward)
    right = level / np.sqrt(level @ level)
    up = np.cross(forward, right)
    return View(
        position=position,
        axes=np.stack([right, up, forward]),
        focal=distance * rng.uniform(0.29, 0.32),
        mirrored=bool(rng.random() < 0.5),
    )
