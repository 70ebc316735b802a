"""A training run's state after every epoch, so that it can go on bit for bit."""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
from numpy.typing import NDArray

from har_stream.core.atomic_file import replacing_file
from har_stream.core.errors import InputError
from training.config import RunConfig
from training.data.batches import Example

FILE = "checkpoint.npz"
Weights = list[NDArray[Any]]
_DAMAGED = (OSError, ValueError, KeyError, EOFError, BadZipFile, NotImplementedError)
"""What NumPy and the zip file below it raise; the last, where a byte asks for unknown packing."""

_NOT_OF_FITTING = {"name", "about", "licence", "data", "split", "deciding", "falls", "keep"}
"""What a config says beside how to fit; data and split decide the clips, which are hashed."""


def hash_of_run(
    train: Sequence[Example], validation: Sequence[Example], config: RunConfig, *, n_labels: int
) -> str:
    """Return a hash of all that decides what a network learns, and of no one's folders."""
    told = config.model_dump(mode="json", exclude=_NOT_OF_FITTING)
    clips = [[(each.name, each.label, len(each.frames)) for each in s] for s in (train, validation)]
    return hashlib.sha256(json.dumps([told, clips, n_labels]).encode()).hexdigest()


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the best weights, stops early, and saves all of it after every epoch.

    Args:
        path: The file; replaced whole, never written in place.
        identity: Of what is learned: see `hash_of_run`.
        patience: Epochs without a better validation loss; none: all epochs, and the last is best.

    Attributes:
        path: The file.
        best_weights: Of the epoch with the least validation loss, or of the last.
        history: One row of losses and metrics per epoch.
        best_epoch: Epoch of the best weights, counted from 1.
        finished: Whether nothing is left to be learned.
    """

    def __init__(self, path: Path, *, identity: str, patience: int | None) -> None:
        super().__init__()
        self.path = path
        self._identity = identity
        self._patience = patience
        self._best_loss = math.inf
        self.history: list[dict[str, float]] = []
        self.best_weights: Weights = []
        self.best_epoch = 0
        self.finished = False

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Stop at a loss that is no number: nothing after it would be worth anything."""
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise InputError(
                f"the loss became {loss} in epoch {len(self.history) + 1}, batch {batch + 1}; "
                "lower fit.learning_rate and start again, or look for damaged clips"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Note the epoch; save.

        Raises:
            InputError: The disk is full; the epoch before stays saved.
        """
        row = {name: float(value) for name, value in (logs or {}).items()}
        self.history.append(row)
        loss = -math.inf if self._patience is None else row["val_loss"]
        if loss < self._best_loss or self._patience is None:
            self._best_loss, self.best_epoch = loss, epoch + 1
            self.best_weights = self.model.get_weights()
        elif epoch + 1 - self.best_epoch >= self._patience:
            self.model.stop_training = True
        self.finished = epoch + 1 == self.params["epochs"] or self.model.stop_training
        self._save()

    def load(self, model: keras.Model) -> None:
        """Bring a compiled model, and this, to where the file left off.

        Raises:
            InputError: The file is damaged, or belongs to another config, other clips or another
                network.
        """
        try:
            with np.load(self.path) as saved:
                noted = json.loads(str(saved["noted"]))
                self._check(noted)
                for n, variable in enumerate(_variables(model)):
                    variable.assign(saved[f"variable_{n}"])
                n_best = len(model.get_weights()) if noted["best_epoch"] else 0
                self.best_weights = [saved[f"best_{n}"] for n in range(n_best)]
        except _DAMAGED as error:
            raise InputError(
                f"{self.path}: does not fit this run ({error}); start again without --resume"
            ) from error
        self.history, self.best_epoch = noted["history"], noted["best_epoch"]
        self._best_loss, self.finished = noted["best_loss"], noted["finished"]

    def _check(self, noted: dict[str, Any]) -> None:
        if noted.get("identity") != self._identity:
            raise InputError(
                f"{self.path}: does not fit this run: it comes of another config or other clips; "
                "leave --resume out, or give another --out"
            )

    def _save(self) -> None:
        noted = {
            "identity": self._identity,
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_loss": self._best_loss,
            "finished": self.finished,
        }
        arrays = {
            f"variable_{n}": keras.ops.convert_to_numpy(variable)
            for n, variable in enumerate(_variables(self.model))
        }
        arrays |= {f"best_{n}": weight for n, weight in enumerate(self.best_weights)}
        try:
            with replacing_file(self.path) as partial:
                np.savez(partial, noted=np.array(json.dumps(noted)), **arrays)
        except OSError as error:
            raise InputError(
                f"{self.path}: epoch {len(self.history)} cannot be saved ({error.strerror}); the "
                "epoch before it is kept: free some space and go on with --resume"
            ) from error


def _variables(model: keras.Model) -> list[Any]:
    """Weights, states of the random generators, and the optimiser's memory."""
    return [*model.variables, *model.optimizer.variables]
