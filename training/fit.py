"""A training run, top to bottom: clips, splits, networks, calibration, figures, bundle."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from har_stream.bundle import Calibration, Manifest, Provenance
from har_stream.clips import Image
from har_stream.errors import InputError
from har_stream.whole_file import explaining
from training import cache, datasets, formats, metrics, run_folder, splits
from training import frozen as frozen_encoder
from training.batches import Example, StreamedBatches, parity_windows, sampling_of
from training.cache import images_of, is_image
from training.cache_entry import Footage
from training.calibrate import Rejecting, apply_temperature, fit_rejecting, fit_temperature
from training.config import RunConfig
from training.datasets import Clip, Dataset
from training.export import check_backend, export_bundle
from training.learn import Learned, learn
from training.metrics import Judged
from training.networks import registry
from training.pretrain import pretrain, start_from
from training.saving import save_model, saving
from training.splits import Split

logger = logging.getLogger(__name__)

N_OTHER_PARTS = 5
"""One part of the clips of no label is judged by, the others are learned from."""
CONFUSION_PRIOR = 0.5
"""Added to every count of the confusion matrix: no confusion is impossible."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run came to.

    Attributes:
        folder: Holds bundle, figures and checkpoints.
        scores: On test clips; see `training.metrics.score`.
        leaks: Whether the split puts cuts of one video on both sides.
    """

    folder: Path
    scores: dict[str, Any]
    leaks: bool


def fit(
    config: RunConfig, *, folder: Path, cache_folder: Path, command: str, resume: bool = False
) -> Run:
    """Train as a config says; write bundle, figures and decisions into a folder.

    With folds, every fold is judged by a network that learned from the others, and the bundle's
    network learns from all of them; its calibration and figures are those of all folds together.
    With `split.refit` the validation clips stop and calibrate a first network, whose curves are
    kept, and the bundle's learns from them too, at full length.

    Args:
        config: What to do.
        folder: Where to; made if need be.
        cache_folder: Where prepared frames lie.
        command: How it was started, for the bundle's provenance.
        resume: Go on where an interrupted run of the same config stopped.

    Raises:
        InputError: Something in the data or the config cannot be used, Keras is not on
            TensorFlow, or the loss diverged.
    """
    check_backend()
    dataset = datasets.read(config.data)
    config.check_urgent(dataset.labels)
    split = partial(splits.make_of_readable, split=config.split, data=config.data, seed=config.seed)
    split(dataset, {})  # this and the next refuse what they can before the long reading
    registry.build(config, n_labels=len(dataset.labels))
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
    frozen = frozen_encoder.of(config, folder=folder)
    sampling = replace(sampling_of(config), encode=frozen)
    cached = cache.read_clips([*dataset.clips, *dataset.others], sampling, folder=cache_folder)
    unreadable = {clip.path: reason for clip, reason in cached.unreadable.items()}
    dataset, parts = split(dataset, unreadable)
    if config.sampling == "spread":
        config = _at_mean_rate(config, dataset)
    room = _Room(config, dataset.labels, cached.frames, resume)
    if config.pretrain:
        seen, _ = _deal_others(dataset, config, parts, number=0)
        taught = pretrain(
            {clip: cached.frames[clip] for clip in seen},
            config,
            lesson=config.pretrain,
            folder=folder / "pretrain",
            resume=resume,
        )
        room = replace(room, start=partial(start_from, pretrained=taught))

    learned, networks, tested, judged = [], [], [], []
    for n, part in enumerate(parts):
        seen, unseen = _deal_others(dataset, config, parts, number=n)
        own = folder / f"split-{n + 1}"
        network = room.learn([*part.train, *seen], part.validation, own)
        learned.append(network)
        judged += room.judge(network, [*part.validation, *unseen])
        if config.split.refit:
            network = room.learn([*part.train, *part.validation, *seen], (), own / "refit")
        by_test = room.judge(network, part.test)
        with saving(folder):
            save_model(network.model, own / run_folder.MODEL)
        networks.append(network)
        tested += by_test
        if not part.validation:
            judged += by_test
        logger.info("%s: accuracy %.3f", part.name, metrics.score(by_test, room.labels)["accuracy"])
    network, trained_on = networks[0], [*parts[0].train, *seen]
    if config.split.refit:
        trained_on += parts[0].validation
    if len(parts) > 1:
        trained_on = [*dataset.clips, *(dataset.others if config.fit.others else seen)]
        network = room.learn([*dataset.clips, *dataset.others], (), folder / "all")

    calibration, rejecting = _calibrate(judged, config, n_labels=len(room.labels))
    tested = _at_temperature(tested, calibration.temperature)
    scores = metrics.score(tested, room.labels)
    manifest = Manifest(
        name=config.name,
        about=config.about,
        network=config.network,
        n_parameters=network.model.count_params(),
        labels=room.labels,
        clip=config.clip,
        memory=registry.get(config.network).MEMORY,
        hop_frames=config.hop_frames,
        reset_frames=config.reset_frames,
        networks={},
        calibration=calibration,
        deciding=rejecting.deciding,
        confusion=_confusion(tested, len(room.labels)),
        metrics=_figures(scores, rejecting),
        provenance=Provenance(
            command=command,
            dataset=f"{config.data.kind}: {', '.join(room.labels)}; {len(cached.frames)} clips",
            split=splits.describe(parts),
            leaks=any(part.leaks for part in parts),
            seed=config.seed,
            trained_on=tuple(sorted({clip.source for clip in trained_on})),
            n_train_clips=len(trained_on),
            n_test_clips=len(tested),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            version=version("har-stream"),
            licence=config.licence,
        ),
    )
    with saving(folder):
        export_bundle(
            folder / run_folder.BUNDLE,
            model=network.model,
            manifest=manifest,
            windows=room.some_windows(dataset.clips),
            frozen=frozen,
        )
    with explaining(folder, "cannot be written", remedy="free some space and go on with --resume"):
        (folder / run_folder.RUN).unlink(missing_ok=True)  # the older run is no whole one any more
        formats.discard(folder)
        save_model(network.model, folder / run_folder.MODEL)
        run_folder.write_decisions(folder, tested)
        run_folder.write_figures(
            folder,
            config=config,
            manifest=manifest,
            scores=scores,
            splits=parts,
            learned=learned,
            cached=cached,
        )
    return Run(folder, scores, manifest.provenance.leaks)


@dataclass(frozen=True, slots=True)
class _Room:
    """What all networks of a run share."""

    config: RunConfig
    labels: tuple[str, ...]
    frames: Mapping[Clip, Footage]
    resume: bool
    start: Callable[[keras.Model], None] | None = None

    def learn(self, train: Iterable[Clip], validation: Iterable[Clip], folder: Path) -> Learned:
        """Fit one network."""
        return learn(
            self._examples(train),
            self._examples(validation),
            self.config,
            n_labels=len(self.labels),
            folder=folder,
            resume=self.resume,
            start=self.start,
        )

    def judge(self, network: Learned, clips: Sequence[Clip]) -> list[Judged]:
        """Have a network say what it makes of every window that streaming would decide on."""
        if not clips:
            return []
        examples = self._examples(clips)
        batches = StreamedBatches(examples, self.config, n_labels=len(self.labels))
        probabilities = network.folded.predict(batches, verbose=0).astype(np.float64)
        ends = np.cumsum(batches.n_windows)
        return [
            Judged(clip, example.label, said)
            for clip, example, said in zip(
                clips, examples, np.split(probabilities, ends[:-1]), strict=True
            )
        ]

    def some_windows(self, clips: Sequence[Clip]) -> Image:
        """Take the first windows of clips all over the data set."""
        return parity_windows(clips, self.config, read=partial(map, self._images))

    def _images(self, clip: Clip) -> Footage:
        cached = self.frames[clip]
        return cached if is_image(cached) else images_of(clip, sampling_of(self.config))

    def _examples(self, clips: Iterable[Clip]) -> list[Example]:
        index = {label: n for n, label in enumerate(self.labels)}
        return [Example(self.frames[clip], index.get(clip.label), clip.name) for clip in clips]


def _deal_others(
    dataset: Dataset, config: RunConfig, parts: Sequence[Split], *, number: int
) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """Part the clips of no label; always alike where one lesson on them serves all folds.

    Returns:
        Those to learn from: where groups span classes, nobody who is judged by shows in them. And
        those to judge by.
    """
    number, parts = (0, parts) if config.pretrain else (number, [parts[number]])
    seen, unseen = splits.deal_others(dataset.others, n_parts=N_OTHER_PARTS, part=number)
    if not (config.pretrain or config.fit.others):
        return (), unseen
    return splits.apart(seen, *(side for p in parts for side in (p.validation, p.test))), unseen


def _calibrate(
    judged: Sequence[Judged], config: RunConfig, *, n_labels: int
) -> tuple[Calibration, Rejecting]:
    probabilities, truth = metrics.windows_of(judged)
    temperature = fit_temperature(probabilities, truth)
    calibrated = apply_temperature(probabilities, temperature)
    others = metrics.windows_of_others(judged, n_labels=n_labels)
    calibration = Calibration(
        temperature=temperature,
        ece_before=metrics.expected_calibration_error(probabilities, truth),
        ece_after=metrics.expected_calibration_error(calibrated, truth),
    )
    unlike = apply_temperature(others, temperature)
    return calibration, fit_rejecting(
        calibrated, truth, others=unlike, keep=config.keep, told=config.deciding
    )


def _at_temperature(judged: Iterable[Judged], temperature: float) -> list[Judged]:
    return [
        replace(clip, probabilities=apply_temperature(clip.probabilities, temperature))
        for clip in judged
    ]


def _confusion(tested: Sequence[Judged], n_labels: int) -> tuple[tuple[float, ...], ...]:
    probabilities, truth = metrics.windows_of(tested)
    matrix = metrics.confusion(
        probabilities.argmax(-1), truth, n_labels=n_labels, prior=CONFUSION_PRIOR
    )
    return tuple(tuple(round(float(share), 4) for share in row) for row in matrix)


def _figures(scores: Mapping[str, Any], rejecting: Rejecting) -> dict[str, float]:
    figures = {name: float(scores[name]) for name in ("accuracy", "macro_f1", "ece")}
    return {name: round(value, 4) for name, value in (figures | rejecting.shares()).items()}


def _at_mean_rate(config: RunConfig, dataset: Dataset) -> RunConfig:
    """State the rate that evenly spread frames have at the data set's mean clip length."""
    lengths = [length for clip in dataset.clips if (length := cache.length_s(clip.path))]
    if not lengths:
        raise InputError("no clip states its length, so no sampling rate can be stated either")
    rate = config.clip.n_frames / float(np.mean(lengths))
    return config.model_copy(update={"clip": replace(config.clip, sample_hz=round(rate, 3))})
