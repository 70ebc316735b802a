"""Manifests for tests: what a bundle would say of itself, as far as a test cares."""

from typing import Any

from har_stream.bundles.bundle import Manifest, Provenance
from har_stream.core.frame import PIXELS, ClipSpec


def manifest(**fields: Any) -> Manifest:
    """A manifest without networks; any field may be given."""
    values: dict[str, Any] = {
        "name": "home",
        "about": "none",
        "network": "none",
        "n_parameters": 0,
        "labels": ("cooking", "eating", "sleeping"),
        "clip": ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0),
        "memory": "staggered",
        "hop_frames": 5,
        "pixels": PIXELS,
        "networks": {},
        "provenance": Provenance(
            command="none",
            dataset="none",
            split="none",
            leaks=False,
            seed=27,
            n_train_clips=0,
            n_test_clips=0,
            made_at="2026-01-01T00:00:00Z",
            version="0.1.0",
            licence="MIT",
        ),
    }
    return Manifest(**(values | fields))
