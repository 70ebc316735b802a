"""Follows one person from frame to frame, at little more than one pass of a network a frame.

The network looks where the person was last; where it is not sure there, it looks again: at what
differs from the room, at the whole image, and at these turned by a quarter, since people who lie
are found once they are turned upright. As MoveNet's own demonstration (Google 2021), but for the
turns and the second looks.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice

from har_stream.core.frame import Image
from har_stream.recognition.person.crops import Square, whole
from har_stream.recognition.person.key_points import Box, KeyPoints
from har_stream.recognition.person.network import PoseFinder

FOUND = 0.4
"""Score of `KeyPoints` from which one look is enough."""
KEPT = 0.25
"""Score from which the next frame is looked at in the same place."""
MARGIN = 1.5
"""Side of the square that is looked at, by the longer side of the person's box."""
LEAST_SIDE = 0.25
"""Of that square, by the image's shorter side."""
MOST_SIDE = 1.25
"""Of that square, by the image's longer side."""
N_LOOKS = 3
"""Passes of the network for one frame, at most."""
LEFT, RIGHT = 1, 3
"""Quarter turns that bring somebody who lies upright."""


class PersonTracker:
    """The key points of one person in front of one camera.

    Args:
        network: Finds them; it may serve many cameras.

    Attributes:
        n_looks: Passes of the network so far.
        last: Where the person was seen last; none: nobody was.
        surest: What the network was surest of in the newest frame, whether it counts or not.
    """

    def __init__(self, network: PoseFinder) -> None:
        self._network = network
        self.last: Square | None = None
        self.surest: KeyPoints | None = None
        self._turn_of = cycle(range(4))
        self.n_looks = 0

    def follow(
        self,
        image: Image,
        *,
        moving: Box | None = None,
        is_dark: bool = False,
        counts: Callable[[KeyPoints], bool] | None = None,
    ) -> KeyPoints:
        """Return the key points in the next frame; their score says whether anybody is there.

        Args:
            image: BGR, shape (height, width, 3), uint8.
            moving: What differs from the empty room, as shares of the image.
            is_dark: Second looks are brightened.
            counts: Says whether who is found may be somebody; else their scores become 0.
        """
        best, where, self.surest = None, whole(image), None
        for square in self._looks(image, moving, is_dark=is_dark):
            found = self._look(image, square)
            if self.surest is None or found.score > self.surest.score:
                self.surest = found
            if counts is not None and not counts(found):
                found = found.without_scores()
            if best is None or found.score > best.score:
                best, where = found, square
            if best.score >= FOUND:
                break
        assert best is not None  # noqa: S101 - it looked at least once
        self.last = _around(best.box, image, like=where) if best.score >= KEPT else None
        return best

    def _looks(self, image: Image, moving: Box | None, *, is_dark: bool) -> Iterator[Square]:
        """Where to look, the likeliest first; what there is no time for has its turn later."""
        everything = replace(whole(image), brightened=is_dark)
        elsewhere = _around(moving, image, like=everything) if moving else everything
        near = replace(self.last or elsewhere, brightened=is_dark)
        second = (elsewhere, replace(near, turns=LEFT), everything, replace(near, turns=RIGHT))
        if self.last is not None:
            yield self.last
        n_left = N_LOOKS - (self.last is not None)
        yield from (second[n] for n in islice(self._turn_of, n_left))

    def _look(self, image: Image, square: Square) -> KeyPoints:
        self.n_looks += 1
        height, width = image.shape[:2]
        points = square.to_image(self._network.find(square.cut(image, self._network.size_px)))
        points[:, :2] /= (width, height)
        return KeyPoints(points, width / height)


def _around(box: Box, image: Image, *, like: Square) -> Square:
    """Return the square around a box, shown as another one was."""
    height, width = image.shape[:2]
    left, top, right, bottom = box
    side = MARGIN * max((right - left) * width, (bottom - top) * height)
    side = min(max(side, LEAST_SIDE * min(height, width)), MOST_SIDE * max(height, width))
    x, y = (left + right) / 2 * width, (top + bottom) / 2 * height
    return replace(like, x_px=x, y_px=y, side_px=side)
