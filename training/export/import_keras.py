"""The tutorials' LRCN and ConvLSTM models become bundles that stream."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from keras import activations, layers

from har_stream.bundles.bundle import Bundle, Manifest, Provenance
from har_stream.core.atomic_file import writing
from har_stream.core.errors import InputError
from har_stream.core.frame import PIXELS, ClipSpec, Image
from training.data import simulated
from training.data.clip import Sampling
from training.encoders.to_litert import check_backend
from training.export import keras_file
from training.export.export_bundle import export_bundle
from training.networks import registry

N_PARITY_WINDOWS = 16
"""Windows of simulated homes on which the bundle must equal the imported model."""
_HOP_S = 1.0
"""The bundle decides about once a second."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model file does not say, and a person has to.

    Attributes:
        labels: Class names in the order of the model's outputs.
        colour: Channel order of the frames that it was trained on.
        sample_hz: Frames per second that it was trained on.
    """

    labels: tuple[str, ...]
    colour: Literal["bgr", "rgb"]
    sample_hz: float


def import_model(path: Path, said: ModelFacts, *, name: str, folder: Path, command: str) -> Bundle:
    """Turn a Keras model file into a bundle whose stream equals the model's own windows.

    Pixels are taken to be scaled to 0..1. The bundle is not calibrated, and its author's figures
    are not taken over: no one here has seen the clips that they were measured on.

    Args:
        path: A `.h5` or `.keras` file; see `training.export.keras_file`.
        said: What the file does not say.
        name: Of the bundle.
        folder: Where the bundle goes.
        command: How it was imported, for the provenance.

    Raises:
        InputError: Keras is not on TensorFlow, the file or what was said cannot be used, the stream
            differs from the model, or the folder cannot be written.
    """
    check_backend()
    if not 0 < said.sample_hz < float("inf"):
        raise InputError(f"--sample-hz {said.sample_hz}: frames a second are above 0")
    if len(set(said.labels)) < max(2, len(said.labels)):
        raise InputError(f"--labels {','.join(said.labels)}: at least two, all different")
    saved = keras_file.read(path)
    model = keras_file.build(saved)
    network = recognise(model, path)
    n_labels = model.output_shape[-1]
    if len(said.labels) != n_labels:
        raise InputError(
            f"{path}: tells {n_labels} classes apart, but --labels names {len(said.labels)}: "
            f"{', '.join(said.labels)}"
        )
    n_frames, height_px, width_px, _ = saved.input_shape
    clip = ClipSpec(n_frames, height_px, width_px, said.sample_hz, colour=said.colour)
    manifest = Manifest(
        name=name,
        about=f"{', '.join(said.labels)}; imported from {path.name}",
        network=network,
        n_parameters=model.count_params(),
        labels=said.labels,
        clip=clip,
        memory=registry.get_network(network).MEMORY,
        hop_frames=min(n_frames, max(1, round(_HOP_S * said.sample_hz))),
        pixels=PIXELS,
        networks={},
        provenance=Provenance(
            command=command,
            dataset="not stated by the imported file",
            split="not stated by the imported file; the tutorials split at random, which leaks",
            leaks=True,
            seed=0,
            n_train_clips=0,
            n_test_clips=0,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            version=version("har-stream"),
            licence=f"that of {path.name}; ask its author",
        ),
    )
    with writing(folder):
        return export_bundle(folder, model=model, manifest=manifest, windows=_windows(clip))


def recognise(model: keras.Sequential, path: Path) -> str:
    """Tell which of our networks a model is, whatever its sizes.

    Raises:
        InputError: It is neither LRCN nor ConvLSTM.
    """
    match model.layers:
        case [*body, last, layers.Dense(activation=activations.softmax, use_bias=True)]:
            if _is_lrcn(body, last):
                return "lrcn"
            if _is_convlstm(body, last):
                return "convlstm"
    found = ", ".join(type(layer).__name__ for layer in model.layers)
    raise InputError(
        f"{path}: neither LRCN (TimeDistributed layers, one LSTM, softmax) nor ConvLSTM (3x3 "
        f"ConvLSTM2D and 1x2x2 MaxPooling3D in turn, Flatten, softmax), but {found}"
    )


def _is_lrcn(per_frame: list[keras.Layer], lstm: keras.Layer) -> bool:
    return (
        bool(per_frame)
        and all(isinstance(layer, layers.TimeDistributed) for layer in per_frame)
        and len(per_frame[-1].output.shape) == 3
        and isinstance(lstm, layers.LSTM)
        and not lstm.return_sequences
        and (lstm.activation, lstm.recurrent_activation) == (activations.tanh, activations.sigmoid)
    )


def _is_convlstm(body: list[keras.Layer], flatten: keras.Layer) -> bool:
    stack = [layer for layer in body if not _is_dropout(layer)]
    return (
        isinstance(flatten, layers.Flatten)
        and len(stack) >= 2
        and len(stack) % 2 == 0
        and all(_is_recurrent_convolution(layer) for layer in stack[::2])
        and all(_is_spatial_pooling(layer) for layer in stack[1::2])
    )


def _is_dropout(layer: keras.Layer) -> bool:
    inner = layer.layer if isinstance(layer, layers.TimeDistributed) else layer
    return isinstance(inner, layers.Dropout)


def _is_recurrent_convolution(layer: keras.Layer) -> bool:
    return (
        isinstance(layer, layers.ConvLSTM2D)
        and layer.return_sequences
        and (layer.kernel_size, layer.padding) == ((3, 3), "valid")
        and layer.activation is activations.tanh
    )


def _is_spatial_pooling(layer: keras.Layer) -> bool:
    return (
        isinstance(layer, layers.MaxPooling3D)
        and (tuple(layer.pool_size), tuple(layer.strides)) == ((1, 2, 2), (1, 2, 2))
        and layer.padding == "same"
    )


def _windows(clip: ClipSpec) -> Image:
    drawn = [simulated.draw_clip(number) for number in range(N_PARITY_WINDOWS)]
    return np.stack([each.frames(Sampling(clip)) for each in drawn])
