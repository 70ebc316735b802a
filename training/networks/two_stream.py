"""Two-stream: one network sees a frame, another the motion before it (Simonyan, Zisserman 2014)."""

import keras
from keras import layers, ops

from har_stream.bundles.bundle import Memory, Role
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec

MEMORY: Memory = "ring"
MOTION = "flow"
LEAST_FRAMES = 2  # flow lies between two
LEAST_PX = 12  # of less, OpenCV finds no flow
CONVOLUTIONS = (
    (96, 7, 2, "normalised, pooled"),
    (256, 5, 2, "normalised, pooled"),
    (512, 3, 1, ""),
    (512, 3, 1, ""),
    (512, 3, 1, "pooled"),
)
"""Filters, kernel, stride and what follows, as figure 1 has them."""
N_UNITS = (4096, 2048)
"""Of the dense layers."""


def build(n_labels: int, clip: ClipSpec, *, width: float = 1.0) -> keras.Model:
    """Return the window model: (n_frames, height, width, 5) to probabilities.

    The spatial stream sees the last frame, the temporal one the n_frames - 1 flow fields between
    the frames; their probabilities are averaged. The published streams take 224 x 224 pixels and 10
    flow fields, and learned one by one; here they learn together. ``width`` is the share of their
    filters and units that is kept. Batch normalisation stands for local response normalisation.

    Raises:
        InputError: The frames carry no flow.
    """
    if clip.motion != MOTION:
        raise InputError("two_stream sees optical flow: set 'motion: flow' under clip")
    frames = keras.Input((clip.n_frames, clip.height_px, clip.width_px, 5), name="clip")
    still = frames[:, -1, :, :, :3]
    flows = ops.transpose(frames[:, 1:, :, :, 3:], (0, 2, 3, 1, 4))
    stacked = ops.reshape(flows, (-1, *flows.shape[1:3], 2 * flows.shape[3]))
    spatial = _stream("spatial", still.shape[1:], n_labels=n_labels, width=width)
    temporal = _stream("temporal", stacked.shape[1:], n_labels=n_labels, width=width)
    both = layers.Average()([spatial(still), temporal(stacked)])
    return keras.Model(frames, both, name="two_stream")


def split(model: keras.Model) -> dict[Role, keras.Model]:
    """Return the head alone: the ring keeps frames and flow.

    The flow towards the frame before a window is in the ring too; the network leaves it out.
    """
    features = keras.Input(model.input_shape[1:], name="features")
    logits = ops.log(ops.maximum(model(features, training=False), 1e-12))
    return {"head": keras.Model({"features": features}, {"logits": logits}, name="head")}


def _stream(name: str, shape: tuple[int, ...], *, n_labels: int, width: float) -> keras.Model:
    stack = [keras.Input(shape)]
    for filters, kernel, stride, then in CONVOLUTIONS:
        kept = round(width * filters)
        conv = layers.Conv2D(kept, kernel, stride, padding="same", activation="relu")
        stack.append(conv)
        if "normalised" in then:
            stack.append(layers.BatchNormalization())
        if "pooled" in then:
            stack.append(layers.MaxPooling2D(2, padding="same"))
    stack.append(layers.Flatten())
    for n_units in N_UNITS:
        stack.append(layers.Dense(round(width * n_units), activation="relu"))
        stack.append(layers.Dropout(0.5))
    stack.append(layers.Dense(n_labels, activation="softmax"))
    return keras.Sequential(stack, name=name)
