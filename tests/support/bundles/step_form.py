"""Runs a network's step form tick by tick, in Keras alone, on whatever backend it is set to.

As a program, `step_form.py WEIGHTS.h5` checks tiny networks of all kinds but the study's and those
whose encoder is trained, which take long to compile; with `--train` all, and a training step.
"""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from har_stream.core.frame import ClipSpec
from training.config import EncoderConfig
from training.encoders import pretrained
from training.networks import registry

SMALL = ClipSpec(5, 33, 40, 5.0)
FLOW = ClipSpec(5, 33, 40, 5.0, motion="flow")
PIXELS = pretrained.CNN_PIXELS
IMAGENET = ClipSpec(4, 32, 48, 5.0, "rgb", scale=PIXELS.scale, offset=PIXELS.offset)
FEATURES: dict[str, Any] = {"encoder": EncoderConfig(network="mobilenet_v2_035")}


def trained_encoder(weights: Path) -> dict[str, Any]:
    """Option of a network whose encoder is trained, too."""
    encoder = EncoderConfig(network="mobilenet_v2_035", weights=str(weights), frozen=False)
    return {"encoder": encoder}


def kinds(weights: Path) -> list[tuple[str, ClipSpec, dict[str, Any]]]:
    """Every network, tiny: of frames, or of a frozen encoder's features."""
    return [
        ("lrcn", ClipSpec(3, 64, 80, 5.0), {}),
        ("convlstm", SMALL, {}),
        ("c3d", SMALL, {"width": 0.02}),
        ("two_stream", FLOW, {"width": 0.02}),
        ("cnn_lstm", IMAGENET, FEATURES),
        ("cnn_lstm", IMAGENET, trained_encoder(weights)),
        ("cnn_pool", IMAGENET, FEATURES),
        ("cnn_transformer", IMAGENET, FEATURES),
        ("cnn_transformer", IMAGENET, trained_encoder(weights)),
        ("movinet", SMALL, {}),
    ]


def random_model(name: str, clip: ClipSpec, options: dict[str, Any]) -> keras.Model:
    """A window model of 3 labels whose probabilities lie far from uniform."""
    keras.utils.set_random_seed(5)
    model = registry.get_network(name).build(3, clip, **options)
    trained = [weight for weight in model.trainable_variables if "bias" not in weight.name]
    trained[-1].assign(3 * trained[-1])
    return model


def train_on_noise(model: keras.Model) -> None:
    """One step of gradient descent; fails where its loss is no number."""
    model.compile("sgd", "categorical_crossentropy")
    loss = model.train_on_batch(random_clips(model, 2), np.eye(3)[[0, 1]])
    assert np.isfinite(loss)


def random_clips(model: keras.Model, n: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).random((n, *model.input_shape[1:]), dtype=np.float32)


def streamed(name: str, model: keras.Model, clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of windows that come tick by tick; the states hold an old window's leavings."""
    parts = registry.get_network(name).split(model)
    ticks = [ops.convert_to_tensor(clips[:, tick]) for tick in range(clips.shape[1])]
    if "encoder" in parts:
        ticks = [parts["encoder"]({"frames": frames})["features"] for frames in ticks]
    if "head" in parts:
        logits = parts["head"]({"features": ops.stack(ticks, axis=1)})["logits"]
        return ops.convert_to_numpy(ops.softmax(logits))
    states = {
        key: ops.ones((len(clips), *tensor.shape[1:]))
        for key, tensor in parts["advance"].input.items()
        if key not in ("features", "age")
    }
    for tick, features in enumerate(ticks):
        age = ops.full((len(clips),), tick, dtype="int32")
        outputs = parts["advance"]({"features": features, "age": age, **states})
        states = {key: outputs[key] for key in states}
    return ops.convert_to_numpy(ops.softmax(outputs["logits"]))


def check(name: str, clip: ClipSpec, options: dict[str, Any]) -> keras.Model:
    """Return a tiny network; fail where its step form is not the window model."""
    model = random_model(name, clip, options)
    clips = random_clips(model, 2)
    expected = ops.convert_to_numpy(model(clips, training=False))
    np.testing.assert_allclose(streamed(name, model, clips), expected, atol=1e-5)
    return model


if __name__ == "__main__":
    trains = "--train" in sys.argv
    for kind in kinds(Path(sys.argv[1])):
        has_cnn = kind[2].keys() & {"encoder"} and not kind[2]["encoder"].frozen
        if trains or not (has_cnn or kind[0] in {"lrcn", "convlstm"}):
            made = check(*kind)
            if trains:
                train_on_noise(made)
            print(keras.backend.backend(), kind[0])
