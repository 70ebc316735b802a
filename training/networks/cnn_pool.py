"""CNN and pooling: what a pretrained encoder sees on average, and how much of it changes."""

import keras
from keras import layers, ops

from har_stream.bundles.bundle import Memory, Role
from har_stream.core.frame import ClipSpec
from training.config import IMAGENET, EncoderConfig
from training.encoders import pretrained
from training.networks.cnn_transformer import ring_split

MEMORY: Memory = "ring"
LEAST_FRAMES = 2  # change lies between two
WEIGHT_DECAY = 0.02
LEAST = 1e-6
"""The square root is steep at 0; below this it is cut."""


def build(n_labels: int, clip: ClipSpec, *, encoder: EncoderConfig = IMAGENET) -> keras.Model:
    """Return the window model: frames, or a frozen encoder's features of them, to probabilities.

    With few clips this beats networks that learn the order of frames: it has nothing to learn but
    one weight for each label and number.

    Raises:
        InputError: The encoder learns too, and its weights are missing or do not fit.
    """
    stack = [pretrained.window_input(clip, encoder)]
    if not encoder.frozen:
        stack.append(layers.TimeDistributed(pretrained.build_encoder(encoder, clip)))
    stack.append(_pooling(clip.n_frames, pretrained.n_features(encoder), n_labels=n_labels))
    stack.append(layers.Softmax())
    return keras.Sequential(stack, name="cnn_pool")


def split(model: keras.Model) -> dict[Role, keras.Model]:
    """Return head (pooling over the ring's features), and the encoder where it learned."""
    *per_frame, pooling, _ = model.layers
    return ring_split(per_frame, pooling)


def _pooling(n_frames: int, n_features: int, *, n_labels: int) -> keras.Model:
    """Mean, mean change and largest change from frame to frame, under a square root.

    The root brings features, which are rectified and mostly near 0, to one scale (as Perronnin et
    al. 2010 do with Fisher vectors).
    """
    features = keras.Input((n_frames, n_features))
    change = ops.absolute(features[:, 1:] - features[:, :-1])
    pooled = [ops.mean(features, 1), ops.mean(change, 1), ops.max(change, 1)]
    x = ops.sqrt(ops.maximum(ops.concatenate(pooled, -1), LEAST))
    x = layers.Dropout(0.2)(layers.BatchNormalization(center=False, scale=False)(x))
    weak = keras.regularizers.L2(WEIGHT_DECAY)
    return keras.Model(features, layers.Dense(n_labels, kernel_regularizer=weak)(x))
