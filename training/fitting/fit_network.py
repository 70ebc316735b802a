"""One network learns: `keras.Model.fit` with our batches, checkpoints and a progress bar."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.config import FitConfig, RunConfig
from training.data.batches import Batches, Example, StreamedBatches
from training.fitting.checkpoint import FILE, Checkpoint, hash_of_run
from training.fitting.fold_time import fold_logits, fold_time
from training.fitting.warm_up import warm_up
from training.networks import registry
from training.run_folder import saving_run

logger = logging.getLogger(__name__)

WHOLE, MIXED = "float32", "mixed_float16"
"""Keras' dtype policies; weights and bundle stay in float32 in both."""
LAST_RATE = 0.02
"""Where the cosine schedule ends, as a share of the learning rate."""


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """A network after fitting.

    Attributes:
        model: The window model with its best weights.
        folded: The same, sharing its weights, laid out to run faster.
        history: Losses and metrics per epoch.
        best_epoch: Epoch of these weights, counted from 1.
    """

    model: keras.Model
    folded: keras.Model
    history: list[dict[str, float]]
    best_epoch: int

    def logits(self, windows: keras.utils.PyDataset) -> NDArray[np.float64]:
        """What it says of windows before the softmax of its last layer, shape (n, n_labels)."""
        said: NDArray[np.float32] = fold_logits(self.model).predict(windows, verbose=0)
        return said.astype(np.float64)


def fit_network(
    train: Sequence[Example],
    validation: Sequence[Example],
    config: RunConfig,
    *,
    n_labels: int,
    folder: Path,
    resume: bool,
    start: Callable[[keras.Model], None] | None = None,
) -> FittedNetwork:
    """Fit one network.

    Args:
        train: Clips to learn from, of labels and of none.
        validation: Clips to choose the best epoch by; none: all epochs, and the last is taken.
        config: How.
        n_labels: Labels there are.
        folder: Of the checkpoint; made if need be.
        resume: Go on from the checkpoint, if there is one.
        start: Gives a new model its first weights, where it does not begin from nothing.

    Raises:
        InputError: The loss diverged, or the checkpoint is of another config or other clips, or it
            cannot be written.
    """
    # 1. Where it is kept.
    fit = config.fit
    patience = fit.patience if validation else None
    with saving_run(folder):
        folder.mkdir(parents=True, exist_ok=True)
    identity = hash_of_run(train, validation, config, n_labels=n_labels)
    checkpoint = Checkpoint(folder / FILE, identity=identity, patience=patience)

    # 2. The network, from nothing or from first weights, and how it is fitted.
    keras.utils.set_random_seed(config.seed)
    # JAX raises where it is asked for the devices of a kind that is not there.
    gpus = [name for name in keras.distribution.list_devices() if name.startswith("gpu")]
    policy = choose_policy(mixed=fit.mixed_precision, gpus=gpus)
    batches = Batches(train, config, n_labels=n_labels)
    with dtype_policy(policy):
        model = registry.build(config, n_labels=n_labels)
        if start:
            start(model)
        folded = fold_time(model)
        folded.compile(
            optimizer=keras.optimizers.Adam(_learning_rate(fit, n_steps=len(batches) * fit.epochs)),
            loss="categorical_crossentropy",
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        )
    # With all variables made, TensorFlow traces the first step once, not twice.
    folded.optimizer.build(folded.trainable_variables)
    # 3. On from the last whole epoch, or a warm-up before the first.
    if resume and checkpoint.path.exists():
        checkpoint.load(folded)
        batches.skip_to(len(checkpoint.history))
    elif fit.warm_up:
        warm_up(model, train, config, n_labels=n_labels)
    if not checkpoint.finished:
        with _Bar(folder.name, n_batches=len(batches)) as bar:
            folded.fit(
                batches,
                validation_data=_judged(validation, config, n_labels),
                initial_epoch=len(checkpoint.history),
                epochs=fit.epochs,
                shuffle=False,  # batches shuffle by seed and epoch; Keras would anew after a resume
                callbacks=[checkpoint, bar],
                verbose=0,
            )
    # 4. The best weights, in a network of float32 whichever policy it was fitted in.
    if policy != WHOLE:
        model = registry.build(config, n_labels=n_labels)
        folded = fold_time(model)
    folded.set_weights(checkpoint.best_weights)
    return FittedNetwork(model, folded, checkpoint.history, checkpoint.best_epoch)


def choose_policy(*, mixed: bool, gpus: Sequence[str]) -> str:
    """Say in which of Keras' dtype policies to fit.

    Args:
        mixed: Whether the config asks for mixed precision (Micikevicius et al. 2018).
        gpus: Of this machine; without one mixed precision is slower, and is not used.
    """
    if mixed and not gpus:
        logger.warning("fit.mixed_precision: no GPU is there, so fitting goes on in float32")
    return MIXED if mixed and gpus else WHOLE


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Build layers and models in this policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _judged(
    examples: Sequence[Example], config: RunConfig, n_labels: int
) -> StreamedBatches | None:
    return StreamedBatches(examples, config, n_labels=n_labels) if examples else None


def _learning_rate(fit: FitConfig, *, n_steps: int) -> Any:
    if fit.schedule == "constant":
        return fit.learning_rate
    return keras.optimizers.schedules.CosineDecay(fit.learning_rate, n_steps, alpha=LAST_RATE)


class _Bar(keras.callbacks.Callback):  # type: ignore[misc]
    """A bar of the running epoch, and a line of log per epoch."""

    def __init__(self, name: str, *, n_batches: int) -> None:
        super().__init__()
        self._name = name
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            transient=True,
        )
        self._task = self._progress.add_task(name, total=n_batches)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        named = f"{self._name}, epoch {epoch + 1} of {self.params['epochs']}"
        self._progress.reset(self._task, description=named)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._progress.advance(self._task)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        said = ", ".join(f"{name} {value:.3f}" for name, value in (logs or {}).items())
        logger.info("%s: epoch %d of %d: %s", self._name, epoch + 1, self.params["epochs"], said)
