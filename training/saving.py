"""Saves what a run leaves behind whole or not at all; a full disk is said in one line."""

from contextlib import AbstractContextManager
from pathlib import Path

import keras

from har_stream.core.atomic_file import explaining, replacing_file


def saving(folder: Path) -> AbstractContextManager[None]:
    """Say what to do where a run's folder cannot be written.

    Raises:
        InputError: In place of any `OSError` of the block.
    """
    kept = "an older bundle in it is as it was: free some space and go on with --resume"
    return explaining(folder, "cannot be written", remedy=kept)


def save_model(model: keras.Model, path: Path) -> None:
    """Replace a `.keras` file whole or not at all."""
    with replacing_file(path) as partial:
        model.save(partial)
