"""Keras models become LiteRT files."""

from typing import Any, Literal

import keras

from har_stream.bundles.bundle import Format
from har_stream.core.errors import InputError

NumberFormat = Literal["float32", "float16", "int8"]
FORMATS: dict[NumberFormat, Format] = {
    "float32": "litert",
    "float16": "litert_float16",
    "int8": "litert_int8",
}


def check_backend() -> None:
    """Refuse a Keras backend whose networks cannot become LiteRT files.

    Raises:
        InputError: It is not TensorFlow.
    """
    if (backend := keras.backend.backend()) != "tensorflow":
        raise InputError(f"KERAS_BACKEND={backend}: fit, import and export need tensorflow")


def to_litert(part: keras.Model, *, weights: NumberFormat = "float32") -> bytes:
    """Convert one network with a free batch.

    The weights go in as constants, so that the converter can fuse them into its operations. In 8
    bits, activations take their range from each frame; ranges fixed in advance let the error of a
    recurrent state add up over the window. From 16 bits, LiteRT computes in float32.
    """
    import tensorflow as tf

    trained = [keras.ops.convert_to_numpy(weight) for weight in part.trainable_variables]
    fixed = [keras.ops.convert_to_numpy(weight) for weight in part.non_trainable_variables]

    def compute(**inputs: Any) -> Any:
        constants = [tf.constant(w) for w in trained], [tf.constant(w) for w in fixed]
        return part.stateless_call(*constants, inputs, training=False)[0]

    specs = {
        name: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=name)
        for name, tensor in part.input.items()
    }
    function = tf.function(compute, autograph=False).get_concrete_function(**specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    if weights != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    converted: bytes = converter.convert()
    return converted
