"""Key points of a person, in the order of COCO (Lin et al. 2014)."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

NAMES = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
HEAD = [0, 1, 2, 3, 4]
SHOULDERS, HIPS, KNEES, ANKLES = [5, 6], [11, 12], [13, 14], [15, 16]
TORSO = SHOULDERS + HIPS
"""What is seen of nearly everybody, whatever they do."""
SURE = 0.2
"""Score from which one key point counts."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class KeyPoints:
    """Where one person's joints are in one image.

    Attributes:
        points: x and y as shares of the image's width and height, which may lie outside 0..1, and
            score in 0..1; in the order of `NAMES`, shape (17, 3), float32.
        aspect: Width of the image by its height.
    """

    points: NDArray[np.float32]
    aspect: float

    def without_scores(self) -> "KeyPoints":
        """Return the same points, of which nobody is sure."""
        return replace(self, points=self.points * np.array([1, 1, 0], np.float32))

    @property
    def score(self) -> float:
        """How sure the network is of somebody: mean score of shoulders and hips."""
        return float(self.points[TORSO, 2].mean())

    @property
    def hips(self) -> tuple[float, float]:
        """Middle of the hips, x and y as shares of the image."""
        x, y = self.points[HIPS, :2].mean(0)
        return float(x), float(y)

    @property
    def box(self) -> Box:
        """Around the points that count, at least shoulders and hips: left, top, right, bottom."""
        counts = self.points[:, 2] >= SURE
        counts[TORSO] = True
        (left, top), (right, bottom) = (
            limit(self.points[counts, :2], axis=0) for limit in (np.min, np.max)
        )
        return float(left), float(top), float(right), float(bottom)

    @property
    def size(self) -> float:
        """Diagonal of the box, in image heights."""
        left, top, right, bottom = self.box
        return float(np.hypot((right - left) * self.aspect, bottom - top))
