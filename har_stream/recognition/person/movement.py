"""Furniture does not move, people do: who is found counts where something has moved.

A network may take a chair or a doorway that it does not know for somebody. A find begins to count
where something moves, and goes on counting where the last one was that did, until the picture
there is the empty room's again: who lies still has moved before, and does not look like the room.
"""

import cv2
import numpy as np

from har_stream.recognition.person.key_points import Box, KeyPoints
from har_stream.recognition.person.room import CELLS, Room, cells_of

LATELY_S = 1.0
"""What moves vouches for who is found there for so long."""
LEARNING_S = 2.0
"""In its first seconds a room is not learned where anybody is found: they may be about to move."""
SPECK = np.ones((2, 2), np.uint8)
"""Cells that move alone are a camera's noise."""


class Movement:
    """Where something moves in front of one camera, and who was there.

    Args:
        room: Of the camera; it sees every image first.
        sample_hz: Frames a second.
    """

    def __init__(self, room: Room, *, sample_hz: float) -> None:
        self._room = room
        self._lately_frames = round(LATELY_S * sample_hz)
        self._learning_frames = round(LEARNING_S * sample_hz)
        self._still_frames = np.full(CELLS[::-1], self._lately_frames)
        self._n_seen = 0
        self._person: Box | None = None

    @property
    def has_begun(self) -> bool:
        """Whether who has not moved so far may be taken for a part of the room."""
        return self._n_seen > self._learning_frames

    def see(self) -> None:
        """Take in what has moved in the image that the room has just seen."""
        self._n_seen += 1
        together = cv2.morphologyEx(self._room.moved.astype(np.uint8), cv2.MORPH_OPEN, SPECK)
        self._still_frames = np.where(together > 0, 0, self._still_frames + 1)

    def vouches_for(self, found: KeyPoints) -> bool:
        """Tell whether something moves where somebody is found, or they still are there."""
        if (self._still_frames[cells_of(found.box)] < self._lately_frames).any():
            return True
        return _is_within(found.hips, self._person) and not self._room.is_empty(found.box)

    def follow(self, person: Box) -> None:
        """Remember where somebody is who counts."""
        self._person = person


def _is_within(point: tuple[float, float], box: Box | None) -> bool:
    if box is None:
        return False
    left, top, right, bottom = box
    return left <= point[0] <= right and top <= point[1] <= bottom
