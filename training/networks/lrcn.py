"""LRCN: a small CNN per frame, an LSTM over the frames (Donahue et al. 2015, as in the study)."""

import math
from collections.abc import Callable

import keras
from keras import layers

from har_stream.bundles.bundle import Memory, Role
from har_stream.core.frame import ClipSpec

MEMORY: Memory = "staggered"
LAYERS = ((16, 4), (32, 4), (64, 2), (64, 2))
"""Filters, and the pixels on each side that are pooled into one."""
LEAST_PX = math.prod(pool for _, pool in LAYERS)


def build(n_labels: int, clip: ClipSpec) -> keras.Model:
    """Return the window model: (n_frames, height, width, 3) to probabilities."""
    per_frame: list[keras.Layer] = []
    for filters, pool in LAYERS:
        if per_frame:
            per_frame.append(layers.Dropout(0.25))
        per_frame.append(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        per_frame.append(layers.MaxPooling2D(pool))
    per_frame.append(layers.Flatten())
    # All layers at once: with `add`, Keras would build the whole stack anew for each.
    return keras.Sequential(
        [
            keras.Input((clip.n_frames, clip.height_px, clip.width_px, 3), name="clip"),
            *map(layers.TimeDistributed, per_frame),
            layers.LSTM(32),
            layers.Dense(n_labels, activation="softmax"),
        ],
        name="lrcn",
    )


def split(model: keras.Model) -> dict[Role, keras.Model]:
    """Return encoder (a frame to its features) and advance (one LSTM step and the head).

    From 64 x 64 pixels, the study's, they are 64 features.
    """
    *per_frame, lstm, head = model.layers
    return {"encoder": frame_encoder(per_frame), "advance": lstm_advance(lstm, head)}


def frame_encoder(per_frame: list[keras.Layer]) -> keras.Model:
    """Return the model of one frame behind `TimeDistributed` layers, which it shares."""
    x = frames = keras.Input(per_frame[0].input.shape[2:], name="frames")
    for timed in per_frame:
        if not isinstance(timed.layer, layers.Dropout):
            x = timed.layer(x)
    return keras.Model({"frames": frames}, {"features": x}, name="encoder")


def lstm_advance(lstm: layers.LSTM, head: layers.Dense) -> keras.Model:
    """Return one step of an LSTM with a softmax head on its last output."""
    features = keras.Input(lstm.input.shape[2:], name="features")
    age = keras.Input((), dtype="int32", name="age")
    hidden = keras.Input((lstm.units,), name="hidden")
    carry = keras.Input((lstm.units,), name="carry")
    lives = keras.ops.cast(age > 0, "float32")[:, None]
    inputs = {"features": features, "age": age, "hidden": hidden, "carry": carry}
    kernel = layers.Dense(4 * lstm.units)
    recurrent_kernel = layers.Dense(4 * lstm.units, use_bias=False)
    logits = layers.Dense(head.units)
    gates = kernel(features) + recurrent_kernel(hidden * lives)
    hidden, carry = lstm_cell(gates, carry * lives)
    outputs = {"logits": logits(hidden), "hidden": hidden, "carry": carry}
    kernel.set_weights([lstm.cell.kernel, lstm.cell.bias])
    recurrent_kernel.set_weights([lstm.cell.recurrent_kernel])
    logits.set_weights(head.get_weights())
    return keras.Model(inputs, outputs, name="advance")


def lstm_cell(
    gates: keras.KerasTensor,
    carry: keras.KerasTensor,
    *,
    gate: Callable[[keras.KerasTensor], keras.KerasTensor] = keras.ops.sigmoid,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return hidden and carry one step on.

    Args:
        gates: What comes to input, forget, cell and output gate, summed up, in this order.
        carry: Of the step before.
        gate: Squashes all but the cell's; imported networks may have another.
    """
    i, f, c, o = keras.ops.split(gates, 4, axis=-1)
    carry = gate(f) * carry + gate(i) * keras.ops.tanh(c)
    return gate(o) * keras.ops.tanh(carry), carry
