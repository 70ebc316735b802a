"""Squares are drawn by other processes while a network learns."""

from pathlib import Path

import numpy as np
import pytest

from training.config import KeypointConfig
from training.data.keypoints import squares
from training.data.keypoints.label_file import NOBODY, UNKNOWN, LabelledFrame, write_labels


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)
    points = np.ones((17, 3), np.float32)
    points[:, :2] = rng.uniform(20, 50, (17, 2))
    person = LabelledFrame(image, points, UNKNOWN, np.array([[0, 0, 30, 30]]))
    room = LabelledFrame(image, np.zeros((17, 3), np.float32), NOBODY, np.zeros((1, 4), int))
    write_labels(tmp_path / "clips/a.npz", [person, room])
    return tmp_path


CONFIG = KeypointConfig.model_validate(
    {
        "name": "n",
        "about": "a",
        "licence": "l",
        "footage": [{"clips": "clips/*.mp4", "alone": True}],
        "size_px": 64,
        "batch": 16,
        "n_squares": 100,
    }
)


def test_a_batch_shows_people_and_nobody_in_their_shares(labels: Path) -> None:
    drawn = squares.draw_squares(CONFIG, labels, seed=1)
    assert drawn.squares.shape == (squares.AT_ONCE, 64, 64, 3)
    assert drawn.points.shape == (squares.AT_ONCE, 17, 3)
    assert 0.35 < drawn.somebody.mean() < 0.8
    again = squares.draw_squares(CONFIG, labels, seed=1)
    np.testing.assert_array_equal(drawn.squares, again.squares)


@pytest.mark.slow
def test_batches_come_from_other_processes_without_end(labels: Path) -> None:
    batches = squares.batches(CONFIG, labels, n_processes=1)
    found = [next(batches) for _ in range(30)]
    batches.close()  # type: ignore[attr-defined]
    assert all(batch.squares.shape == (16, 64, 64, 3) for batch in found)
    assert np.isfinite(found[-1].points).all()
