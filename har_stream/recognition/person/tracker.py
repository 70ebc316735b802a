"""Follows one person from frame to frame, at little more than one pass of a network a frame.

The network looks where the person was last; where it is not sure there, it looks again: at what
differs from the room, at the whole image, and at these turned by a quarter, since people who lie
are found once they are turned upright. As MoveNet's own demonstration (Google 2021), but for the
turns and the second looks.
"""

from collections.abc import Iterator
from itertools import cycle, islice

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.frame import Image
from har_stream.recognition.person.crops import Square, whole
from har_stream.recognition.person.key_points import KeyPoints
from har_stream.recognition.person.network import PoseNetwork

FOUND = 0.4
"""Score of `KeyPoints` from which one look is enough."""
KEPT = 0.25
"""Score from which the next frame is looked at in the same place."""
MARGIN = 1.5
"""Side of the square that is looked at, by the longer side of the person's box."""
LEAST_SIDE = 0.25
"""Of that square, by the image's shorter side."""
N_LOOKS = 3
"""Passes of the network for one frame, at most."""
UPRIGHT, LEFT, RIGHT = 0, 1, 3
CELLS = (64, 48)
LEARNING_RATE = 0.02
"""How fast the picture of the empty room follows what is seen."""
CONTRAST = 14.0
"""Grey levels by which a cell differs from the room, or it is the room's."""
N_CELLS = 12
"""Fewer cells are nobody."""


class PersonTracker:
    """The key points of one person in front of one camera.

    Args:
        network: Finds them; it may serve many cameras.
    """

    def __init__(self, network: PoseNetwork) -> None:
        self._network = network
        self._room: NDArray[np.float32] | None = None
        self._last: Square | None = None
        self._later: Iterator[int] = cycle(range(5))
        self.n_looks = 0
        """Passes of the network so far."""

    def follow(self, image: Image) -> KeyPoints:
        """Return the key points in the next frame; their score says whether anybody is there.

        Args:
            image: BGR, shape (height, width, 3), uint8.
        """
        moving = self._differing(image)
        best, where = None, None
        for square in self._looks(image, moving):
            found = self._look(image, square)
            if best is None or found.score > best.score:
                best, where = found, square
            if best.score >= FOUND:
                break
        assert best is not None and where is not None  # noqa: S101 - it looked at least once
        self._last = _around(best, image, where.turns) if best.score >= KEPT else None
        return best

    def _looks(self, image: Image, moving: Square | None) -> Iterator[Square]:
        """Where to look, the likeliest first; what there is no time for has its turn later."""
        if self._last is not None:
            yield self._last
        everything = whole(image)
        wide = self._last or moving or everything
        others = [
            moving or everything,
            everything,
            Square(wide.x_px, wide.y_px, wide.side_px, LEFT),
            Square(wide.x_px, wide.y_px, wide.side_px, RIGHT),
            Square(wide.x_px, wide.y_px, wide.side_px, UPRIGHT),
        ]
        n_left = N_LOOKS - (self._last is not None)
        yield from (others[n] for n in islice(self._later, n_left))

    def _look(self, image: Image, square: Square) -> KeyPoints:
        self.n_looks += 1
        height, width = image.shape[:2]
        points = square.to_image(self._network.find(square.cut(image, self._network.size_px)))
        points[:, :2] /= (width, height)
        return KeyPoints(points, width / height)

    def _differing(self, image: Image) -> Square | None:
        """Return the square around what differs from the room, if much does."""
        height, width = image.shape[:2]
        samples = cv2.resize(image, (2 * CELLS[0], 2 * CELLS[1]), interpolation=cv2.INTER_NEAREST)
        grey = cv2.cvtColor(samples, cv2.COLOR_BGR2GRAY)
        cells = cv2.resize(grey, CELLS, interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._room is None:
            self._room = cells
        change = np.abs(cells - self._room)
        self._room += LEARNING_RATE * (cells - self._room)
        differs = change - np.median(change) > CONTRAST
        if np.count_nonzero(differs) < N_CELLS:
            return None
        y, x = np.nonzero(differs)
        # The outermost cells may be specks.
        (left, right), (top, bottom) = (np.percentile(each, (3, 97)) for each in (x, y))
        unit_x, unit_y = width / CELLS[0], height / CELLS[1]
        side = MARGIN * max((right - left + 1) * unit_x, (bottom - top + 1) * unit_y)
        return Square(
            (left + right + 1) / 2 * unit_x,
            (top + bottom + 1) / 2 * unit_y,
            max(side, LEAST_SIDE * min(height, width)),
        )


def _around(found: KeyPoints, image: Image, turns: int) -> Square:
    """Return the square in which the next frame is looked at."""
    height, width = image.shape[:2]
    left, top, right, bottom = found.box
    side = MARGIN * max((right - left) * width, (bottom - top) * height)
    side = min(max(side, LEAST_SIDE * min(height, width)), 1.25 * max(height, width))
    return Square((left + right) / 2 * width, (top + bottom) / 2 * height, side, turns)
