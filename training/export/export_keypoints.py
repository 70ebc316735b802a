"""A key-point network becomes one `.tflite` file that any tracker of people can take.

It takes what MoveNet takes and gives what MoveNet gives (Google 2021): a uint8 square of RGB,
(1, size, size, 3), to y, x and score of COCO's 17 joints as shares of the square, (1, 1, 17, 3).
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from har_stream.core.atomic_file import replacing_file

NEAR_CELLS = 5
"""Side of the neighbourhood of a map's peak, of which the mean is where the joint is."""


def to_tflite(first: keras.Model, second: keras.Model) -> bytes:
    """Convert both halves and what reads the maps; weights in 8 bits."""
    halves = (first, second)
    constants = [
        (
            [tf.constant(variable.numpy()) for variable in half.trainable_variables],
            [tf.constant(variable.numpy()) for variable in half.non_trainable_variables],
        )
        for half in halves
    ]

    def find(square: Any) -> Any:
        given = square
        for half, (learned, fixed) in zip(halves, constants, strict=True):
            given = half.stateless_call(learned, fixed, given, training=False)[0]
        return read_logits(*given)

    spec = tf.TensorSpec((1, *first.input.shape[1:]), tf.uint8, name="square")
    function = tf.function(find, autograph=False).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converted: bytes = converter.convert()
    return converted


def read_logits(maps: Any, presence: Any) -> Any:
    """Read y, x and score out of maps (1, n, n, 17) and presence (1, 1).

    A joint is at the mean place near its map's peak; its score is that of the peak, times that of
    anybody being there.
    """
    n = maps.shape[1]
    peak = tf.reduce_max(maps, axis=(1, 2), keepdims=True)
    at_peak = tf.cast(maps >= peak, tf.float32)
    near = tf.nn.max_pool2d(at_peak, NEAR_CELLS, 1, "SAME")
    shares = near * tf.sigmoid(maps)
    shares /= tf.reduce_sum(shares, axis=(1, 2), keepdims=True)
    centres = tf.constant((np.arange(n, dtype=np.float32) + 0.5) / n)
    y = tf.reduce_sum(shares * centres[None, :, None, None], axis=(1, 2))
    x = tf.reduce_sum(shares * centres[None, None, :, None], axis=(1, 2))
    score = tf.sigmoid(peak[:, 0, 0]) * tf.sigmoid(presence)
    return tf.stack([y, x, score], axis=-1)[:, None]


def write_tflite(path: Path, converted: bytes) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing_file(path) as partial:
        partial.write_bytes(converted)
