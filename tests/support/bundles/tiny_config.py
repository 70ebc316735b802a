"""The config of a run that takes seconds, on the clips of `clip_maker.write_dataset`."""

from typing import Any

from training.config import RunConfig

CLIP = {"n_frames": 3, "height_px": 64, "width_px": 64, "sample_hz": 5.0}
CONFIG = """
name: tiny
about: two directions
network: lrcn
data: {classes: [Down, Right]}
split: {held_out: ["3"], validation: 0}
clip: {n_frames: 3, height_px: 64, width_px: 64, sample_hz: 5.0}
fit: {epochs: 1, batch: 8}
"""
"""As a person writes it."""


def tiny_config(**changes: Any) -> RunConfig:
    """One epoch of `lrcn` on clips of 3 frames; what is given takes the place of a whole key."""
    base = {
        "name": "tiny",
        "about": "two directions of motion",
        "network": "lrcn",
        "clip": CLIP,
        "fit": {"epochs": 1, "batch": 8},
    }
    return RunConfig.model_validate(base | changes)
