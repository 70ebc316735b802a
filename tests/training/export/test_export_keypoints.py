"""What is read out of logits, against the joints that they were drawn of."""

import numpy as np
import tensorflow as tf

from training.export.export_keypoints import read_logits
from training.fitting.keypoints.network import draw_maps


def test_a_joint_is_read_where_it_was_drawn_to_a_tenth_of_a_cell() -> None:
    points = np.ones((17, 3), np.float32)
    points[:, :2] = np.random.default_rng(1).uniform(0.2, 0.8, (17, 2))
    drawn = np.clip(np.asarray(draw_maps(points[None], 16))[0], 1e-6, 1 - 1e-6)
    maps = tf.constant(np.log(drawn / (1 - drawn))[None])
    found = read_logits(maps, tf.constant([[0.0]]))[0, 0].numpy()
    np.testing.assert_allclose(found[:, [1, 0]], points[:, :2], atol=0.1 / 16)
    np.testing.assert_allclose(found[:, 2], drawn.max(axis=(0, 1)) / 2, atol=1e-5)
    doubted = read_logits(maps, tf.constant([[1.5]]), doubt=1.5)[0, 0].numpy()
    np.testing.assert_allclose(doubted, found)
