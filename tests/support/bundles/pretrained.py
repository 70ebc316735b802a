"""Weights files of the right shape for tests that must not wait for a download."""

from pathlib import Path

import h5py
import keras
from keras.src.legacy.saving import legacy_h5_format

from training.encoders import pretrained


def write_weights(path: Path, *, network: str = "mobilenet_v2_035", seed: int = 3) -> Path:
    """Save a CNN's random weights as pretrained ones come: `.weights.h5` or the library's `.h5`."""
    keras.utils.set_random_seed(seed)
    frame = keras.Input((32, 48, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    cnn = pretrained.CNNS[network]
    whole = pretrained.whole_network(cnn, weights=None, input_tensor=frame)
    if path.name.endswith(".weights.h5"):
        pretrained.cut_trunk(whole, cnn).save_weights(path)
    else:
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, whole)
    return path
