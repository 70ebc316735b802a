"""A square cut out of a frame, turned by any angle, and points in and out of it."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.frame import Image
from har_stream.recognition.person.key_points import TORSO

Points = NDArray[np.float32]
"""Shape (17, 3): x and y in pixels of the frame, and a score in 0..1; COCO's order."""
LEFT_RIGHT = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
"""Which point of a mirror image each point is."""
SMALLER = 0.75
"""Scale below which a frame is made smaller before it is turned."""


@dataclass(frozen=True, slots=True)
class TurnedSquare:
    """Where a network looks.

    Attributes:
        x: Of its centre, pixels of the frame.
        y: Of its centre.
        side: Pixels of the frame.
        angle: By which the frame is turned clockwise before it is cut, radians.
        mirrored: Left and right change places, after it is turned.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0
    mirrored: bool = False

    def matrix(self, size_px: int) -> NDArray[np.float64]:
        """Return the affine map from the frame to the cut-out's pixels, shape (2, 3)."""
        scale = size_px / self.side
        cosine, sine = scale * math.cos(self.angle), scale * math.sin(self.angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        if self.mirrored:
            turn[0] *= -1
        shift = size_px / 2 - turn @ [self.x, self.y]
        return np.column_stack([turn, shift])

    def cut(self, image: Image, size_px: int) -> Image:
        """Cut it out of an image, black where it reaches beyond."""
        scale = size_px / self.side
        if scale < SMALLER:  # a turn skips pixels; a mean over areas first leaves none out
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            near = replace(self, x=self.x * scale, y=self.y * scale, side=self.side * scale)
            return near.cut(small.astype(np.uint8, copy=False), size_px)
        matrix = self.matrix(size_px)
        matrix[:, 2] += (matrix[:, :2].sum(axis=1) - 1) / 2  # OpenCV's pixels have whole centres
        cut = cv2.warpAffine(image, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR)
        return cut.astype(np.uint8, copy=False)

    def inside(self, points: Points) -> Points:
        """Turn points of the frame into shares of the square, 0..1 where they lie in it."""
        matrix = self.matrix(1)
        moved = points.copy()
        moved[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        return moved[list(LEFT_RIGHT)] if self.mirrored else moved

    def outside(self, points: Points) -> Points:
        """Turn shares of the square into points of the frame."""
        matrix = self.matrix(1)
        moved = points.copy()
        moved[:, :2] = (points[:, :2] - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        return moved[list(LEFT_RIGHT)] if self.mirrored else moved


def whole(image: Image, angle: float = 0.0) -> TurnedSquare:
    """Return the square around a whole frame."""
    height, width = image.shape[:2]
    return TurnedSquare(width / 2, height / 2, max(height, width), angle)


def around(points: Points, *, least: float = 0.2, upright: bool = False) -> TurnedSquare | None:
    """Return the square around a person, as MoveNet's authors cut it; None without a torso.

    Args:
        points: Of one person.
        least: Score of a point that counts.
        upright: Whether to turn the frame so that the head is above the hips.
    """
    torso, sure = points[TORSO], points[points[:, 2] >= least]
    if torso[:2, 2].max() < least or torso[2:, 2].max() < least:
        return None
    x, y = torso[2:, :2].mean(axis=0)
    reach = np.abs(sure[:, :2] - [x, y]).max()
    trunk = np.abs(torso[:, :2] - [x, y]).max()
    angle = 0.0
    if upright:
        ahead_x, ahead_y = torso[:2, :2].mean(axis=0) - [x, y]
        angle = math.atan2(-ahead_x, -ahead_y)
    return TurnedSquare(float(x), float(y), max(20.0, 2 * max(1.9 * trunk, 1.2 * reach)), angle)
