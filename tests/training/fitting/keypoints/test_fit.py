"""A key-point network learns, and its file says what the network says."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from har_stream.config.yaml_file import read_yaml
from har_stream.recognition.person.network import PoseNetwork, read_maps
from training.config import KeypointConfig
from training.data.keypoints.examples import nobody
from training.data.keypoints.squares import Squares
from training.export.export_keypoints import to_tflite, write_tflite
from training.fitting.keypoints.fit import fit
from training.fitting.keypoints.network import build, draw_maps, map_loss, presence_loss


def _squares(n: int, size_px: int) -> Squares:
    """A bright dot where all joints are, or nothing."""
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 40, (n, size_px, size_px, 3)).astype(np.uint8)
    points, somebody = np.stack([nobody()] * n), np.zeros((n, 1), np.float32)
    for k in range(0, n, 2):
        x, y = rng.integers(8, size_px - 8, 2)
        squares[k, y - 6 : y + 6, x - 6 : x + 6] = 250
        points[k, :, :2], somebody[k] = (x / size_px, y / size_px), 1
    return Squares(squares, points, somebody)


@pytest.mark.slow
def test_it_learns_and_its_file_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.fitting.keypoints.fit.ROUND", 8)
    config = read_yaml(Path("configs/keypoints.yaml"), KeypointConfig)
    tiny = config.model_copy(update={"size_px": 64, "batch": 16, "minutes": 0.25})
    network, squares = build(tiny.size_px), _squares(16, 64)

    def same() -> Iterator[Squares]:
        while True:
            yield squares

    def loss() -> float:
        maps, presence = network(squares.squares, training=True)
        lost = map_loss(squares.points, maps) + presence_loss(squares.somebody, presence)
        return float(np.mean(lost))

    before, kept = loss(), tmp_path / "tiny.weights.h5"
    fit(tiny, network, same(), kept)
    assert loss() < before
    network.load_weights(kept)
    path = tmp_path / "tiny.tflite"
    write_tflite(path, to_tflite(network, squares.squares, doubt=0.5))
    square = squares.squares[0]
    maps, presence = (np.asarray(each)[0] for each in network(square[None], training=False))
    known = read_maps(maps, float(presence[0]) - 0.5)
    found = PoseNetwork(path).find(square)
    np.testing.assert_allclose(found[:, 2], known[:, 2], atol=0.1)


def test_a_map_is_highest_at_its_joint_and_low_everywhere_without_it() -> None:
    points = np.full((1, 17, 3), 1.0, np.float32)
    points[0, 0, :2] = 0.7, 0.3
    points[0, 1, :2] = 3.0, 0.3  # outside of the square
    maps = np.asarray(draw_maps(points, 16))[0]
    assert np.unravel_index(maps[..., 0].argmax(), (16, 16)) == (4, 11)
    assert maps[..., 0].max() > 0.8
    assert maps[..., 1].max() < 1e-3


def test_what_is_unknown_teaches_nothing() -> None:
    points = np.zeros((1, 17, 3), np.float32)
    points[0, 0, :] = (-9.0, -9.0, 1.0)  # of the nose alone something is known
    losses = []
    for other in (-9.0, 9.0):
        maps = np.full((1, 2, 2, 17), other, np.float32)
        maps[..., 0] = 0.0
        losses.append(float(map_loss(points, maps)[0]))
    assert losses[0] == losses[1] == pytest.approx(np.log(2))


def test_somebody_who_is_seen_costs_less_than_somebody_who_is_not() -> None:
    somebody = np.array([[1.0], [1.0], [0.0]], np.float32)
    lost = np.asarray(presence_loss(somebody, np.array([[3.0], [-3.0], [-3.0]], np.float32)))
    assert lost[0] == pytest.approx(lost[2])
    assert lost[1] > lost[0] + 2
