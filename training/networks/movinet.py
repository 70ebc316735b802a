"""MoViNet: a pretrained streaming backbone, frozen, and a head of ours (Kondratyuk et al. 2021)."""

import keras
from keras import layers

from har_stream.bundles.bundle import Memory, Role
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from training.config import EncoderConfig
from training.encoders import pretrained

MEMORY: Memory = "running"
WEIGHT_DECAY = 0.02
STREAM = EncoderConfig(network="movinet_a0_stream", weights="movinet_a0_stream_int8")


def build(n_labels: int, clip: ClipSpec, *, encoder: EncoderConfig = STREAM) -> keras.Model:
    """Return the window model: what the backbone says of n_frames frames to probabilities.

    The backbone remembers all frames since it began; the head reads what it says of the last, which
    grows with time and is therefore brought to one scale, each frame's and then each word's.

    Raises:
        InputError: The encoder is none that remembers, or is to learn.
    """
    if encoder.network not in pretrained.BACKBONES or not encoder.frozen:
        raise InputError(
            f"movinet stands on a frozen {', '.join(pretrained.BACKBONES)}: set encoder.network"
        )
    weak = keras.regularizers.L2(WEIGHT_DECAY)
    return keras.Sequential(
        [
            pretrained.window_input(clip, encoder),
            layers.Cropping1D((clip.n_frames - 1, 0)),
            layers.Flatten(),
            layers.LayerNormalization(center=False, scale=False),
            layers.BatchNormalization(center=False, scale=False),
            layers.Dropout(0.2),
            layers.Dense(n_labels, activation="softmax", kernel_regularizer=weak),
        ],
        name="movinet",
    )


def split(model: keras.Model) -> dict[Role, keras.Model]:
    """Return advance, which is the head alone: all states are the backbone's."""
    _, _, of_frame, of_word, _, head = model.layers
    features = keras.Input(model.input_shape[2:], name="features")
    age = keras.Input((), dtype="int32", name="age")
    logits = layers.Dense(head.units)
    inputs = {"features": features, "age": age}
    advance = keras.Model(inputs, {"logits": logits(of_word(of_frame(features)))}, name="advance")
    logits.set_weights(head.get_weights())
    return {"advance": advance}
