"""A square is looked at once, in this run and the next."""

from pathlib import Path

import numpy as np
import pytest

from har_stream.recognition.person.network import PoseNetwork
from training.fitting.postures.remembered_pose import RememberedPose


def test_what_was_found_is_found_again_without_a_look(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = (shared / "weights/movenet_lightning").glob("*.tflite")
    squares = np.random.default_rng(0).integers(0, 255, (2, 192, 192, 3)).astype(np.uint8)
    expected = [PoseNetwork(path).find(square) for square in squares]
    pose = RememberedPose(path, folder=tmp_path)
    assert pose.size_px == 192
    for square, found in zip(squares, expected, strict=True):
        np.testing.assert_array_equal(pose.find(square), found)
    pose.keep()
    monkeypatch.delattr(PoseNetwork, "find")  # whoever looks now fails
    again = RememberedPose(path, folder=tmp_path)
    for square, found in zip(squares, expected, strict=True):
        np.testing.assert_array_equal(again.find(square), found)
