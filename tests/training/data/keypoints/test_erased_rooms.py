"""Empty rooms: the person is gone, and what was never seen is filled from beside."""

import numpy as np
from numpy.typing import NDArray

from har_stream.recognition.person.key_points import KeyPoints
from training.data.keypoints.erased_rooms import N_PICTURES, erase, shoot

WALL = 100


def _room_with(left: int) -> tuple[NDArray[np.uint8], KeyPoints]:
    image = np.full((60, 160, 3), WALL, np.uint8)
    image[20:50, left : left + 15] = 255
    x, y = np.meshgrid([left / 160, (left + 15) / 160], np.linspace(20 / 60, 50 / 60, 9))
    points = np.c_[x.ravel(), y.ravel(), np.full(18, 0.9)][:17].astype(np.float32)
    return image, KeyPoints(points, 160 / 60)


def test_whoever_walks_is_erased() -> None:
    images, found = zip(*(_room_with(left) for left in (10, 60, 110)), strict=True)
    assert np.allclose(erase(images, found), WALL)


def test_whoever_stands_still_is_replaced_by_the_wall_beside() -> None:
    images, found = zip(*[_room_with(60)] * 3, strict=True)
    assert np.allclose(erase(images, found), WALL)


def test_pictures_of_a_room_have_noise() -> None:
    pictures = list(shoot(np.full((20, 30, 3), 120.0, np.float32), np.random.default_rng(3)))
    assert len(pictures) == N_PICTURES
    assert not (pictures[0] == pictures[1]).all()
