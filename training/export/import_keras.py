"""The tutorials' LRCN and ConvLSTM models become bundles that stream."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

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
_TITLES = {"lrcn": "LRCN", "convlstm": "ConvLSTM"}
_SOFTMAX = {"activation": activations.softmax, "use_bias": True}
_CONVOLVED = {
    "return_sequences": True,
    "kernel_size": (3, 3),
    "padding": "valid",
    "activation": activations.tanh,
}
_POOLED = {"pool_size": (1, 2, 2), "strides": (1, 2, 2), "padding": "same"}


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
        InputError: It is neither LRCN nor ConvLSTM; a setting that alone differs is named.
    """
    unlike = {"lrcn": _unlike_lrcn(model.layers), "convlstm": _unlike_convlstm(model.layers)}
    for network, differences in unlike.items():
        if differences == []:
            return network
    found = ", ".join(type(layer).__name__ for layer in model.layers)
    nearly = [
        f"; it differs from {_TITLES[network]} in that {' and '.join(differences)}"
        for network, differences in unlike.items()
        if differences
    ]
    raise InputError(
        f"{path}: neither LRCN nor ConvLSTM (TimeDistributed layers, one LSTM, softmax; or 3x3 "
        f"ConvLSTM2D and 1x2x2 MaxPooling3D in turn, Flatten, softmax), but {found}"
        + "".join(nearly)
    )


def _unlike_lrcn(body: list[keras.Layer]) -> list[str] | None:
    """What differs from LRCN; none where the very layers are others."""
    match body:
        case [*per_frame, layers.LSTM() as lstm, layers.Dense() as dense] if per_frame and all(
            isinstance(layer, layers.TimeDistributed) for layer in per_frame
        ):
            flat = len(per_frame[-1].output.shape) == 3
            return [
                *([] if flat else [f"{per_frame[-1].name} leaves more than features of a frame"]),
                *_differences(
                    lstm,
                    return_sequences=False,
                    activation=activations.tanh,
                    recurrent_activation=activations.sigmoid,
                ),
                *_differences(dense, **_SOFTMAX),
            ]
    return None


def _unlike_convlstm(body: list[keras.Layer]) -> list[str] | None:
    """What differs from ConvLSTM; none where the very layers are others."""
    match [layer for layer in body if not _is_dropout(layer)]:
        case [*stack, layers.Flatten(), layers.Dense() as dense] if stack and all(
            isinstance(layer, (layers.ConvLSTM2D, layers.MaxPooling3D)[n % 2])
            for n, layer in enumerate(stack)
        ):
            convolved = [each for layer in stack[::2] for each in _differences(layer, **_CONVOLVED)]
            pooled = [each for layer in stack[1::2] for each in _differences(layer, **_POOLED)]
            unpooled = [f"no MaxPooling3D follows {stack[-1].name}"] if len(stack) % 2 else []
            return [*convolved, *pooled, *unpooled, *_differences(dense, **_SOFTMAX)]
    return None


def _differences(layer: keras.Layer, **wanted: Any) -> list[str]:
    return [
        f"{layer.name} has {setting} {_said(getattr(layer, setting))}, not {_said(value)}"
        for setting, value in wanted.items()
        if _said(getattr(layer, setting)) != _said(value)
    ]


def _said(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "x".join(map(str, value))
    return str(getattr(value, "__name__", value))


def _is_dropout(layer: keras.Layer) -> bool:
    inner = layer.layer if isinstance(layer, layers.TimeDistributed) else layer
    return isinstance(inner, layers.Dropout)


def _windows(clip: ClipSpec) -> Image:
    drawn = [simulated.draw_clip(number) for number in range(N_PARITY_WINDOWS)]
    return np.stack([each.frames(Sampling(clip)) for each in drawn])
