"""Who is found counts where something has moved: people do, furniture does not."""

import numpy as np
import pytest

from har_stream.core.frame import Image
from har_stream.recognition.person.key_points import TORSO, Box, KeyPoints
from har_stream.recognition.person.movement import LATELY_S, Movement
from har_stream.recognition.person.room import Room

SAMPLE_HZ = 5.0
CHAIR: Box = (0.1, 0.5, 0.25, 0.9)
SOFA: Box = (0.5, 0.5, 0.9, 0.8)


def _at(box: Box) -> KeyPoints:
    """Somebody whom a network finds there, and is sure of."""
    left, top, right, bottom = box
    points = np.full((17, 3), 0.9, np.float32)
    points[:, 0], points[:, 1] = np.linspace(left, right, 17), np.linspace(top, bottom, 17)
    points[TORSO, :2] = (left + right) / 2, (top + bottom) / 2
    return KeyPoints(points, 4 / 3)


class _Watch:
    """A room with a chair and a sofa, and what moves in it."""

    def __init__(self, *, noise: float = 0.0) -> None:
        self._room = Room()
        self._movement = Movement(self._room, sample_hz=SAMPLE_HZ)
        self._rng, self._noise = np.random.default_rng(0), noise

    def see(self, person: Box | None = None, *, finds: Box) -> bool:
        """Show the next frame, with a person; say whether who is found counts."""
        image = np.full((120, 160, 3), 120.0)
        if person is not None:
            left, top, right, bottom = np.round(np.multiply(person, (160, 120, 160, 120))).astype(
                int
            )
            image[top:bottom, left:right] = 30
        image += self._rng.normal(0, self._noise, image.shape)
        shown: Image = np.clip(image, 0, 255).astype(np.uint8)
        self._room.see(shown)
        self._movement.see()
        counts = self._movement.vouches_for(_at(finds))
        if counts:
            self._movement.follow(finds)
        self._room.learn(finds if counts or not self._movement.has_begun else None)
        return counts


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_furniture_that_a_network_takes_for_somebody_never_counts(noise: float) -> None:
    watch = _Watch(noise=noise)
    assert not any(watch.see(finds=CHAIR) for _ in range(40))


def test_who_has_moved_counts_however_long_they_lie_still() -> None:
    watch = _Watch()
    assert not watch.see((0.5, 0.2, 0.6, 0.8), finds=SOFA)
    assert all(watch.see(SOFA, finds=SOFA) for _ in range(200))


def test_furniture_that_somebody_passes_does_not_count_any_more_once_they_have_gone_on() -> None:
    watch = _Watch()
    for left in np.linspace(0.0, 0.6, 10):
        walker = (left, 0.2, left + 0.1, 0.9)
        watch.see(walker, finds=walker)
    counted = [watch.see(walker, finds=CHAIR) for _ in range(round(2 * LATELY_S * SAMPLE_HZ))]
    assert not counted[-1]
    assert watch.see(walker, finds=walker)
