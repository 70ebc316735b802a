"""A key-point network learns, and its file says what the network says."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from har_stream.config.yaml_file import read_yaml
from har_stream.recognition.person.network import PoseNetwork
from training.config import KeypointConfig
from training.data.keypoints.examples import KnownFrame
from training.data.keypoints.footage import KnownFootage
from training.export.export_keypoints import read_logits, to_tflite, write_tflite
from training.fitting.keypoints.fit import draw_squares, learn
from training.fitting.keypoints.network import build_halves, loss_of


def _footage() -> KnownFootage:
    rng = np.random.default_rng(0)
    room = rng.integers(0, 255, (90, 120, 3)).astype(np.uint8)
    points = np.ones((17, 3), np.float32)
    points[:, :2] = rng.uniform(30, 70, (17, 2))
    return KnownFootage([KnownFrame(room, points)], [KnownFrame(room)])


@pytest.mark.slow
def test_it_learns_and_its_file_agrees(tmp_path: Path) -> None:
    config = read_yaml(Path("configs/keypoints.yaml"), KeypointConfig)
    tiny = config.model_copy(update={"size_px": 64, "n_squares": 50, "steps": 40, "batch": 16})
    first, second = build_halves(tiny.size_px)
    squares = draw_squares(tiny, _footage(), first)
    given = squares.edges.astype(np.float32)

    def loss() -> float:
        return float(loss_of(squares.maps.astype(np.float32), second(given, training=False)))

    before = loss()
    learn(tiny, second, squares, tmp_path / "second.weights.h5")
    assert loss() < before
    path = tmp_path / "tiny.tflite"
    write_tflite(path, to_tflite(first, second))
    square = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    known = read_logits(*second(first(square[None]), training=False)).numpy()[0, 0]
    found = PoseNetwork(path).find(square)
    np.testing.assert_allclose(found[:, 2], known[:, 2], atol=0.02)


def test_what_is_unknown_teaches_nothing() -> None:
    truth = np.full((1, 1, 1, 17), -1.0, np.float32)
    truth[..., 0] = 0.0  # of the nose alone something is known
    unasked = tf.constant([[-40.0]])  # nobody is there, and that is certain
    losses = []
    for other in (-9.0, 9.0):
        maps = np.full_like(truth, other)
        maps[..., 0] = 0.0
        losses.append(float(loss_of(tf.constant(truth), (tf.constant(maps), unasked))))
    assert losses[0] == losses[1] == pytest.approx(np.log(2))
