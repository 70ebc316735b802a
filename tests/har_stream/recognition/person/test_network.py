"""What is read out of maps, against the joints that they were drawn of."""

import numpy as np

from har_stream.recognition.person.network import read_maps


def _drawn(points: np.ndarray, n: int) -> np.ndarray:
    """Logits of a bell of one cell around each joint, y and x as shares; shape (n, n, 17)."""
    centres = (np.arange(n) + 0.5)[:, None]
    down, across = (np.exp(-((centres - points[:, k] * n) ** 2) / 2) for k in (0, 1))
    drawn = np.clip(down[:, None] * across[None], 1e-6, 1 - 1e-6)
    return np.log(drawn / (1 - drawn)).astype(np.float32)


def test_a_joint_is_read_where_it_was_drawn_to_a_tenth_of_a_cell() -> None:
    points = np.random.default_rng(1).uniform(0.2, 0.8, (17, 2))
    maps = _drawn(points, 16)
    found = read_maps(maps, 0.0)
    np.testing.assert_allclose(found[:, :2], points, atol=0.1 / 16)
    peaks = 1 / (1 + np.exp(-maps.max(axis=(0, 1))))
    np.testing.assert_allclose(found[:, 2], peaks / 2, atol=1e-5)


def test_nobody_there_leaves_no_score_and_a_corner_is_read() -> None:
    maps = _drawn(np.full((17, 2), 0.01), 16)
    found = read_maps(maps, -80.0)
    assert (found[:, 2] < 1e-6).all()
    assert ((found[:, :2] > 0) & (found[:, :2] < 0.1)).all()
