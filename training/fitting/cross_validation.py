"""The networks of a run: one for every part of its clips, each judged on what it never saw."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
from scipy.special import logsumexp, softmax

from har_stream.core.frame import Image
from training import run_folder
from training.config import RunConfig
from training.data import splits
from training.data.batches import Example, StreamedBatches, parity_windows, sampling_of
from training.data.cache import is_image
from training.data.cache_file import Footage
from training.data.clip import Clip, Dataset
from training.data.splits import Split
from training.evaluation import clip_score
from training.evaluation.clip_score import JudgedClip
from training.fitting.fit_network import FittedNetwork, fit_network
from training.fitting.pretrain import pretrain, start_from
from training.run_folder import PRETRAINED, save_model, saving_run

logger = logging.getLogger(__name__)

REFITTED, OF_ALL = "refit", "all"
"""Folders of networks, beside `split-1` and so on."""
N_OTHER_PARTS = 5
"""One part of the clips of no label is judged by, the others are learned from."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """Fits the networks of a run, all alike, and has them judge clips.

    Attributes:
        config: Of the run.
        labels: In the order of the outputs.
        frames: What is cached of every clip that can be read.
        resume: Go on from checkpoints, where there are any.
        start: Gives a new network its first weights; none: it begins from nothing.
    """

    config: RunConfig
    labels: tuple[str, ...]
    frames: Mapping[Clip, Footage]
    resume: bool
    start: Callable[[keras.Model], None] | None = None

    def fit(self, train: Iterable[Clip], validation: Iterable[Clip], folder: Path) -> FittedNetwork:
        """Fit one network; its checkpoint goes into the folder."""
        return fit_network(
            self._examples(train),
            self._examples(validation),
            self.config,
            n_labels=len(self.labels),
            folder=folder,
            resume=self.resume,
            start=self.start,
        )

    def judge(self, network: FittedNetwork, clips: Sequence[Clip]) -> list[JudgedClip]:
        """Have a network say what it makes of every window that streaming would decide on."""
        if not clips:
            return []
        examples = self._examples(clips)
        batches = StreamedBatches(examples, self.config, n_labels=len(self.labels))
        logits = network.logits(batches)
        ends = np.cumsum(batches.n_windows)[:-1]
        return [
            JudgedClip(clip, example.label, softmax(rows, axis=-1), -logsumexp(rows, axis=-1))
            for clip, example, rows in zip(clips, examples, np.split(logits, ends), strict=True)
        ]

    def some_windows(self, clips: Sequence[Clip]) -> Image:
        """Take the first windows of clips all over the data set."""
        return parity_windows(clips, self.config, read=partial(map, self._images))

    def _images(self, clip: Clip) -> Footage:
        cached = self.frames[clip]
        return cached if is_image(cached) else clip.frames(sampling_of(self.config))

    def _examples(self, clips: Iterable[Clip]) -> list[Example]:
        index = {label: n for n, label in enumerate(self.labels)}
        return [Example(self.frames[clip], index.get(clip.label), clip.name) for clip in clips]


@dataclass(frozen=True, slots=True)
class FittedRun:
    """What came of a run's trainer.

    Attributes:
        network: The bundle's own.
        trained_on: What it learned from.
        networks: Per part, with its curves.
        tested: Test clips of all parts, each judged by the network of its part.
        judged: Clips to calibrate by: validation clips and others, or where there are none, tested.
        negatives: Footage without any of the labels, never learned from, as `network` judges it;
            the bound on what is strange is that of the network that serves.
    """

    network: FittedNetwork
    trained_on: tuple[Clip, ...]
    networks: list[FittedNetwork]
    tested: list[JudgedClip]
    judged: list[JudgedClip]
    negatives: list[JudgedClip]


def fit_splits(
    trainer: Trainer,
    dataset: Dataset,
    parts: Sequence[Split],
    *,
    negatives: Sequence[Clip],
    folder: Path,
) -> FittedRun:
    """Learn from every part and judge its test clips; folds are followed by a network of all clips.

    Args:
        trainer: What networks learn from, and how.
        dataset: All clips that can be read.
        parts: How they are parted.
        negatives: Clips that show none of the labels, to calibrate by and never to learn from.
        folder: Of the run, for networks and checkpoints.

    Raises:
        InputError: The loss diverged, or something cannot be written.
    """
    config = trainer.config
    trainer = _after_pretraining(trainer, dataset, parts, folder=folder / PRETRAINED)
    learned_from = networks_of(dataset, config, parts)
    networks, tested, judged = [], [], []
    for n, part in enumerate(parts):
        seen, unseen = _deal_others(dataset, config, parts, number=n)
        name = f"split-{n + 1}"
        own = folder / name
        # 1. The network whose curves are kept; validation clips stop and calibrate it.
        network = trainer.fit(*learned_from[name], own)
        networks.append(network)
        judged += trainer.judge(network, [*part.validation, *unseen])
        # 2. If asked for, another that learns from the validation clips too, at full length.
        if config.split.refit:
            name = f"{name}/{REFITTED}"
            network = trainer.fit(*learned_from[name], folder / name)
        trained_on = learned_from[name][0]
        # 3. The test clips, by the last of them; without validation clips they calibrate too.
        by_test = trainer.judge(network, part.test)
        with saving_run(folder):
            save_model(network.model, own / run_folder.MODEL)
        tested += by_test
        if not part.validation:
            judged += by_test
        accuracy = clip_score.score(by_test, trainer.labels)["accuracy"]
        logger.info("%s: accuracy %.3f", part.name, accuracy)
    if len(parts) > 1:  # folds: the bundle's own network learns from all clips
        trained_on = (*dataset.clips, *(dataset.others if config.fit.others else seen))
        network = trainer.fit(*learned_from[OF_ALL], folder / OF_ALL)
    return FittedRun(
        network, trained_on, networks, tested, judged, trainer.judge(network, negatives)
    )


def networks_of(
    dataset: Dataset, config: RunConfig, parts: Sequence[Split]
) -> dict[str, tuple[tuple[Clip, ...], tuple[Clip, ...]]]:
    """What each network of a run learns from, and what stops it: by its folder, in their order.

    None needs another, but for the pretrained one, from which all may start.
    """
    found: dict[str, tuple[tuple[Clip, ...], tuple[Clip, ...]]] = {}
    for n, part in enumerate(parts):
        seen, _ = _deal_others(dataset, config, parts, number=n)
        name = f"split-{n + 1}"
        found[name] = ((*part.train, *seen), tuple(part.validation))
        if config.split.refit:
            found[f"{name}/{REFITTED}"] = ((*part.train, *part.validation, *seen), ())
    if len(parts) > 1:
        found[OF_ALL] = ((*dataset.clips, *dataset.others), ())
    return found


def fit_one(
    trainer: Trainer, dataset: Dataset, parts: Sequence[Split], *, name: str, folder: Path
) -> None:
    """Fit one network of a run, as `fit_splits` would, and leave its checkpoint.

    Args:
        trainer: As of `fit_splits`.
        dataset: As of `fit_splits`.
        parts: As of `fit_splits`.
        name: One of `networks_of`, or `PRETRAINED`.
        folder: Of the run; holds the checkpoint of the pretrained network, where there is one.

    Raises:
        InputError: The loss diverged, or something cannot be written.
    """
    trainer = _after_pretraining(trainer, dataset, parts, folder=folder / PRETRAINED)
    if name != PRETRAINED:
        trainer.fit(*networks_of(dataset, trainer.config, parts)[name], folder / name)


def _after_pretraining(
    trainer: Trainer, dataset: Dataset, parts: Sequence[Split], *, folder: Path
) -> Trainer:
    """Let networks start from one that is pretrained on the clips of no label, if so configured."""
    config = trainer.config
    if config.pretrain is None:
        return trainer
    seen, _ = _deal_others(dataset, config, parts, number=0)
    pretrained_model = pretrain(
        {clip: trainer.frames[clip] for clip in seen},
        config,
        pretraining=config.pretrain,
        folder=folder,
        resume=trainer.resume,
    )
    return replace(trainer, start=partial(start_from, pretrained=pretrained_model))


def _deal_others(
    dataset: Dataset, config: RunConfig, parts: Sequence[Split], *, number: int
) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """Part the clips of no label; always alike where one pretraining serves all folds.

    Returns:
        Those to learn from: where groups span classes, nobody who is judged by shows in them. And
        those to judge by.
    """
    number, parts = (0, parts) if config.pretrain else (number, [parts[number]])
    seen, unseen = splits.deal_others(dataset.others, n_parts=N_OTHER_PARTS, part=number)
    if not (config.pretrain or config.fit.others):
        return (), unseen
    return splits.leave_out_sources(
        seen, *(side for p in parts for side in (p.validation, p.test))
    ), unseen
