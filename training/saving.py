"""Saves what a run leaves behind whole or not at all; a full disk is said in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from har_stream.errors import InputError
from har_stream.whole_file import replacing_file


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Say what to do where a run's folder cannot be written.

    Raises:
        InputError: In place of any `OSError` of the block.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); an older bundle in it is as it was: "
            "free some space and go on with --resume"
        ) from error


def save_model(model: keras.Model, path: Path) -> None:
    """Replace a `.keras` file whole or not at all."""
    with replacing_file(path) as partial:
        model.save(partial)
