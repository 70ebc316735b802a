"""A key-point network becomes one `.tflite` file in 8 bits (Jacob et al. 2018).

It takes a uint8 square of RGB, (1, size, size, 3), and gives logits: maps of COCO's 17 joints,
(1, n, n, 17), and of anybody being there, (1, 1).
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from har_stream.core.atomic_file import replacing_file


def to_tflite(model: keras.Model, squares: NDArray[np.uint8], *, doubt: float = 0.0) -> bytes:
    """Convert a network; weights and what passes between in 8 bits.

    Args:
        model: Of `training.fitting.keypoints.network.build`.
        squares: By whose values the ranges of 8 bits are chosen, shape (n, size, size, 3).
        doubt: Is taken from the logit of somebody being there, so that rooms without anybody
            hardly ever seem to have somebody.
    """
    learned = [tf.constant(variable.numpy()) for variable in model.trainable_variables]
    fixed = [tf.constant(variable.numpy()) for variable in model.non_trainable_variables]

    def find(square: Any) -> Any:
        maps, presence = model.stateless_call(learned, fixed, square, training=False)[0]
        return maps, presence - doubt

    spec = tf.TensorSpec((1, *model.input.shape[1:]), tf.uint8, name="square")
    function = tf.function(find, autograph=False).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([square[None]] for square in squares)
    converted: bytes = converter.convert()
    return converted


def write_tflite(path: Path, converted: bytes) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing_file(path) as partial:
        partial.write_bytes(converted)
