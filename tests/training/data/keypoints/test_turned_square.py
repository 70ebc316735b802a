"""A turned, mirrored square shows a frame's points where it says that they are, and back."""

import math

import numpy as np
import pytest

from training.data.keypoints.turned_square import TurnedSquare, around

DOT = (60, 40)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0.0, math.pi / 2, -2.0])
@pytest.mark.parametrize("size_px", [64, 200])
def test_a_dot_is_seen_where_it_is_said_to_be(angle: float, mirrored: bool, size_px: int) -> None:
    image = np.zeros((100, 120, 3), np.uint8)
    image[DOT[1] - 2 : DOT[1] + 3, DOT[0] - 2 : DOT[0] + 3] = 255
    square = TurnedSquare(70, 50, 110, angle, mirrored)
    points = np.tile(np.array([DOT[0] + 0.5, DOT[1] + 0.5, 1.0], np.float32), (17, 1))
    seen = square.inside(points)
    y, x = np.nonzero(square.cut(image, size_px)[..., 0] > 127)
    np.testing.assert_allclose(
        [x.mean() + 0.5, y.mean() + 0.5], seen[0, :2] * size_px, atol=0.02 * size_px
    )
    np.testing.assert_allclose(square.outside(seen), points, atol=1e-3)


def test_left_and_right_change_places_in_a_mirror() -> None:
    points = np.zeros((17, 3), np.float32)
    points[5, 2] = 0.9  # the left shoulder
    assert TurnedSquare(0, 0, 10, mirrored=True).inside(points)[6, 2] == np.float32(0.9)


def test_a_person_who_lies_is_turned_upright() -> None:
    points = np.zeros((17, 3), np.float32)
    points[[5, 6]] = (20, 45, 1), (20, 55, 1)
    points[[11, 12]] = (60, 46, 1), (60, 54, 1)  # the head to the left
    square = around(points, upright=True)
    assert square is not None
    seen = square.inside(points)
    assert seen[[5, 6], 1].mean() < seen[[11, 12], 1].mean() - 0.1
    np.testing.assert_allclose(seen[[5, 6], 0].mean(), seen[[11, 12], 0].mean(), atol=1e-3)


def test_nobody_is_around_no_torso() -> None:
    assert around(np.zeros((17, 3), np.float32)) is None
