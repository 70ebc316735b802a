"""The Keras engine: one compiled step, batched over cameras and rows, for a GPU.

It runs on the backend that Keras is set to (`KERAS_BACKEND`: TensorFlow or JAX). States never leave
the device.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import Bundle, Role
from har_stream.bundles.keras_archive import read_config
from har_stream.core.errors import InputError
from har_stream.recognition.window_rows import WindowRows

Tensor = Any
States = dict[str, Tensor]


class KerasEngine:
    """Runs a bundle's `.keras` files; see `har_stream.recognition.engines.Engine`.

    Cameras are padded to a power of two, so that only few shapes are ever compiled; padding writes
    to one slot more than there are cameras.
    """

    def __init__(self, bundle: Bundle, window_rows: WindowRows) -> None:
        roles = (
            bundle.manifest.networks
        )  # in its order, so that a bad first one is all that is read
        # LiteRT runs the pose network everywhere.
        networks = {role: _load(bundle, role) for role in roles if role != "pose"}
        self._encoder = networks.get("encoder")
        self._advance = networks.get("advance")
        self._head: Any = networks.get("head")
        self._n_frames = window_rows.n_frames
        self._n_rows = window_rows.n_rows
        self._states = {
            name: _ops().zeros((2, *shape)) for name, shape in self._state_shapes().items()
        }
        self._compute = _compiled(self._step)

    @property
    def runs_on(self) -> str:
        """Keras, its backend, and the device that this one computes on."""
        import keras

        return f"Keras with {keras.backend.backend()} on {keras.distribution.list_devices()[0]}"

    def step(
        self,
        frames: NDArray[np.float32],
        *,
        slots: NDArray[np.int64],
        ages: NDArray[np.int32],
        rows: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Take one frame of each of B different cameras; see `Engine.step`."""
        spare = self._reserve(int(slots.max()))
        n = len(slots)
        n_padding = (1 << (n - 1).bit_length()) - n
        logits, self._states = self._compute(
            self._states,
            np.pad(frames, ((0, n_padding), *((0, 0) for _ in frames.shape[1:]))),
            np.pad(slots.astype(np.int32), (0, n_padding), constant_values=spare),
            np.pad(ages, ((0, n_padding), (0, 0))),
            np.pad(rows.clip(0).astype(np.int32), (0, n_padding)),
        )
        found: NDArray[np.float32] = np.asarray(logits)
        return found[:n]

    def _reserve(self, slot: int) -> int:
        """Make room for a slot, by doubling; return the spare one behind the last."""
        n_slots = next(iter(self._states.values())).shape[0]
        while slot >= n_slots - 1:
            self._states = {
                name: _ops().concatenate([state, state]) for name, state in self._states.items()
            }
            n_slots *= 2
        return int(n_slots - 1)

    def _state_shapes(self) -> dict[str, tuple[int, ...]]:
        if self._advance is None:
            return {"ring": self._head.input["features"].shape[1:]}
        inputs, outputs = self._advance.input, self._advance.output
        return {
            name: (self._n_rows, *tensor.shape[1:])
            for name, tensor in inputs.items()
            if name in outputs
        }

    def _step(
        self, states: States, frames: Tensor, slots: Tensor, ages: Tensor, rows: Tensor
    ) -> tuple[Tensor, States]:
        """One step of all cameras, free of side effects: what is compiled."""
        features = frames
        if self._encoder is not None:
            features = self._encoder({"frames": frames}, training=False)["features"]
        if self._advance is None:
            ring, window = self._roll(states["ring"], features, slots, ages[:, 0])
            return self._head({"features": window}, training=False)["logits"], {"ring": ring}
        ops, n_rows = _ops(), self._n_rows
        taken = {name: ops.take(state, slots, axis=0) for name, state in states.items()}
        flat = {name: ops.reshape(state, (-1, *state.shape[2:])) for name, state in taken.items()}
        outputs = self._advance(
            {"features": ops.repeat(features, n_rows, axis=0), "age": ops.reshape(ages, (-1,))}
            | flat,
            training=False,
        )
        for name, state in states.items():
            new = ops.reshape(outputs[name], (-1, *state.shape[1:]))
            states = states | {name: ops.scatter_update(state, slots[:, None], new)}
        logits = ops.reshape(outputs["logits"], (-1, n_rows, outputs["logits"].shape[-1]))
        return ops.take_along_axis(logits, rows[:, None, None], axis=1)[:, 0], states

    def _roll(
        self, ring: Tensor, features: Tensor, slots: Tensor, ages: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Put features into the rings of all cameras; return these and their windows in order."""
        ops, n_frames = _ops(), self._n_frames
        positions = ages % n_frames
        ring = ops.scatter_update(ring, ops.stack([slots, positions], axis=1), features)
        in_order = (positions[:, None] + 1 + ops.arange(n_frames)) % n_frames
        flat = ops.reshape(ring, (-1, *ring.shape[2:]))
        return ring, ops.take(flat, slots[:, None] * n_frames + in_order, axis=0)


def _ops() -> Any:
    import keras

    return keras.ops


def _load(bundle: Bundle, role: Role) -> Any:
    path = bundle.file(role, "keras")
    if path is not None:
        read_config(path)  # before Keras takes long to load, and memory to unpack it
    try:
        import keras
    except ImportError as error:
        raise InputError(
            "the Keras engine is not installed: pip install 'har-stream[train]'"
        ) from error
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a file from a stranger may fail anywhere in Keras
        why = " ".join(str(error).split())[:300]
        raise InputError(f"{path}: Keras cannot read it: {why}") from error


def _compiled(step: Callable[..., Any]) -> Callable[..., Any]:
    import keras

    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            compiled: Callable[..., Any] = tf.function(step, autograph=False, jit_compile=True)
        case "jax":
            import jax

            compiled = jax.jit(step, donate_argnums=0)
        case other:
            raise InputError(f"KERAS_BACKEND={other}: the Keras engine knows tensorflow and jax")
    return compiled
