"""The rows of a camera, each taken one step on by the network that advances them.

Rows are computed in parts whose states stay in a core's cache, and the cores share the parts out.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_stream.recognition.engines.tflite_file import Array, Network

CACHE_BYTES = 1 << 18
"""States of one run. More leave no room for what is computed from them in a core's second-level
cache; ConvLSTM's rows are cheapest one by one, LRCN's all at once."""


class Rows:
    """Steps all rows of a slot, and keeps their states.

    Args:
        path: The network, which takes `features`, `age` and states.
        n_rows: Rows of a slot.
        n_labels: Labels of its logits.

    Attributes:
        n_threads: That share the rows out, each on a core of its own.
    """

    def __init__(self, path: Path, *, n_rows: int, n_labels: int) -> None:
        networks = [Network(path)]
        n_at_once = _rows_at_once(n_rows, networks[0].n_state_bytes)
        self._parts = [slice(n, n + n_at_once) for n in range(0, n_rows, n_at_once)]
        self.n_threads = min(os.cpu_count() or 1, len(self._parts))
        networks += [Network(path) for _ in range(self.n_threads - 1)]
        for network in networks:
            network.resize(n_at_once)
        self._here, *self._elsewhere = networks
        self._pool = ThreadPoolExecutor(max(1, self.n_threads - 1), thread_name_prefix="rows")
        self._n_rows = n_rows
        self._n_labels = n_labels
        self._kept: dict[int, dict[str, Array]] = {}

    def step(self, features: Array, slot: int, *, ages: NDArray[np.int32], row: int) -> Array:
        """Take a slot's rows one step on.

        Args:
            features: Of the frame, shape (1, ...).
            slot: Whose frame it is.
            ages: Ages of its rows before this frame, shape (n_rows,).
            row: The row whose logits are wanted, or `har_stream.recognition.window_rows.NONE`.

        Returns:
            Logits, shape (n_labels,); zeros where no row was asked for.
        """
        states = self._kept.get(slot)
        if states is None:
            states = self._kept[slot] = self._here.zero_states(self._n_rows)
        logits = np.zeros(self._n_labels, np.float32)
        left = iter(self._parts)  # whoever is free takes the next part: cores are not equally busy

        def work(network: Network) -> None:
            network.give("features", features)  # once: an input stays until another is given
            for part in left:
                _advance(network, states, part, ages=ages, row=row, logits=logits)

        others = [self._pool.submit(work, network) for network in self._elsewhere]
        work(self._here)
        for other in others:
            other.result()
        return logits


def _advance(
    network: Network,
    states: dict[str, Array],
    part: slice,
    *,
    ages: NDArray[np.int32],
    row: int,
    logits: Array,
) -> None:
    """Take some rows on. On its own, as LiteRT's views must be gone before its next run."""
    own = {name: state[part] for name, state in states.items()}
    outputs = network.run({"age": ages[part], **own})
    for name, state in own.items():
        np.copyto(state, outputs[name])
    if part.start <= row < part.stop:
        logits[:] = outputs["logits"][row - part.start]


def _rows_at_once(n_rows: int, n_bytes: int) -> int:
    """Rows of one run: an equal part of all of them, whose states stay in a core's cache."""
    n_fitting = max(1, CACHE_BYTES // max(1, n_bytes))
    return max(n for n in range(1, n_rows + 1) if n_rows % n == 0 and n <= n_fitting)
