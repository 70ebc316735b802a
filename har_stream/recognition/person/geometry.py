"""From key points to numbers that mean the same in every room: angles, proportions, heights.

Lengths are in units of the person's own size, as it was seen so far, and up is up: where the camera
hangs and how far away somebody is matter little.
"""

import numpy as np
from numpy.typing import NDArray

from har_stream.recognition.person.key_points import (
    ANKLES,
    HEAD,
    HIPS,
    KNEES,
    SHOULDERS,
    TORSO,
    KeyPoints,
)
from har_stream.recognition.person.room import RoomChange

FORGETTING = 0.995
"""What is left of the size that was seen largest, from frame to frame: half in half a minute."""
SEEN = 0.3
"""Score of `KeyPoints` from which a person's size is believed."""
LEAST = 0.05
"""Least size, in image heights."""
TINY = 1e-3
POSITIONS = 5
"""The first so many features are positions, of which changes tell more than values."""
N_FEATURES = 45


class Geometry:
    """The features of one camera's person, frame by frame."""

    def __init__(self) -> None:
        self._size = 0.0

    def features(self, found: KeyPoints, change: RoomChange) -> NDArray[np.float32]:
        """Return the features of the next frame, shape (N_FEATURES,).

        Args:
            found: The key points.
            change: How the image differs from the empty room.
        """
        at = found.points[:, :2] * (found.aspect, 1.0)  # in image heights
        score = found.points[:, 2]
        left, top, right, bottom = found.box
        wide, high = (right - left) * found.aspect, bottom - top
        size = max(float(np.hypot(wide, high)), TINY)
        self._size = self._size_after(size, found.score)
        unit = self._size
        head, shoulders, hips, knees, ankles = (
            at[joints].mean(0) for joints in (HEAD, SHOULDERS, HIPS, KNEES, ANKLES)
        )
        torso, thigh, shank = hips - shoulders, knees - hips, ankles - knees
        n_torso, n_thigh, n_shank = (
            float(np.linalg.norm(limb)) + TINY for limb in (torso, thigh, shank)
        )
        features = [
            # Positions: x of the hips, and heights.
            *(hips[0] / unit, hips[1] / unit, shoulders[1] / unit, head[1] / unit, bottom / unit),
            # How sure the network is, of all and of parts.
            *(score[TORSO].mean(), score.mean()),
            *(score[part].mean() for part in (HEAD, SHOULDERS, HIPS, KNEES, ANKLES)),
            # Directions of torso, thigh and shank; how long they look.
            *(torso[0] / n_torso, torso[1] / n_torso, abs(torso[0]) / n_torso),
            *(thigh[1] / n_thigh, abs(thigh[0]) / n_thigh, n_thigh / n_torso, thigh[1] / n_torso),
            *(shank[1] / n_shank, abs(shank[0]) / n_shank, n_shank / n_torso),
            np.linalg.norm(at[SHOULDERS[0]] - at[SHOULDERS[1]]) / n_torso,
            *((head - shoulders) / n_torso),
            # The box, and heights above its lower edge.
            np.clip(np.log(max(wide, TINY) / max(high, TINY)), -3, 3),
            *(wide / unit, high / unit, size / unit, n_torso / unit, np.log(unit)),
            *((bottom - hips[1]) / unit, (bottom - shoulders[1]) / unit, (bottom - head[1]) / unit),
            *((ankles[1] - hips[1]) / unit, (ankles[1] - head[1]) / unit),
            # Where in the image, for what is near an edge.
            *(hips[1], shoulders[1], bottom, top),
            # The room behind.
            *(change.known, change.in_box * change.known, change.elsewhere, change.moved),
            float(change.is_dark),
        ]
        return np.clip(np.array(features, np.float32), -5, 5)

    def _size_after(self, size: float, score: float) -> float:
        if score >= SEEN:
            return max(size, self._size * FORGETTING, LEAST)
        return self._size or max(size, LEAST)
