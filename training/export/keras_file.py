"""Reads models that Keras 2 or 3 has saved, without running anything that lies in the file.

The file's own code (Lambda layers, pickled functions, custom classes) is never loaded: of its
configuration only the numbers of well-known layers are taken, the network is built anew from them,
and the weights are copied in. What Keras 3 refuses, such as Keras 2's `time_major`, falls away.
"""

import json
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import h5py
import keras
from keras import layers, ops
from pydantic import BaseModel, Field, TypeAdapter

from har_stream.bundles.keras_archive import read_config
from har_stream.core.errors import InputError

_KEPT: dict[str, tuple[str, ...]] = {
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "dilation_rate", "use_bias"),
    "ConvLSTM2D": ("filters", "kernel_size", "padding", "return_sequences"),
    "LSTM": ("units", "return_sequences"),
    "Dense": ("units", "use_bias"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "MaxPooling3D": ("pool_size", "strides", "padding"),
    "Dropout": ("rate",),
    "Flatten": (),
}
"""Layers that may occur, and the part of their configuration that shapes what they compute."""
_ACTIVATIONS = ("activation", "recurrent_activation")
_UNUSUAL = ("go_backwards", "stateful")
"""Switches that no network of the family sets, and that would change what is computed."""
_UNREADABLE = (
    OSError,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
    RecursionError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a file that is no model, or a damaged one, may raise."""
_UNBUILDABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What Keras may raise where a layer's numbers are none, or do not go together."""


class Layer(BaseModel):
    """One layer as a model file configures it."""

    class_name: str
    config: dict[str, Any]


_LAYERS = TypeAdapter(Annotated[tuple[Layer, ...], Field(min_length=1)])


@dataclass(frozen=True, slots=True)
class SavedModel:
    """What a model file says about its network.

    Attributes:
        path: The file.
        keras_version: Of the Keras that wrote it.
        layers: Configuration of every layer, in order; at least one.
    """

    path: Path
    keras_version: str
    layers: tuple[Layer, ...]

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Frames, height, width and channels of a window.

        Raises:
            InputError: The file names no such shape.
        """
        config = self.layers[0].config
        shape = config.get("batch_shape") or config.get("batch_input_shape") or []
        sides = shape[1:] if isinstance(shape, list) else []
        if len(sides) != 4 or sides[3] != 3 or not all(isinstance(n, int) and n > 0 for n in sides):
            raise InputError(
                f"{self.path}: takes in {shape}; a window of colour frames is needed, "
                "[null, frames, height, width, 3]"
            )
        n_frames, height_px, width_px, n_channels = sides
        return n_frames, height_px, width_px, n_channels


def read(path: Path) -> SavedModel:
    """Read a model file's configuration.

    Args:
        path: A `.h5` or `.keras` file that holds a Sequential model with its weights.

    Raises:
        InputError: It is no such file.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file; give the .h5 or .keras of model.save()")
    try:
        if not path.is_file():  # a pipe would be waited for
            raise FileNotFoundError
        if zipfile.is_zipfile(path):
            config = read_config(path)
            with zipfile.ZipFile(path) as archive:
                version = str(json.loads(archive.read("metadata.json"))["keras_version"])
        else:
            with h5py.File(path) as file:
                config = json.loads(file.attrs["model_config"])
                version = str(file.attrs.get("keras_version", "2"))
        kind, inner = config["class_name"], config["config"]
        if kind == "Sequential":  # the earliest files list the layers at once
            listed = _LAYERS.validate_python(inner["layers"] if isinstance(inner, dict) else inner)
    except _UNREADABLE as error:
        raise InputError(
            f"{path}: no model saved by Keras; give the .h5 or .keras file of model.save(), which "
            "holds the network as well as its weights"
        ) from error
    if kind != "Sequential":
        raise InputError(f"{path}: a {kind} model; only Sequential ones can be imported")
    return SavedModel(path, version, listed)


def build(saved: SavedModel) -> keras.Sequential:
    """Build the network of a model file anew, with its weights.

    Raises:
        InputError: It has a layer that may not be taken from a file or that cannot be built, or its
            weights do not fit.
    """
    model = keras.Sequential([keras.Input(saved.input_shape, name="clip")])
    for layer in saved.layers:
        if layer.class_name != "InputLayer":
            try:
                model.add(_layer(layer, saved))
            except _UNBUILDABLE as error:
                why = " ".join(str(error).split())
                raise InputError(
                    f"{saved.path}: its layer {layer.config.get('name')!r} cannot be built ({why})"
                    "; give a file that Keras itself can load"
                ) from error
    try:
        if zipfile.is_zipfile(saved.path):
            with zipfile.ZipFile(saved.path) as archive, tempfile.TemporaryDirectory() as folder:
                model.load_weights(archive.extract("model.weights.h5", folder))
        else:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "model.h5"  # Keras looks at the ending
                copy.write_bytes(saved.path.read_bytes())
                model.load_weights(copy)
    except _UNREADABLE as error:
        raise InputError(
            f"{saved.path}: its weights do not fit its network; give a file that Keras itself can "
            "load"
        ) from error
    return model


def _layer(layer: Layer, saved: SavedModel) -> keras.Layer:
    name, config = layer.class_name, layer.config
    if name == "TimeDistributed":
        return layers.TimeDistributed(_layer(Layer.model_validate(config["layer"]), saved))
    if name not in _KEPT:
        raise InputError(
            f"{saved.path}: a layer {name!r}, which is not taken from a file; only "
            f"{', '.join(_KEPT)} and TimeDistributed are"
        )
    unusual = [key for key in _UNUSUAL if config.get(key)]
    if unusual or config.get("data_format", "channels_last") != "channels_last":
        raise InputError(
            f"{saved.path}: layer {config.get('name')!r} sets {', '.join(unusual) or 'data_format'}"
            ", which cannot be streamed"
        )
    kept = {key: config[key] for key in _KEPT[name] if key in config}
    functions = {key: _activation(config[key], saved) for key in _ACTIVATIONS if key in config}
    return getattr(layers, name)(**kept, **functions)


def _activation(name: Any, saved: SavedModel) -> str | Callable[[Any], Any]:
    known = ("linear", "relu", "tanh", "sigmoid", "hard_sigmoid", "softmax")
    if name not in known:
        raise InputError(f"{saved.path}: activation {name!r}; only {', '.join(known)} are known")
    if name == "hard_sigmoid" and saved.keras_version.startswith("2"):
        return hard_sigmoid_of_keras_2
    return str(name)


def hard_sigmoid_of_keras_2(x: Any) -> Any:
    """Keras 2's, steeper than Keras 3's of the same name; its ConvLSTM gates have it by default."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)
