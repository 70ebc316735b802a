"""Windows for fitting, cut from cached frames: drawn anew each epoch, and always the same anew."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from har_stream.core.frame import Image
from har_stream.recognition.preprocessing import normalise
from har_stream.recognition.window_rows import NONE, WindowRows
from training.config import RunConfig
from training.data.augment import choose_times, vary
from training.data.cache import is_image
from training.data.cache_file import Footage, FootageArray
from training.data.clip import Clip, Sampling

Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Windows, targets (n, n_labels) and weights (n,)."""
STREAMED_BATCH = 16
"""Windows of one batch that is not learned from."""
N_PARITY_WINDOWS = 64
"""Windows on which an exported bundle must equal its network, at most."""
QUEUED = {"workers": 2, "max_queue_size": 2}
"""Batches are drawn by threads of Keras' own. With one worker, TensorFlow's data pipeline would
draw them, whose tuning thread holds up the end of an epoch for as long as the epoch took."""


@dataclass(frozen=True, slots=True)
class Example:
    """One clip to learn from.

    Attributes:
        frames: What is cached of it.
        label: Its label's index; none: it is none of the labels.
        name: Tells it from other clips; alike wherever the data set lies.
    """

    frames: Footage
    label: int | None
    name: str = ""


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Shuffled, varied windows of labelled clips, mixed with windows of no label.

    Every batch depends on seed, epoch and its number alone, so an interrupted run goes on with the
    very batches that it would have seen. A window of no label has all labels as equal targets
    (outlier exposure, Hendrycks et al. 2019), which teaches the network to be unsure of it.

    Args:
        examples: Clips of labels and of none.
        config: How to draw and vary windows.
        n_labels: Labels there are.

    Attributes:
        epoch: Whose windows are drawn now, counted from 0.
    """

    def __init__(self, examples: Sequence[Example], config: RunConfig, *, n_labels: int) -> None:
        super().__init__(**QUEUED)
        self._labelled = [example for example in examples if example.label is not None]
        self._others = [example for example in examples if example.label is None]
        self._config = config
        self._n_labels = n_labels
        self._weights = _class_weights(self._labelled, n_labels, config)
        self.skip_to(0)

    def __len__(self) -> int:
        """Batches of one epoch."""
        return -(-len(self._order) // self._config.fit.batch)

    def __getitem__(self, number: int) -> Batch:
        """Draw one batch."""
        fit = self._config.fit
        rng = np.random.default_rng((self._config.seed, self.epoch, 1 + number))  # 0 shuffles
        # 1. Which clips: the next of the shuffled labelled ones, and others in proportion.
        chosen = self._order[number * fit.batch : (number + 1) * fit.batch]
        examples = [self._labelled[n] for n in chosen]
        if self._others:
            drawn = rng.integers(len(self._others), size=round(fit.others * len(chosen)))
            examples += [self._others[n] for n in drawn]
        # 2. A window of each, its target, and how much it counts.
        windows = np.stack([self._window(example.frames, rng) for example in examples])
        targets = np.stack([self._target(example.label) for example in examples])
        weights = np.array(
            [1.0 if example.label is None else self._weights[example.label] for example in examples]
        )
        return _taken_in(windows, self._config), targets, weights.astype(np.float32)

    def on_epoch_end(self) -> None:
        """Go on to the next epoch's windows."""
        self.skip_to(self.epoch + 1)

    def skip_to(self, epoch: int) -> None:
        """Draw the windows of this epoch, counted from 0."""
        self.epoch = epoch
        self._order = self._shuffled()

    def _shuffled(self) -> NDArray[np.int64]:
        rng = np.random.default_rng((self._config.seed, self.epoch, 0))
        rounds = range(self._config.fit.windows_per_clip)
        return np.concatenate([rng.permutation(len(self._labelled)) for _ in rounds])

    def _window(self, frames: Footage, rng: np.random.Generator) -> FootageArray:
        augment, n_frames = self._config.augment, self._config.clip.n_frames
        if self._config.sampling == "spread":
            window = frames[:]
        else:
            times = choose_times(len(frames), n_frames=n_frames, augment=augment, rng=rng)
            window = frames[times]
        return vary(window, augment, rng) if is_image(window) else window

    def _target(self, label: int | None) -> NDArray[np.float32]:
        uniform = np.full(self._n_labels, 1 / self._n_labels, np.float32)
        if label is None:
            return uniform
        target = np.eye(self._n_labels, dtype=np.float32)[label]
        smoothing = np.float32(self._config.fit.label_smoothing)
        # (1 - s) one-hot + s / n_labels (Szegedy et al. 2016, section 7)
        smoothed: NDArray[np.float32] = target + smoothing * (uniform - target)
        return smoothed


class StreamedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """All windows that streaming would decide on, in order: for validation and for judging.

    Args:
        examples: Clips of labels; a clip of none is only good for judging.
        config: Says where windows lie.
        n_labels: Labels there are.
    """

    def __init__(self, examples: Sequence[Example], config: RunConfig, *, n_labels: int) -> None:
        super().__init__(**QUEUED)
        self._config = config
        self._labels = np.eye(n_labels, dtype=np.float32)
        self._windows = [
            (example, start) for example in examples for start in _starts(example.frames, config)
        ]
        self.n_windows = [len(_starts(example.frames, config)) for example in examples]
        """Per clip, at least one."""

    def __len__(self) -> int:
        """Batches."""
        return -(-len(self._windows) // STREAMED_BATCH)

    def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cut one batch: windows and targets."""
        batch = self._windows[number * STREAMED_BATCH : (number + 1) * STREAMED_BATCH]
        windows = np.stack(
            [cut_window(example.frames, start, self._config) for example, start in batch]
        )
        targets = self._labels[[example.label or 0 for example, _ in batch]]
        return _taken_in(windows, self._config), targets


def cut_window(frames: Footage, start: int, config: RunConfig) -> FootageArray:
    """Cut the window that begins at a sampled frame; the last frame repeats where a clip is short.

    Returns:
        Shape (n_frames, height, width, 3), uint8; or (n_frames, n_features), float32.
    """
    wanted = start + np.arange(config.clip.n_frames)
    ticks = 1 if config.sampling == "spread" else config.augment.ticks
    n_sampled = -(-len(frames) // ticks)  # every `ticks`-th frame from the first is a sampled one
    window: FootageArray = frames[np.minimum(wanted, n_sampled - 1) * ticks]
    return window


def parity_windows(
    clips: Sequence[Clip],
    config: RunConfig,
    *,
    read: Callable[[Sequence[Clip]], Iterable[Footage]],
) -> Image:
    """Cut the first windows of clips all over a data set, on which an export is judged.

    Args:
        clips: To choose from.
        config: Says how long a window is.
        read: Brings the prepared frames of those that are chosen.

    Returns:
        Shape (n, n_frames, height, width, 3), uint8.
    """
    chosen = clips[:: -(-len(clips) // N_PARITY_WINDOWS)]
    return np.stack([cut_window(frames, 0, config) for frames in read(chosen)])


def _starts(frames: Footage, config: RunConfig) -> list[int]:
    """Where the windows begin that streaming decides on, in sampled frames; at least one."""
    if config.sampling == "spread":
        return [0]
    n_frames, n_sampled = config.clip.n_frames, -(-len(frames) // config.augment.ticks)
    # The rows of the recogniser itself, for one camera: they say at which frame a decision falls.
    one_row = WindowRows("running", n_frames, config.hop_frames, config.reset_frames)
    ends = np.flatnonzero(one_row.ending(np.arange(n_sampled)) != NONE)
    return (ends - n_frames + 1).tolist() or [0]


def _taken_in(windows: FootageArray, config: RunConfig) -> NDArray[np.float32]:
    return normalise(windows, config.clip) if is_image(windows) else windows


def sampling_of(config: RunConfig) -> Sampling:
    """Say how a run's clips are cached."""
    return Sampling(config.clip, config.sampling, config.augment.ticks)


def _class_weights(
    examples: Sequence[Example], n_labels: int, config: RunConfig
) -> NDArray[np.float64]:
    if not config.fit.class_weights:
        return np.ones(n_labels)
    # n / (n_labels * n_of_label): every class counts alike in the loss; a mean weight of 1.
    counts = np.bincount([e.label for e in examples if e.label is not None], minlength=n_labels)
    return len(examples) / n_labels / np.maximum(counts, 1)
