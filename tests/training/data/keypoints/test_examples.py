"""What a batch shows, and what is known of it."""

import numpy as np

from training.data.keypoints.examples import IGNORED, STRIDE, KnownFrame, draw, draw_maps


def test_a_map_is_highest_at_its_joint_and_silent_of_what_is_unknown() -> None:
    points = np.zeros((17, 3), np.float32)
    points[0] = 0.7, 0.3, 1.0
    points[1] = 3.0, 0.3, 1.0  # outside of the square
    maps = draw_maps(points, 16)
    assert np.unravel_index(maps[..., 0].argmax(), (16, 16)) == (4, 11)
    assert maps[..., 0].max() > 0.8
    assert maps[..., 1].max() < 1e-3
    assert np.all(maps[..., 2] == IGNORED)


def test_the_joint_is_in_the_square_where_the_map_says() -> None:
    """A person of 17 bright dots, one after another, drawn by chance."""
    rng = np.random.default_rng(2)
    near = []
    for _ in range(20):
        image = np.full((96, 128, 3), 20, np.uint8)
        points = np.zeros((17, 3), np.float32)
        points[:, 2] = 1.0
        points[:, :2] = rng.uniform((40, 30), (90, 70), (17, 2))
        x, y = points[0, :2].astype(int)
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
        square, maps = draw(rng, [KnownFrame(image, points)], 128)
        dots = maps.reshape(-1, 17)
        brightness = square.max(axis=2).reshape(16, STRIDE, 16, STRIDE).max(axis=(1, 3)).ravel()
        where = dots.argmax(axis=0)
        # Of 17 joints the bright one may be the first, or its mirror image.
        if dots[:, 0].max() > 0.5:
            near.append(brightness[where[0]] > np.median(brightness))
    assert len(near) > 5
    assert np.mean(near) > 0.8


def test_of_an_empty_room_all_is_known() -> None:
    rng = np.random.default_rng(0)
    square, maps = draw(rng, [KnownFrame(np.full((90, 120, 3), 90, np.uint8))], 64)
    assert square.shape == (64, 64, 3)
    assert maps.shape == (8, 8, 17)
    assert not maps.any()
