"""C3D: eight 3D convolutions over frames and time (Tran et al. 2015, figure 3)."""

import keras
from keras import layers, ops

from har_stream.bundles.bundle import Memory, Role
from har_stream.core.frame import ClipSpec

MEMORY: Memory = "ring"
BLOCKS = ((64, 1, 1), (128, 1, 2), (256, 2, 2), (512, 2, 2), (512, 2, 2))
"""Filters, convolutions, and frames that are pooled into one, block by block."""
N_UNITS = 4096
"""Of each of the two dense layers."""


def build(n_labels: int, clip: ClipSpec, *, width: float = 1.0) -> keras.Model:
    """Return the window model: (n_frames, height, width, 3) to probabilities.

    The published network takes 16 frames of 112 x 112; ``width`` is the share of its filters and
    units that is kept.
    """
    stack = [keras.Input((clip.n_frames, clip.height_px, clip.width_px, 3), name="clip")]
    for filters, n_convolutions, n_pooled in BLOCKS:
        for _ in range(n_convolutions):
            kept = round(width * filters)
            stack.append(layers.Conv3D(kept, 3, padding="same", activation="relu"))
        stack.append(layers.MaxPooling3D((n_pooled, 2, 2), padding="same"))
    stack.append(layers.Flatten())
    for _ in range(2):
        stack.append(layers.Dense(round(width * N_UNITS), activation="relu"))
        stack.append(layers.Dropout(0.5))
    stack += [layers.Dense(n_labels), layers.Softmax()]
    return keras.Sequential(stack, name="c3d")


def split(model: keras.Model) -> dict[Role, keras.Model]:
    """Return the head alone: the ring keeps the frames themselves."""
    x = features = keras.Input(model.input_shape[1:], name="features")
    for layer in model.layers[:-1]:
        if isinstance(layer, layers.MaxPooling3D):
            x = _pooled(x, layer.pool_size[0])
        elif not isinstance(layer, layers.Dropout):
            x = layer(x)
    return {"head": keras.Model({"features": features}, {"logits": x}, name="head")}


def _pooled(x: keras.KerasTensor, n_pooled: int) -> keras.KerasTensor:
    """What `MaxPooling3D` of so many frames computes; LiteRT has 2D pooling only."""
    n_frames = x.shape[1]
    folded = ops.reshape(x, (-1, *x.shape[2:]))
    pooled = layers.MaxPooling2D(2, padding="same")(folded)
    x = ops.reshape(pooled, (-1, n_frames, *pooled.shape[1:]))
    if n_pooled == 1:
        return x
    odd = x[:, 1::2]
    if n_frames % 2:
        odd = ops.concatenate([odd, x[:, -1:]], axis=1)
    return ops.maximum(x[:, ::2], odd)
