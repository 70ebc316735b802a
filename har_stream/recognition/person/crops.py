"""Square cuts of an image for a single-pose network, upright or turned, and the way back."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.frame import Image

DAY = 0.4
"""Mean of 0..1 that a dark image is brightened to."""


@dataclass(frozen=True, slots=True)
class Square:
    """A square of an image; it may reach beyond its edges, where it is black.

    Attributes:
        x_px: Its centre, to the right.
        y_px: Its centre, downwards.
        side_px: Its side.
        turns: Quarter turns to the left that it is shown with: networks that have seen few people
            who lie find them once they are turned upright.
        brightened: Whether it is shown as bright as a day: the same networks know few nights.
    """

    x_px: float
    y_px: float
    side_px: float
    turns: int = 0
    brightened: bool = False

    def cut(self, image: Image, size_px: int) -> Image:
        """Cut it out of a BGR image.

        Returns:
            RGB, shape (size_px, size_px, 3), uint8.
        """
        height, width = image.shape[:2]
        scale = size_px / self.side_px
        left, top = self.x_px - self.side_px / 2, self.y_px - self.side_px / 2
        # The part of it that lies in the image, in whole pixels of both.
        x = np.clip(np.round([left, left + self.side_px]), 0, width).astype(int)
        y = np.clip(np.round([top, top + self.side_px]), 0, height).astype(int)
        to_x = np.clip(np.round((x - left) * scale), 0, size_px).astype(int)
        to_y = np.clip(np.round((y - top) * scale), 0, size_px).astype(int)
        square = np.zeros((size_px, size_px, 3), np.uint8)
        if min(np.ptp(x), np.ptp(y), np.ptp(to_x), np.ptp(to_y)) > 0:
            square[to_y[0] : to_y[1], to_x[0] : to_x[1]] = cv2.resize(
                image[y[0] : y[1], x[0] : x[1]],
                (int(np.ptp(to_x)), int(np.ptp(to_y))),
                interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
            )
        if self.brightened:
            square = brighten(square)
        return np.ascontiguousarray(np.rot90(square[..., ::-1], self.turns))

    def to_image(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring points of the shown square back to the image.

        Args:
            found: y, x and score, the first two as shares of the square; shape (n, 3).

        Returns:
            x and y in pixels of the image, and score; shape (n, 3), float32.
        """
        x, y = found[:, 1] - 0.5, found[:, 0] - 0.5
        for _ in range(self.turns % 4):
            x, y = -y, x  # a quarter turn to the right
        return np.stack(
            [self.x_px + x * self.side_px, self.y_px + y * self.side_px, found[:, 2]], axis=-1
        ).astype(np.float32)


def whole(image: Image) -> Square:
    """Return the square around a whole image."""
    height, width = image.shape[:2]
    return Square(width / 2, height / 2, max(height, width))


def brighten(image: Image) -> Image:
    """Bring the mean grey level to `DAY` by a power of all levels (gamma correction)."""
    mean = float(np.clip(image.mean() / 255, 0.01, DAY))
    levels = 255 * (np.arange(256) / 255) ** (np.log(DAY) / np.log(mean))
    bright: Image = levels.astype(np.uint8)[image]
    return bright
