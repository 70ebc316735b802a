"""What labelled frames teach, and whose do not."""

from pathlib import Path

import numpy as np
import pytest

from har_stream.core.errors import InputError
from training.config import KeypointConfig
from training.data.keypoints.footage import read_footage
from training.data.keypoints.label_file import (
    N_PARTS,
    NOBODY,
    SOMEBODY,
    UNKNOWN,
    LabelledFrame,
    read_labels,
    write_labels,
)

SURE = np.ones((17, 3), np.float32)
UNSURE = np.zeros((17, 3), np.float32)


def _frame(points: np.ndarray, somebody: int, *, part: bool = False) -> LabelledFrame:
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    beside = np.zeros((N_PARTS, 4), int)
    beside[0] = (0, 0, 20, 30) if part else 0
    return LabelledFrame(image, points, somebody, beside)


def _config(*footage: dict[str, object], apart: str = "") -> KeypointConfig:
    return KeypointConfig.model_validate(
        {"name": "n", "about": "a", "licence": "l", "footage": footage, "apart": apart}
    )


def _write(labels: Path) -> None:
    frames = [
        _frame(SURE, UNKNOWN, part=True),
        _frame(UNSURE, SOMEBODY),
        _frame(UNSURE, NOBODY),
        _frame(UNSURE, UNKNOWN),
    ]
    for clip in ("a/one", "a/two", "marks/a/one"):
        write_labels(labels / f"{clip}.npz", frames)


def test_a_frame_is_read_as_it_was_written(tmp_path: Path) -> None:
    beside = np.arange(12).reshape(N_PARTS, 4)
    flat = np.full((60, 80, 3), (200, 90, 20), np.uint8)
    write_labels(tmp_path / "a.npz", [LabelledFrame(flat, SURE, SOMEBODY, beside)] * 2)
    first, second = read_labels(tmp_path / "a.npz")
    np.testing.assert_allclose(first.image.astype(int), flat, atol=6)
    np.testing.assert_array_equal(second.points, SURE)
    np.testing.assert_array_equal(second.beside, beside)


def test_frames_teach_by_what_is_known_of_them(tmp_path: Path) -> None:
    _write(tmp_path)
    footage = read_footage(_config({"clips": "a/*.mp4", "repeat": 2, "alone": True}), tmp_path)
    assert len(footage.people) == 2 * 2 + 3  # each twice, and one marked by eye three times
    assert len(footage.somewhere) == len(footage.rooms) == len(footage.parts) == 3
    assert len(footage.beside) == 2
    assert footage.parts[0].image.shape == (30, 20, 3)
    assert all(frame.points is None for frame in footage.rooms)


def test_who_is_kept_apart_teaches_nothing_marked_or_not(tmp_path: Path) -> None:
    _write(tmp_path)
    footage = read_footage(_config({"clips": "a/*.mp4"}, apart="^a/one"), tmp_path)
    assert len(footage.people) == 1
    with pytest.raises(InputError, match="is left to learn from"):
        read_footage(_config({"clips": "a/*.mp4"}, apart="^a/"), tmp_path)


def test_what_is_not_labelled_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no labels b/.* label-keypoints"):
        read_footage(_config({"clips": "b/*.mp4"}), tmp_path)
