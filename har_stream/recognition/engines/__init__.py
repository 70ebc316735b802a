"""Runtimes that execute a bundle's networks: LiteRT on a CPU, Keras on a GPU."""

import importlib.util
import logging
from pathlib import Path
from typing import Literal

from har_stream.bundles.bundle import Bundle, Format, Role
from har_stream.core.errors import InputError
from har_stream.recognition.engines.engine import Engine
from har_stream.recognition.engines.keras import KerasEngine
from har_stream.recognition.engines.litert import FORMATS, LiteRtEngine
from har_stream.recognition.window_rows import WindowRows

logger = logging.getLogger(__name__)

EngineName = Literal["auto", "litert", "keras"]
BESIDE: frozenset[Role] = frozenset({"pose", "scene", "taught"})
"""Networks of the person stage, which no engine runs."""
GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/kfd"))
"""What an NVIDIA or an AMD driver leaves in the file system; no library is loaded to find out."""


def open_engine(bundle: Bundle, window_rows: WindowRows, *, name: EngineName = "auto") -> Engine:
    """Start the engine that was asked for; `auto` takes Keras where there is a GPU for it.

    Raises:
        InputError: The engine's package or the bundle's files for it are missing.
    """
    networks = bundle.manifest.networks
    if not networks or not all(networks.values()):
        raise InputError(f"{bundle.path}: its manifest names no network; export the bundle anew")
    if name == "auto":
        only_keras = not _has(bundle, *FORMATS)
        name = "keras" if only_keras or _keras_pays(bundle) else "litert"
    logger.info("engine: %s", name)
    if name == "litert":
        _require(bundle, name, *FORMATS)
        return LiteRtEngine(bundle, window_rows)
    _require(bundle, name, "keras")
    return KerasEngine(bundle, window_rows)


def _keras_pays(bundle: Bundle) -> bool:
    has_gpu = any(device.exists() for device in GPU_DEVICES)
    return has_gpu and _has(bundle, "keras") and importlib.util.find_spec("keras") is not None


def _has(bundle: Bundle, *formats: Format) -> bool:
    networks = bundle.manifest.networks.items()
    return all(files.keys() & set(formats) for role, files in networks if role not in BESIDE)


def _require(bundle: Bundle, name: EngineName, *formats: Format) -> None:
    if not _has(bundle, *formats):
        other = "keras" if name == "litert" else "litert"
        raise InputError(
            f"{bundle.path}: this bundle has no files for the {name} engine; take --engine {other}"
        )
