"""A key-point network from clips to a `.tflite` file, top to bottom."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from har_stream.bundles import weights
from har_stream.bundles.published_weights import WEIGHTS
from har_stream.core.frame import Image
from training.config import KeypointConfig
from training.data.keypoints.examples import KnownFrame, draw
from training.data.keypoints.figures import draw_figure, draw_flat
from training.data.keypoints.footage import KnownFootage
from training.fitting.keypoints.network import build_halves, loss_of

logger = logging.getLogger(__name__)

IMAGENET = "mobilenet_v2_035_imagenet"
AVERAGED_STEPS = 250
"""Steps over which weights are averaged, exponentially."""
SAVED_STEPS = 250
FLATS = 0.2
"""Share of simulated flats among squares without anybody."""
_AT_ONCE = 50

Halves = tuple[keras.Model, keras.Model]


@dataclass(frozen=True, slots=True)
class Squares:
    """Squares that have passed through the half of the network that stays, and their maps."""

    edges: NDArray[np.float16]
    maps: NDArray[np.float16]


def fit(
    config: KeypointConfig, footage: KnownFootage, checkpoint: Path, *, imagenet: str
) -> Halves:
    """Let a network learn.

    Args:
        config: Of the run.
        footage: What it learns from.
        checkpoint: Where the second half's weights are kept as they become, `.weights.h5`.
        imagenet: The trunk's weights: a path, or a name that can be downloaded.
    """
    keras.utils.set_random_seed(config.seed)
    found = weights.find_by_name(imagenet, suffixes=(".h5",), known=WEIGHTS)
    first, second = build_halves(config.size_px, imagenet=found)
    squares = draw_squares(config, footage, first)
    learn(config, second, squares, checkpoint)
    return first, second


def draw_squares(config: KeypointConfig, footage: KnownFootage, first: keras.Model) -> Squares:
    """Draw the squares of a run, and let them pass through the first half."""
    rng = np.random.default_rng(config.seed)
    edges = tf.function(lambda squares: first(squares, training=False))
    found: list[tuple[Any, ...]] = []
    while len(found) * _AT_ONCE < config.n_squares:
        drawn = [_draw_one(rng, config, footage) for _ in range(_AT_ONCE)]
        seen = edges(np.stack([square for square, _ in drawn]))
        maps = np.stack([maps for _, maps in drawn])
        found.append(tuple(np.asarray(each, np.float16) for each in (seen, maps)))
        if len(found) % 20 == 0:
            logger.info("%d of %d squares", len(found) * _AT_ONCE, config.n_squares)
    return Squares(*(np.concatenate(each) for each in zip(*found, strict=True)))


def learn(config: KeypointConfig, second: keras.Model, squares: Squares, checkpoint: Path) -> None:
    """Let the second half learn; in the end it holds its averaged weights."""
    optimizer = keras.optimizers.AdamW(config.learning_rate, weight_decay=1e-4, clipnorm=5.0)
    learned, rng = second.trainable_variables, np.random.default_rng(config.seed)
    average = [variable.numpy() for variable in learned]

    def step(edges: Any, maps: Any) -> Any:
        edges, maps = (tf.cast(each, tf.float32) for each in (edges, maps))
        with tf.GradientTape() as tape:
            loss = loss_of(maps, second(edges, training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, learned), learned, strict=True))
        return loss

    compiled = tf.function(step)

    losses = []
    for n in range(config.steps):
        falling = 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * n / config.steps))
        optimizer.learning_rate.assign(config.learning_rate * min(1.0, (n + 1) / 50) * falling)
        which = rng.integers(len(squares.maps), size=config.batch)
        loss = compiled(squares.edges[which], squares.maps[which])
        losses.append(float(loss))
        kept = min(1 - 1 / AVERAGED_STEPS, n / (n + 20))
        for mean, variable in zip(average, learned, strict=True):
            mean *= kept
            mean += (1 - kept) * variable.numpy()
        if (n + 1) % SAVED_STEPS == 0:
            logger.info("step %d: loss %.3f", n + 1, np.mean(losses[-SAVED_STEPS:]))
            second.save_weights(checkpoint)
    for mean, variable in zip(average, learned, strict=True):
        variable.assign(mean)
    second.save_weights(checkpoint)


def _draw_one(
    rng: np.random.Generator, config: KeypointConfig, footage: KnownFootage
) -> tuple[Image, NDArray[np.float32]]:
    kind = rng.choice(3, p=config.shares)
    if kind == 1:
        image, points = draw_figure(rng, _background(rng, footage.rooms))
        return draw(rng, [KnownFrame(image, points)], config.size_px)
    if kind == 2 and rng.random() < FLATS:
        return draw(rng, [KnownFrame(draw_flat(rng))], config.size_px)
    return draw(rng, footage.people if kind == 0 else footage.rooms, config.size_px)


def _background(rng: np.random.Generator, rooms: Sequence[KnownFrame]) -> Image:
    """An empty room, or colours that flow into one another."""
    if rng.random() < 0.8:
        image = rooms[int(rng.integers(len(rooms)))].image
        width = max(180, round(image.shape[1] * 200 / image.shape[0]))
        shown = cv2.resize(image, (width, 200), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(shown[:, ::-1] if rng.random() < 0.5 else shown)
    n = int(rng.integers(2, 8))
    cells = rng.integers(0, 255, (n, n, 3)).astype(np.uint8)
    flowing = cv2.resize(cells, (266, 200), interpolation=cv2.INTER_CUBIC)
    return flowing.astype(np.uint8, copy=False)
