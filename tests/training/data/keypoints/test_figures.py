"""Simulated figures: joints lie on the figure, and left is left."""

import math

import numpy as np
import pytest

from har_stream.recognition.person.key_points import TORSO
from har_stream.simulation.figure import draw_body
from har_stream.simulation.poses import Act, make_pose
from training.data.keypoints.figures import coco_joints, draw_figure, draw_flat


def test_the_joints_lie_where_the_picture_changed() -> None:
    rng = np.random.default_rng(5)
    on_figure = []
    for _ in range(20):
        room = np.full((120, 160, 3), 128, np.uint8)
        image, points = draw_figure(rng, room)
        changed = np.abs(image.astype(int) - room).max(axis=2) > 8
        for x, y in points[TORSO, :2]:
            if 0 <= x < 160 and 0 <= y < 120:
                on_figure.append(changed[int(y), int(x)])
    assert len(on_figure) > 40
    assert np.mean(on_figure) > 0.9


@pytest.mark.parametrize(("heading", "left_is_right"), [(-math.pi / 2, True), (math.pi / 2, False)])
def test_left_is_on_the_right_of_somebody_who_faces_the_camera(
    heading: float, left_is_right: bool
) -> None:
    body = draw_body(np.random.default_rng(1))
    joints = coco_joints(Act(make_pose(1, heading=np.array([heading])), body), body)
    assert (joints[5, 0] > joints[6, 0]) == left_is_right
    assert (joints[3, 0] > joints[4, 0]) == left_is_right  # ears, made from the head
    assert (joints[0, 2] < joints[3, 2]) == left_is_right  # the nose towards the camera


def test_flats_differ_and_are_not_blank() -> None:
    rng = np.random.default_rng(0)
    flats = [draw_flat(rng) for _ in range(4)]
    assert all(flat.shape == (200, 266, 3) and flat.std() > 8 for flat in flats)
    assert np.abs(flats[0].astype(int) - flats[1]).mean() > 10
