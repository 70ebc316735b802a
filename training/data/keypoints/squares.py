"""Squares that other processes draw while a network learns from those that are there already."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.frame import Image
from training.config import KeypointConfig
from training.data.keypoints.examples import KnownFrame, KnownSquare, draw, draw_beside
from training.data.keypoints.figures import draw_figure, draw_flat
from training.data.keypoints.footage import KnownFootage, read_footage

AT_ONCE = 64
"""Squares that a process draws before it hands them over."""
N_AHEAD = 3
"""Such batches that are asked of a process at once."""
FLATS, ROOMS, BESIDE = 0.15, 0.40, 0.25
"""Of squares without anybody: simulated flats, rooms without anybody, squares beside one person;
the others are parts of frames beside people."""


@dataclass(frozen=True, slots=True)
class Squares:
    """Examples by row; see `KnownSquare`.

    Attributes:
        squares: Shape (n, size, size, 3), uint8.
        points: Shape (n, 17, 3), float32.
        somebody: Shape (n, 1), float32: 1 where anybody is there.
    """

    squares: NDArray[np.uint8]
    points: NDArray[np.float32]
    somebody: NDArray[np.float32]


def batches(config: KeypointConfig, labels: Path, *, n_processes: int) -> Iterator[Squares]:
    """Yield batches for ever, drawn from the newest squares.

    Args:
        config: Of the run.
        labels: Folder of labelled frames.
        n_processes: That draw squares.
    """
    kept = _empty(config.n_squares, config.size_px)
    rng, n_drawn = np.random.default_rng(config.seed), 0
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_processes, mp_context=spawn) as pool:
        seeds = iter(range(config.seed << 32, (config.seed + 1) << 32))
        waiting: set[Future[Squares]] = set()
        while True:
            while len(waiting) < n_processes * N_AHEAD:
                waiting.add(pool.submit(draw_squares, config, labels, next(seeds)))
            # Until there is a batch, wait for it; then take what is there.
            until = None if n_drawn < config.batch else 0.0
            done, waiting = wait(waiting, until, return_when=FIRST_COMPLETED)
            for future in done:
                where = np.arange(n_drawn, n_drawn + AT_ONCE) % config.n_squares
                drawn = future.result()
                kept.squares[where] = drawn.squares
                kept.points[where], kept.somebody[where] = drawn.points, drawn.somebody
                n_drawn += AT_ONCE
            if n_drawn >= config.batch:
                which = rng.integers(min(n_drawn, config.n_squares), size=config.batch)
                yield Squares(kept.squares[which], kept.points[which], kept.somebody[which])


def draw_squares(config: KeypointConfig, labels: Path, seed: int) -> Squares:
    """Draw `AT_ONCE` squares."""
    cv2.setNumThreads(1)  # as many processes draw as there are cores
    rng, footage = np.random.default_rng(seed), _read_once(config, labels)
    drawn = _empty(AT_ONCE, config.size_px)
    for n in range(AT_ONCE):
        example = _draw_one(rng, config, footage)
        drawn.squares[n], drawn.points[n] = example.square, example.points
        drawn.somebody[n] = example.somebody
    return drawn


_read_once = cache(read_footage)


def _empty(n: int, size_px: int) -> Squares:
    return Squares(
        np.empty((n, size_px, size_px, 3), np.uint8),
        np.empty((n, 17, 3), np.float32),
        np.empty((n, 1), np.float32),
    )


def _draw_one(
    rng: np.random.Generator, config: KeypointConfig, footage: KnownFootage
) -> KnownSquare:
    kind = rng.choice(4, p=np.array(config.shares) / sum(config.shares))
    if kind == 1 and footage.somewhere:
        return draw(rng, footage.somewhere, config.size_px)
    if kind <= 1:
        return draw(rng, footage.people, config.size_px)
    if kind == 2:
        image, points = draw_figure(rng, _background(rng, footage))
        return draw(rng, [KnownFrame(image, points)], config.size_px)
    return _draw_nobody(rng, footage, config.size_px)


def _draw_nobody(rng: np.random.Generator, footage: KnownFootage, size_px: int) -> KnownSquare:
    which = rng.random()
    if which < FLATS:
        return draw(rng, [KnownFrame(draw_flat(rng))], size_px)
    if which < FLATS + ROOMS:
        return draw(rng, footage.rooms, size_px)
    beside = None
    if which < FLATS + ROOMS + BESIDE and footage.beside:
        beside = draw_beside(rng, footage.beside, size_px)
    return beside or draw(rng, footage.parts or footage.rooms, size_px)


def _background(rng: np.random.Generator, footage: KnownFootage) -> Image:
    """A room without anybody, a part of one, or colours that flow into one another."""
    kind = rng.random()
    if kind < 0.85:
        rooms = (kind > 0.6 and footage.parts) or footage.rooms
        image = rooms[int(rng.integers(len(rooms)))].image
        width = max(180, round(image.shape[1] * 200 / image.shape[0]))
        shown = cv2.resize(image, (width, 200), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(shown[:, ::-1] if rng.random() < 0.5 else shown)
    n = int(rng.integers(2, 8))
    cells = rng.integers(0, 255, (n, n, 3)).astype(np.uint8)
    flowing = cv2.resize(cells, (266, 200), interpolation=cv2.INTER_CUBIC)
    return flowing.astype(np.uint8, copy=False)
