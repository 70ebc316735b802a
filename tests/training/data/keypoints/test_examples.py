"""What a square shows, and what is known of it."""

import numpy as np

from training.data.keypoints.examples import AWAY, KnownFrame, draw, draw_beside, vary


def _person(rng: np.random.Generator, first: int = 255) -> KnownFrame:
    """A person of 17 points by chance, the first of which is a bright dot."""
    image = np.full((96, 128, 3), 20, np.uint8)
    points = np.ones((17, 3), np.float32)
    points[:, :2] = rng.uniform((40, 30), (90, 70), (17, 2))
    x, y = points[0, :2].astype(int)
    image[y - 3 : y + 4, x - 3 : x + 4] = first
    return KnownFrame(image, points)


def test_the_joint_is_in_the_square_where_the_points_say() -> None:
    rng = np.random.default_rng(2)
    near = []
    for _ in range(20):
        example = draw(rng, [_person(rng)], 128)
        assert example.somebody
        x, y = (example.points[0, :2] * 128).astype(int)
        if 4 <= x < 124 and 4 <= y < 124:
            brightness = example.square.max(axis=2)
            near.append(brightness[y - 4 : y + 5, x - 4 : x + 5].max() > np.median(brightness))
    assert len(near) > 10
    assert np.mean(near) > 0.8


def test_of_an_empty_room_all_is_known() -> None:
    rng = np.random.default_rng(0)
    example = draw(rng, [KnownFrame(np.full((90, 120, 3), 90, np.uint8))], 64)
    assert example.square.shape == (64, 64, 3)
    assert not example.somebody
    assert (example.points == [AWAY, AWAY, 1.0]).all()


def test_of_somebody_somewhere_only_that_is_known() -> None:
    frame = KnownFrame(np.full((90, 120, 3), 90, np.uint8), np.zeros((17, 3), np.float32))
    example = draw(np.random.default_rng(0), [frame], 64)
    assert example.somebody
    assert not example.points[:, 2].any()


def test_beside_a_person_there_is_nothing_of_them() -> None:
    rng = np.random.default_rng(4)
    shown = []
    for _ in range(30):
        image = np.full((96, 128, 3), 20, np.uint8)
        image[30:80, 20:50] = 255
        points = np.ones((17, 3), np.float32)
        points[:, :2] = rng.uniform((20, 30), (50, 80), (17, 2))
        points[:2, :2] = (20, 30), (50, 80)
        example = draw_beside(rng, [KnownFrame(image, points)], 64)
        if example is not None:
            assert not example.somebody
            shown.append(np.mean(example.square > 200))
    assert len(shown) > 10
    assert np.mean(np.array(shown) < 0.2) > 0.8  # noise and what is hidden are bright at times


def test_a_person_who_fills_the_frame_leaves_nothing_beside() -> None:
    points = np.ones((17, 3), np.float32)
    points[:, :2] = np.random.default_rng(0).uniform((0, 0), (128, 96), (17, 2))
    frame = KnownFrame(np.zeros((96, 128, 3), np.uint8), points)
    assert draw_beside(np.random.default_rng(0), [frame], 64) is None


def test_what_is_varied_keeps_its_shape_and_is_dark_at_times() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    seen = [vary(rng, image) for _ in range(60)]
    assert {each.shape for each in seen} == {(64, 64, 3)}
    assert min(each.mean() for each in seen) < 40
