"""The LiteRT engine: small, quick to start, for CPUs and the edge. It never loads TensorFlow.

Cameras are served one after the other: on a CPU a batch of frames costs as much as its frames one
by one, and states that fit the cache are dear to move.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import Bundle, Format, Role
from har_stream.recognition.engines.litert_rows import Rows
from har_stream.recognition.engines.tflite_file import Array, Network
from har_stream.recognition.window_rows import NONE, WindowRows

FORMATS: tuple[Format, ...] = ("litert", "litert_float16", "litert_int8")


class LiteRtEngine:
    """Runs a bundle's `.tflite` files, of any number format; see `engine.Engine`."""

    def __init__(self, bundle: Bundle, window_rows: WindowRows) -> None:
        self._n_labels = len(bundle.manifest.output_names)
        self._encoder = self._rows = self._head = None
        if path := file_of(bundle, "encoder"):
            network = Network(path, outside=bundle.outside("encoder"), clip=bundle.manifest.clip)
            self._encoder = FrameEncoder(network)
        if path := file_of(bundle, "advance"):
            self._rows = Rows(path, n_rows=window_rows.n_rows, n_labels=self._n_labels)
        if path := file_of(bundle, "head"):
            self._head = Network(path)
        self._n_frames = window_rows.n_frames
        self._rings: dict[int, Array] = {}

    @property
    def runs_on(self) -> str:
        """LiteRT, and the threads that it takes for the rows of a camera."""
        n_threads = self._rows.n_threads if self._rows else 1
        return f"LiteRT on {n_threads} CPU threads" if n_threads > 1 else "LiteRT on one CPU thread"

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
        if self._rows:
            logits[:] = self._rows.step(features, slot, ages=ages, row=row)
        elif self._head:
            shape = (self._n_frames, *features.shape[1:])
            ring = self._rings.setdefault(slot, np.zeros(shape, np.float32))
            ring[ages[0] % self._n_frames] = features[0]
            if row != NONE:
                in_order = np.roll(ring, -1 - ages[0] % self._n_frames, axis=0)
                logits[:] = self._head.run({"features": in_order[None]})["logits"][0]


def file_of(bundle: Bundle, role: Role) -> Path | None:
    """Path of a role's `.tflite` file, of whichever numbers the bundle has."""
    found = (bundle.file(role, file_format) for file_format in FORMATS)
    return next((path for path in found if path is not None), None)


class FrameEncoder:
    """A network of one frame; it may have states, such as a pretrained video backbone's.

    Every slot has its own states, and they begin anew where the caller says so: a network from
    outside knows no age.
    """

    def __init__(self, network: Network) -> None:
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
