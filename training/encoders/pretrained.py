"""Pretrained networks that turn a frame into features; weights are given, never random."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from har_stream.bundles import weights
from har_stream.bundles.published_weights import WEIGHTS
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from training import config
from training.config import EncoderConfig

KERAS = "keras"
"""In place of a name of weights: Keras' own loader brings them."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """The range of pixels that weights were learned with."""

    scale: float
    offset: float
    colour: str = "rgb"


@dataclass(frozen=True, slots=True)
class Cnn:
    """A network of `keras.applications`, and the layer whose mean over the frame is taken.

    A frame of less than `least_px` on a side would vanish before that layer.
    """

    make: Callable[..., keras.Model]
    alpha: float
    last: str
    n_features: int
    least_px: int = 1


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network from outside that only LiteRT runs, and what it calls its input and output."""

    weights: str
    frames: str
    features: str
    n_features: int
    size_px: int


CNN_PIXELS = Pixels(scale=1 / 127.5, offset=-1.0)
CNNS = {
    "mobilenet_v1": Cnn(keras.applications.MobileNet, 1.0, "conv_pw_12_relu", 1024, least_px=31),
    "mobilenet_v2_035": Cnn(keras.applications.MobileNetV2, 0.35, "out_relu", 1280),
}
"""Howard et al. 2017 up to its last block; Sandler et al. 2018. Both learned from ImageNet."""
BACKBONE_PIXELS = Pixels(scale=1 / 255, offset=0.0)
BACKBONES = {
    "movinet_a0_stream": Backbone("movinet_a0_stream_int8", "image", "logits", 600, 172),
}
"""Kondratyuk et al. 2021, learned from Kinetics-600: it says how much a stream is of each class."""


def n_features(encoder: EncoderConfig) -> int:
    """Numbers that an encoder says of a frame."""
    return (CNNS | BACKBONES)[encoder.network].n_features


def window_input(clip: ClipSpec, encoder: EncoderConfig) -> keras.KerasTensor:
    """Return a window's input: frames, or what a frozen encoder says of them, a row a frame."""
    if encoder.frozen:
        return keras.Input((clip.n_frames, n_features(encoder)), name="features")
    return keras.Input((clip.n_frames, clip.height_px, clip.width_px, 3), name="clip")


def build_encoder(encoder: EncoderConfig, clip: ClipSpec) -> keras.Model:
    """Return a CNN with its weights: normalised (height, width, 3) to (n_features,).

    Its batch normalisation stays as it was learned, whatever else learns.

    Raises:
        InputError: The encoder is no CNN, its weights are missing or another network's, or the
            clip's pixels are too few or not as it learned them.
    """
    cnn = CNNS.get(encoder.network)
    if cnn is None:
        raise InputError(f"encoder {encoder.network} cannot learn here: take {', '.join(CNNS)}")
    check_pixels(clip, CNN_PIXELS)
    config.check_size(clip, of=encoder.network, least_px=cnn.least_px)
    frame = keras.Input((clip.height_px, clip.width_px, 3), name="frame")
    model = cut_trunk(whole_network(cnn, weights=None, input_tensor=frame), cnn)
    if encoder.weights == KERAS:
        model.set_weights(_from_keras(cnn))
    else:
        _load(model, encoder)
    for layer in model.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    return keras.Model(frame, layers.GlobalAveragePooling2D()(model.output), name=encoder.network)


def check_pixels(clip: ClipSpec, pixels: Pixels) -> None:
    """Refuse a clip whose pixels are not as an encoder learned them.

    Raises:
        InputError: With the values to write.
    """
    given = Pixels(round(clip.scale, 6), clip.offset, clip.colour)
    if given != Pixels(round(pixels.scale, 6), pixels.offset):
        raise InputError(
            f"clip: the encoder has learned colour: {pixels.colour}, scale: {pixels.scale:.8f}, "
            f"offset: {pixels.offset:g}; given are {clip.colour}, {clip.scale:.8f}, {clip.offset:g}"
        )


def whole_network(cnn: Cnn, **options: Any) -> keras.Model:
    """Return a CNN as the library has it, without its classes."""
    return cnn.make(alpha=cnn.alpha, include_top=False, **options)


def cut_trunk(model: keras.Model, cnn: Cnn) -> keras.Model:
    """Return a CNN up to the layer that is read; it shares the layers."""
    return keras.Model(model.input, model.get_layer(cnn.last).output)


def load_trunk(network: str, weights: str, size_px: int) -> keras.Model:
    """Return a CNN up to the layer that is read, with its weights, for squares of RGB.

    Raises:
        InputError: The weights are missing or another network's.
    """
    cnn = CNNS[network]
    square = keras.Input((size_px, size_px, 3), name="square")
    model = cut_trunk(whole_network(cnn, weights=None, input_tensor=square), cnn)
    _load(model, EncoderConfig(network=network, weights=weights))
    return model


def _load(model: keras.Model, encoder: EncoderConfig) -> None:
    """Load a trunk's `.weights.h5`, or the `.h5` that the library publishes for the whole."""
    path = weights.find_by_name(encoder.weights, suffixes=(".h5",), known=WEIGHTS)
    try:
        if path.name.endswith(".weights.h5"):
            model.load_weights(path)
        else:
            cnn = CNNS[encoder.network]
            published = whole_network(cnn, weights=str(path))
            model.set_weights(cut_trunk(published, cnn).get_weights())
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"{path}: no weights of {encoder.network}: {error}") from error


def _from_keras(cnn: Cnn) -> list[Any]:
    try:
        pretrained: list[Any] = cut_trunk(whole_network(cnn, weights="imagenet"), cnn).get_weights()
    except Exception as error:  # of the network, and of its own
        raise InputError(
            f"Keras cannot bring the weights ({error}): give encoder.weights a path or a name that "
            "train-har download weights knows"
        ) from error
    return pretrained
