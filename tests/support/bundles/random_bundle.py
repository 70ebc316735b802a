"""Bundles with random weights and the window models they were made from."""

import functools
import tempfile
from pathlib import Path

import keras
import numpy as np
from support.bundles.manifest_builder import manifest

from har_stream.bundles.bundle import Bundle, Calibration, Manifest
from har_stream.core.frame import ClipSpec, Image
from training.export.export_bundle import export_bundle
from training.networks import registry

_FOLDER = tempfile.TemporaryDirectory(prefix="random-bundles-")
LABELS = ("reading", "cooking", "dancing")


def random_manifest(network: str, clip: ClipSpec, *, hop_frames: int = 5) -> Manifest:
    """What a bundle of this network says, but for what its export fills in."""
    return manifest(
        name=f"random-{network}",
        network=network,
        labels=LABELS,
        clip=clip,
        hop_frames=hop_frames,
        calibration=Calibration(temperature=2.0),
    )


def random_model(network: str, clip: ClipSpec) -> keras.Model:
    """A window model whose probabilities lie far from uniform."""
    keras.utils.set_random_seed(27)
    model = registry.get_network(network).build(len(LABELS), clip)
    model.set_weights([2 * weights for weights in model.get_weights()])
    return model


def random_windows(n: int, clip: ClipSpec) -> Image:
    shape = (n, clip.n_frames, clip.height_px, clip.width_px, 3)
    return np.random.default_rng(27).integers(0, 256, shape, dtype=np.uint8)


@functools.cache
def random_bundle(network: str, clip: ClipSpec) -> tuple[Bundle, keras.Model]:
    """Export once for all tests; the folder lasts as long as the process."""
    model = random_model(network, clip)
    made = export_bundle(
        Path(_FOLDER.name) / f"{network}-{hash(clip)}",
        model=model,
        manifest=random_manifest(network, clip),
        windows=random_windows(2, clip),
    )
    return made, model
