"""Weights files of the right shape for tests that must not wait for a download."""

from pathlib import Path

import keras

from training import encoders


def write_weights(path: Path, *, network: str = "mobilenet_v2_035", seed: int = 3) -> Path:
    """Save a CNN's random weights in the form that pretrained ones come in."""
    keras.utils.set_random_seed(seed)
    frame = keras.Input((32, 48, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    encoders.trunk(encoders.CNNS[network], weights=None, input_tensor=frame).save_weights(path)
    return path
