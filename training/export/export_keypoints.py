"""A key-point network becomes one `.tflite` file that any tracker of people can take.

It takes what MoveNet takes and gives what MoveNet gives (Google 2021): a uint8 square of RGB,
(1, size, size, 3), to y, x and score of COCO's 17 joints as shares of the square, (1, 1, 17, 3).
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from har_stream.core.atomic_file import replacing_file

NEAR_CELLS = 5
"""Side of the neighbourhood of a map's peak, of which the mean is where the joint is."""


def to_tflite(model: keras.Model, squares: NDArray[np.uint8], *, doubt: float = 0.0) -> bytes:
    """Convert a network and what reads its maps; weights and what passes between in 8 bits.

    Args:
        model: Of `training.fitting.keypoints.network.build`.
        squares: By whose values the ranges of 8 bits are chosen, shape (n, size, size, 3).
        doubt: See `read_logits`.
    """
    learned = [tf.constant(variable.numpy()) for variable in model.trainable_variables]
    fixed = [tf.constant(variable.numpy()) for variable in model.non_trainable_variables]

    def find(square: Any) -> Any:
        given = model.stateless_call(learned, fixed, square, training=False)[0]
        return read_logits(*given, doubt=doubt)

    spec = tf.TensorSpec((1, *model.input.shape[1:]), tf.uint8, name="square")
    function = tf.function(find, autograph=False).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([square[None]] for square in squares)
    converted: bytes = converter.convert()
    return converted


def read_logits(maps: Any, presence: Any, *, doubt: float = 0.0) -> Any:
    """Read y, x and score out of maps (1, n, n, 17) and presence (1, 1).

    A joint is at the mean place near its map's peak; its score is that of the peak, times that of
    anybody being there.

    Args:
        maps: Logits of every cell.
        presence: Logit of somebody being there.
        doubt: Is taken from it, so that rooms without anybody hardly ever seem to have somebody.
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
    score = tf.sigmoid(peak[:, 0, 0]) * tf.sigmoid(presence - doubt)
    return tf.stack([y, x, score], axis=-1)[:, None]


def write_tflite(path: Path, converted: bytes) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing_file(path) as partial:
        partial.write_bytes(converted)
