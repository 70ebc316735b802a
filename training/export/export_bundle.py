"""A window model becomes a bundle: its step form as LiteRT and Keras files, and proof of parity."""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import Bundle, ExternalNetwork, Format, Manifest, Role, save_bundle
from har_stream.core.errors import InputError
from har_stream.core.frame import Image
from har_stream.recognition.engines.litert import LiteRtEngine
from har_stream.recognition.preprocessing import normalise
from har_stream.recognition.window_rows import WindowRows
from training.encoders.to_litert import FORMATS, NumberFormat, check_backend, to_litert
from training.networks import registry

if TYPE_CHECKING:
    from training.encoders.frozen import FrozenEncoder

logger = logging.getLogger(__name__)

TOLERANCE = 1e-5
"""Largest allowed difference of a probability between LiteRT in float32 and the window model."""
MIN_AGREEMENT = 0.98
"""Share of calibration windows on which 8 or 16 bits and the window model give the same label."""
TIE = 0.01
"""A label that the window model holds so nearly as likely as its first is the same: no export is
refused for the toss of a coin."""


class ParityError(InputError):
    """An export is not the network; in another number format it may be."""


def export_bundle(
    path: Path,
    *,
    model: keras.Model,
    manifest: Manifest,
    windows: Image,
    frozen: "FrozenEncoder | None" = None,
    weights: NumberFormat = "float32",
) -> Bundle:
    """Write a bundle, or refuse to where the streamed step differs from the window model.

    Args:
        path: Folder of the bundle; an older one is replaced.
        model: The trained window model of `manifest.network`.
        manifest: All but `networks`, `memory` and `n_parameters`, which are filled in here.
        windows: Prepared windows of real clips on which parity is shown; shape
            (n, n_frames, height, width, 3), uint8.
        frozen: The encoder that the model's features come from, where it is no part of it.
        weights: How the LiteRT files keep numbers; the Keras files keep float32.

    Raises:
        ParityError: The LiteRT step is not the window model within the tolerance.
        InputError: Keras is not on TensorFlow.
    """
    check_backend()
    network = registry.get_network(manifest.network)
    parts = network.split(model)
    clips = seen = normalise(windows, manifest.clip)
    if frozen is not None:
        parts |= frozen.own
        alone = replace(frozen, ticks=1)  # windows are sampled: one stream sees every frame
        seen = np.stack([alone(window) for window in windows])
    litert = FORMATS[weights]
    files: dict[str, bytes] = {}
    networks: dict[Role, dict[Format, str]] = {}
    outside: dict[str, ExternalNetwork] = {}
    for role, part in parts.items():
        networks[role] = {litert: f"{role}.tflite", "keras": f"{role}.keras"}
        files[f"{role}.tflite"] = to_litert(part, weights=weights)
        files[f"{role}.keras"] = _to_keras(part)
    if frozen is not None and frozen.outside is not None:
        networks["encoder"] = {"litert": frozen.path.name}
        outside[frozen.path.name] = frozen.outside
    manifest = manifest.model_copy(
        update={
            "networks": networks,
            "outside": outside,
            "memory": network.MEMORY,
            "n_parameters": _count_parameters(model, frozen),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        candidate = save_bundle(Path(folder) / "candidate", manifest, files)
        check_parity(candidate, expected=model.predict(seen, verbose=0), clips=clips)
    return save_bundle(path, manifest, files)


def check_parity(candidate: Bundle, *, expected: NDArray[Any], clips: NDArray[np.float32]) -> None:
    """Compare the LiteRT step with the window model's probabilities on whole windows.

    Raises:
        ParityError: They differ by more than the tolerance; the message says by how much.
    """
    logits = _stream(candidate, clips)
    found = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    worst = float(np.abs(found - expected).max())
    given = np.take_along_axis(expected, found.argmax(-1)[:, None], axis=-1)[:, 0]
    agreement = float((given >= expected.max(-1) - TIE).mean())
    logger.info("parity: largest difference %.1e, labels agree on %.1f %%", worst, 100 * agreement)
    if all("litert" in formats for formats in candidate.manifest.networks.values()):
        if not worst <= TOLERANCE:
            raise ParityError(
                f"export refused: LiteRT differs from Keras by {worst:.1e} (allowed: {TOLERANCE})"
            )
    elif agreement < MIN_AGREEMENT:
        raise ParityError(
            f"export refused: it agrees with Keras on {agreement:.1%} of the windows "
            f"(needed: {MIN_AGREEMENT:.0%}); export float32 instead"
        )


def _stream(candidate: Bundle, clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of windows that are streamed frame by frame, each as if from a camera of its own."""
    spec = candidate.manifest.clip
    window_rows = WindowRows.from_manifest(candidate.manifest, hop_frames=spec.n_frames)
    engine = LiteRtEngine(candidate, window_rows)
    slots = np.arange(len(clips))
    for tick in range(spec.n_frames):
        ticks = np.full(len(clips), tick)
        ages, rows = window_rows.ages(ticks), window_rows.ending(ticks)
        logits = engine.step(clips[:, tick], slots=slots, ages=ages, rows=rows)
    return logits


def _count_parameters(model: keras.Model, frozen: "FrozenEncoder | None") -> int:
    encoders = frozen.own.values() if frozen is not None else ()
    return int(sum(part.count_params() for part in (model, *encoders)))


def _to_keras(part: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.keras"
        part.save(path)
        return path.read_bytes()
