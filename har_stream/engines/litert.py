"""The LiteRT engine: small, quick to start, for CPUs and the edge. It never loads TensorFlow.

Cameras are served one after the other: on a CPU a batch of frames costs as much as its frames one
by one, and states that fit the cache are dear to move.
"""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_stream.bundle import Bundle, Format, Outside, Role
from har_stream.errors import InputError
from har_stream.rolling import NONE, Rolling

CACHE_BYTES = 1 << 18
"""States of one run. More leave no room for what is computed from them in a core's second-level
cache; ConvLSTM's rows are cheapest one by one, LRCN's all at once."""
FORMATS: tuple[Format, ...] = ("litert", "litert_float16", "litert_int8")

Array = NDArray[Any]


class LiteRtEngine:
    """Runs a bundle's `.tflite` files, of any number format; see `har_stream.engines.Engine`."""

    runs_on = "LiteRT on the CPU"

    def __init__(self, bundle: Bundle, rolling: Rolling, *, n_threads: int = 1) -> None:
        networks = {
            role: Network(path, outside=bundle.outside(role), n_threads=n_threads)
            for role in bundle.manifest.networks
            if (path := file_of(bundle, role)) is not None
        }
        self._encoder = FrameEncoder(networks["encoder"]) if "encoder" in networks else None
        self._advance = networks.get("advance")
        self._head = networks.get("head")
        self._n_rows = rolling.n_rows
        self._n_at_once = 1
        if self._advance:
            self._n_at_once = _rows_at_once(rolling.n_rows, self._advance.n_state_bytes)
            self._advance.resize(self._n_at_once)
        self._n_frames = rolling.n_frames
        self._n_labels = len(bundle.manifest.labels)
        self._kept: dict[int, dict[str, Array]] = {}

    def step(
        self,
        frames: NDArray[np.float32],
        *,
        slots: NDArray[np.int64],
        ages: NDArray[np.int32],
        rows: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Take one frame of each of B different cameras; see `Engine.step`."""
        logits = np.zeros((len(slots), self._n_labels), np.float32)
        for n, (slot, row) in enumerate(zip(slots.tolist(), rows.tolist(), strict=True)):
            # A frame's work in a function of its own: LiteRT's views must not outlive their frame.
            self._step_one(frames[n : n + 1], slot, ages=ages[n], row=row, logits=logits[n])
        return logits

    def _step_one(
        self, features: Array, slot: int, *, ages: Array, row: int, logits: Array
    ) -> None:
        if self._encoder:
            features = self._encoder.encode(features, slot, begins=bool(ages[0] == 0))
        if self._advance is not None:
            self._advance_rows(features, slot, ages=ages, row=row, logits=logits)
        elif self._head:
            shape = (self._n_frames, *features.shape[1:])
            ring = self._kept.setdefault(slot, {"ring": np.zeros(shape, np.float32)})["ring"]
            ring[ages[0] % self._n_frames] = features[0]
            if row != NONE:
                in_order = np.roll(ring, -1 - ages[0] % self._n_frames, axis=0)
                logits[:] = self._head.run({"features": in_order[None]})["logits"][0]

    def _advance_rows(
        self, features: Array, slot: int, *, ages: Array, row: int, logits: Array
    ) -> None:
        advance = self._advance
        assert advance is not None  # noqa: S101 - narrows the type; the caller looked
        states = self._kept.get(slot)
        if states is None:
            states = self._kept[slot] = advance.zero_states(self._n_rows)
        advance.give("features", features)  # once: an input stays until another is given
        for begin in range(0, self._n_rows, self._n_at_once):
            part = slice(begin, begin + self._n_at_once)
            own = {name: state[part] for name, state in states.items()}
            outputs = advance.run({"age": ages[part], **own})
            for name, state in own.items():
                np.copyto(state, outputs[name])
            if begin <= row < begin + self._n_at_once:
                logits[:] = outputs["logits"][row - begin]
            del outputs  # views must be gone before the next run


def file_of(bundle: Bundle, role: Role) -> Path | None:
    """Path of a role's `.tflite` file, of whichever numbers the bundle has."""
    found = (bundle.file(role, file_format) for file_format in FORMATS)
    return next((path for path in found if path is not None), None)


def _rows_at_once(n_rows: int, n_bytes: int) -> int:
    """Rows of one run: an equal part of all of them, whose states stay in a core's cache."""
    n_fitting = max(1, CACHE_BYTES // max(1, n_bytes))
    return max(n for n in range(1, n_rows + 1) if n_rows % n == 0 and n <= n_fitting)


class FrameEncoder:
    """A network of one frame; it may have states, such as a pretrained video backbone's.

    Every slot has its own states, and they begin anew where the caller says so: a network from
    outside knows no age.
    """

    def __init__(self, network: "Network") -> None:
        self._network = network
        self._kept: dict[int, dict[str, Array]] = {}

    def encode(self, frame: Array, slot: int, *, begins: bool) -> Array:
        """Return the features of a slot's next frame: a view that must be gone before the next.

        Args:
            frame: Normalised, shape (1, height, width, 3).
            slot: Whose frame it is.
            begins: No earlier frame counts.
        """
        states = self._kept.get(slot)
        if states is None or begins:
            states = self._kept[slot] = self._network.zero_states(1)
        outputs = self._network.run({"frames": frame, **states})
        for name, state in states.items():
            np.copyto(state, outputs[name])
        return outputs["features"]


class Network:
    """One `.tflite` file, its tensors by name; it computes one row until it is resized.

    Attributes:
        n_state_bytes: Size of one row's states.
    """

    def __init__(self, path: Path, *, outside: Outside | None = None, n_threads: int = 1) -> None:
        self._interpreter = _open(path, n_threads)
        runner = self._interpreter.get_signature_runner()
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        del runner  # LiteRT refuses to run while anything else refers to its inside
        self._states = inputs.keys() & outputs.keys()
        if outside is not None:
            inputs["frames"], outputs["features"] = (
                inputs.pop(outside.frames),
                outputs[outside.features],
            )
        self._inputs = {name: tensor["index"] for name, tensor in inputs.items()}
        self._outputs = {name: tensor["index"] for name, tensor in outputs.items()}
        self._row_shapes = {name: tensor["shape"][1:].tolist() for name, tensor in inputs.items()}
        self._dtypes = {name: tensor["dtype"] for name, tensor in inputs.items()}
        n_numbers = sum(math.prod(self._row_shapes[name]) for name in self._states)
        self.n_state_bytes = n_numbers * np.dtype(np.float32).itemsize
        self.resize(1)

    def resize(self, n_rows: int) -> None:
        """Compute so many rows at once from now on, all of one frame."""
        for name, shape in self._row_shapes.items():
            n = 1 if name in ("frames", "features") else n_rows
            self._interpreter.resize_tensor_input(self._inputs[name], [n, *shape])
        with _silenced():
            self._interpreter.allocate_tensors()

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


def _open(path: Path, n_threads: int) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(
            "the LiteRT engine is not installed: pip install 'har-stream[litert]'"
        ) from error
    try:
        return Interpreter(model_path=str(path), num_threads=n_threads)
    except ValueError as error:
        raise InputError(f"{path}: LiteRT cannot read it; export the bundle anew") from error
