"""A key-point network learns from squares that are drawn meanwhile, for as long as there is time.

It runs on any backend of Keras: `KERAS_BACKEND=jax` on a machine without TensorFlow.
"""

import logging
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras

from training.config import KeypointConfig
from training.data.keypoints.squares import Squares
from training.fitting.keypoints.network import map_loss, presence_loss

logger = logging.getLogger(__name__)

ROUND = 50
"""Batches after which weights are written."""
WARM_UP = 4
"""Rounds in which the learning rate rises."""
PRESENCE = 0.6
"""What the question whether anybody is there weighs against the maps."""


def fit(
    config: KeypointConfig, model: keras.Model, batches: Iterable[Squares], checkpoint: Path
) -> None:
    """Let a network learn for `config.minutes`, from the first batch on.

    Args:
        config: Of the run.
        model: Of `network.build`.
        batches: Without an end.
        checkpoint: Where its weights are written as they become, `.weights.h5`.
    """
    keras.utils.set_random_seed(config.seed)
    learner = keras.Model(model.inputs, model.outputs)
    learner.compile(
        keras.optimizers.AdamW(config.learning_rate, weight_decay=1e-4, clipnorm=5.0),
        loss=[map_loss, presence_loss],
        loss_weights=[1.0, PRESENCE],
        jit_compile=keras.backend.backend() == "jax",  # of TensorFlow it takes minutes
    )
    learner.fit(
        ((batch.squares, (batch.points, batch.somebody)) for batch in batches),
        steps_per_epoch=ROUND,
        epochs=10**6,
        callbacks=[_Rounds(config, model, checkpoint)],
        verbose=0,
    )


class _Rounds(keras.callbacks.Callback):  # type: ignore[misc] # Keras tells no types
    """Lets the learning rate fall as time passes, writes weights, and ends in time."""

    def __init__(self, config: KeypointConfig, network: keras.Model, checkpoint: Path) -> None:
        super().__init__()
        self._config, self._network, self._checkpoint = config, network, checkpoint
        self._began_s = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the learning rate."""
        falling = 0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * self._passed()))
        rising = min(1.0, (epoch + 1) / WARM_UP)
        self.model.optimizer.learning_rate.assign(self._config.learning_rate * rising * falling)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write weights."""
        told = ", ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        logger.info("%d batches, %.0f %% of the time: %s", *self._so_far(epoch), told)
        partial = self._checkpoint.with_name(f"partial-{self._checkpoint.name}")
        self._network.save_weights(partial)
        partial.replace(self._checkpoint)
        if self._passed() >= 1.0:
            self.model.stop_training = True

    def _so_far(self, epoch: int) -> tuple[int, float]:
        return (epoch + 1) * ROUND, 100 * self._passed()

    def _passed(self) -> float:
        passed_s = time.monotonic() - self._began_s
        return min(1.0, passed_s / (60 * self._config.minutes))
