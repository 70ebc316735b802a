"""One `.tflite` file: LiteRT's interpreter, its tensors by name."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import ExternalNetwork
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec

Array = NDArray[Any]

MAX_NUMBERS = 20_000_000
"""Of one input and row: 80 MB."""


class Network:
    """One `.tflite` file, its tensors by name; it computes one row until it is resized.

    Args:
        path: The file.
        outside: What it calls its tensors, where it is not a bundle's own.
        clip: What it must take in, where it takes frames.

    Attributes:
        n_state_bytes: Size of one row's states.
    """

    def __init__(
        self, path: Path, *, outside: ExternalNetwork | None = None, clip: ClipSpec | None = None
    ) -> None:
        self._path = path
        self._interpreter = open_interpreter(path)
        try:
            runner = self._interpreter.get_signature_runner()
            inputs, outputs = runner.get_input_details(), runner.get_output_details()
            del runner  # LiteRT refuses to run while anything else refers to its inside
            if outside is not None:
                inputs["frames"], outputs["features"] = (
                    inputs.pop(outside.frames),
                    outputs[outside.features],
                )
        except (ValueError, LookupError, RuntimeError) as error:
            raise InputError(f"{path}: no network that says what it takes ({error})") from error
        self._states = inputs.keys() & outputs.keys()
        self._inputs = {name: tensor["index"] for name, tensor in inputs.items()}
        self._outputs = {name: tensor["index"] for name, tensor in outputs.items()}
        self._row_shapes = {name: tensor["shape"][1:].tolist() for name, tensor in inputs.items()}
        self._dtypes = {name: tensor["dtype"] for name, tensor in inputs.items()}
        self._check_sizes(clip)
        n_numbers = sum(math.prod(self._row_shapes[name]) for name in self._states)
        self.n_state_bytes = n_numbers * np.dtype(np.float32).itemsize
        self.resize(1)

    def _check_sizes(self, clip: ClipSpec | None) -> None:
        """Refuse inputs of any size that a stranger may write, before room is made for them."""
        sizes = {name: math.prod(shape) for name, shape in self._row_shapes.items()}
        n_expected = clip.height_px * clip.width_px * clip.n_channels if clip else None
        if "frames" in sizes and n_expected not in (None, sizes["frames"]):
            takes = f"{self._path.name} takes frames of {self._row_shapes['frames']}"
            raise InputError(
                f"{self._path.parent}: its networks do not fit its manifest ({takes}); "
                "export the bundle anew"
            )
        if max(sizes.values(), default=0) > MAX_NUMBERS or min(sizes.values(), default=1) < 1:
            raise InputError(f"{self._path}: an input of {max(sizes.values())} numbers")

    def resize(self, n_rows: int) -> None:
        """Compute so many rows at once from now on, all of one frame."""
        for name, shape in self._row_shapes.items():
            n = 1 if name in ("frames", "features") else n_rows
            self._interpreter.resize_tensor_input(self._inputs[name], [n, *shape])
        try:
            with _silenced():
                self._interpreter.allocate_tensors()
        except (RuntimeError, MemoryError) as error:
            why = " ".join(str(error).split())[:200]
            raise InputError(f"{self._path}: LiteRT cannot run it: {why}") from error

    def zero_states(self, n_rows: int) -> dict[str, Array]:
        """Fresh states by name, each of shape (n_rows, ...)."""
        return {
            name: np.zeros((n_rows, *self._row_shapes[name]), self._dtypes[name])
            for name in self._states
        }

    def give(self, name: str, value: Array) -> None:
        """Set one input; it stays until it is set again.

        It may have axes of length 1 too many or too few, as other people's networks have.
        """
        rows = value.reshape(len(value), *self._row_shapes[name])
        self._interpreter.set_tensor(self._inputs[name], rows)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs: views that must be gone before the next run or `give`."""
        for name, value in inputs.items():
            self.give(name, value)
        self._interpreter.invoke()
        return {name: self._interpreter.tensor(n)() for name, n in self._outputs.items()}


@contextmanager
def _silenced() -> Iterator[None]:
    """Send standard error nowhere: LiteRT's native code names its delegate there, unasked."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def open_interpreter(path: Path) -> Any:
    """Open a file in LiteRT, which runs it on one thread.

    Raises:
        InputError: LiteRT is not installed, or cannot read the file.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(
            "the LiteRT engine is not installed: pip install 'har-stream[litert]'"
        ) from error
    try:
        return Interpreter(model_path=str(path), num_threads=1)
    except ValueError as error:
        raise InputError(f"{path}: LiteRT cannot read it; export the bundle anew") from error
