"""A training run, top to bottom: clips, splits, networks, calibration, figures, bundle."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from har_stream.bundles.bundle import Calibration, Manifest, Provenance
from har_stream.core.atomic_file import explain_errors
from har_stream.core.errors import InputError
from har_stream.core.frame import PIXELS
from predictor.evaluation.metrics import expected_calibration_error
from training import run_folder
from training.config import RunConfig
from training.data import cache, splits
from training.data.batches import sampling_of
from training.data.clip import Clip, Dataset, VideoClip
from training.data.dataset import read_dataset
from training.data.splits import Split
from training.encoders.frozen import FrozenEncoder, make_frozen_encoder
from training.encoders.to_litert import check_backend
from training.evaluation import clip_score
from training.evaluation.calibration import (
    NEGATIVES_REJECTED,
    RejectRule,
    apply_temperature,
    fit_reject_rule,
    fit_temperature,
)
from training.evaluation.clip_score import JudgedClip
from training.evaluation.open_set import Decided, energies_of, fit_open_set_rule
from training.export import all_formats
from training.export.export_bundle import export_bundle
from training.fitting.cross_validation import (
    FittedRun,
    Trainer,
    fit_one,
    fit_splits,
    networks_of,
)
from training.fitting.fit_network import FittedNetwork
from training.networks import registry
from training.run_folder import PRETRAINED, CalibratedOn, save_model, saving_run

CONFUSION_PRIOR = 0.5
"""Added to every count of the confusion matrix: no confusion is impossible."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run came to.

    Attributes:
        folder: Holds bundle, figures and checkpoints.
        scores: On test clips; see `training.evaluation.clip_score.score`.
        leaks: Whether the split puts cuts of one video on both sides.
    """

    folder: Path
    scores: dict[str, Any]
    leaks: bool


def fit_run(
    config: RunConfig,
    *,
    folder: Path,
    cache_folder: Path,
    command: str,
    resume: bool = False,
    negatives: Sequence[Clip] = (),
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
        negatives: Footage that shows none of the labels; no network learns from it, and the
            open-set rule is fitted on what the bundle's own says of it.

    Raises:
        InputError: Something in the data or the config cannot be used, Keras is not on
            TensorFlow, or the loss diverged.
    """
    # 1. The clips and their splits; what can be refused is, before anything is read.
    read = _read_footage(config, folder=folder, cache_folder=cache_folder, negatives=negatives)
    config, dataset, parts, cached = read.config, read.dataset, read.parts, read.cached
    # 2. The networks, and what each says of the clips that it is tested on.
    trainer = Trainer(config, dataset.labels, cached.frames, resume)
    readable = [clip for clip in negatives if clip in cached.frames]
    fitted = fit_splits(trainer, dataset, parts, negatives=readable, folder=folder)

    # 3. Calibration and thresholds; the figures are of calibrated decisions.
    calibration, rejecting, shares = _calibrate(fitted, config, n_labels=len(dataset.labels))
    tested = _at_temperature(fitted.tested, calibration.temperature)
    scores = clip_score.score(tested, dataset.labels)
    manifest = Manifest(
        name=config.name,
        about=config.about,
        network=config.network,
        n_parameters=fitted.network.model.count_params(),
        labels=dataset.labels,
        clip=config.clip,
        memory=registry.get_network(config.network).MEMORY,
        hop_frames=config.hop_frames,
        reset_frames=config.reset_frames,
        pixels=PIXELS,
        networks={},
        calibration=calibration,
        deciding=rejecting.deciding,
        falls=config.falls,
        confusion=_confusion(tested, len(dataset.labels)),
        metrics=_figures(scores, shares),
        provenance=Provenance(
            command=command,
            dataset=f"{config.data.kind}: {', '.join(dataset.labels)}; {len(cached.frames)} clips",
            split=splits.describe_splits(parts),
            leaks=any(part.leaks for part in parts),
            seed=config.seed,
            trained_on=tuple(sorted({clip.source for clip in fitted.trained_on})),
            n_train_clips=len(fitted.trained_on),
            n_test_clips=len(tested),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            version=version("har-stream"),
            licence=config.licence,
        ),
    )
    # 4. The bundle, then the rest of the folder; RUN last, for it makes the run a whole one.
    with saving_run(folder):
        export_bundle(
            folder / run_folder.BUNDLE,
            model=fitted.network.model,
            manifest=manifest,
            windows=trainer.some_windows(dataset.clips),
            frozen=read.frozen,
        )
    with explain_errors(
        folder, "cannot be written", remedy="free some space and go on with --resume"
    ):
        (folder / run_folder.RUN).unlink(missing_ok=True)  # the older run is no whole one any more
        all_formats.discard_exports(folder)
        save_model(fitted.network.model, folder / run_folder.MODEL)
        run_folder.write_decisions(folder, tested)
        run_folder.write_figures(
            folder,
            config=config,
            manifest=manifest,
            scores=scores,
            splits=[
                _row_of_split(part, network)
                for part, network in zip(parts, fitted.networks, strict=True)
            ],
            calibrated_on=_calibrated_on(parts),
            unreadable=cached.unreadable,
            short=cached.short,
        )
    return Run(folder, scores, manifest.provenance.leaks)


def fit_network_of_run(
    config: RunConfig,
    *,
    name: str,
    folder: Path,
    cache_folder: Path,
    negatives: Sequence[Clip] = (),
) -> None:
    """Fit one network of a run, on from its checkpoint if there is one, and leave it at that.

    `fit_run` with `resume` then takes it over, bit for bit, wherever it was fitted.

    Args:
        config: As of `fit_run`.
        name: One of `names_of_networks`.
        folder: As of `fit_run`.
        cache_folder: As of `fit_run`.
        negatives: As of `fit_run`.

    Raises:
        InputError: As of `fit_run`.
    """
    read = _read_footage(config, folder=folder, cache_folder=cache_folder, negatives=negatives)
    trainer = Trainer(read.config, read.dataset.labels, read.cached.frames, resume=True)
    fit_one(trainer, read.dataset, read.parts, name=name, folder=folder)


def names_of_networks(config: RunConfig) -> tuple[str, ...]:
    """The networks of a run, by their folders; a pretrained one comes first, and others need it.

    Raises:
        InputError: Something in the data or the config cannot be used.
    """
    dataset, parts = _splits_of(config)(read_dataset(config.data), {})
    first = () if config.pretrain is None else (PRETRAINED,)
    return (*first, *networks_of(dataset, config, parts))


def cache_clips(
    config: RunConfig,
    *,
    part: slice,
    folder: Path,
    cache_folder: Path,
    negatives: Sequence[Clip] = (),
) -> None:
    """Prepare some of a run's clips, which `fit_run` then finds in the cache.

    Args:
        config: As of `fit_run`.
        part: Which of them.
        folder: As of `fit_run`.
        cache_folder: As of `fit_run`.
        negatives: As of `fit_run`.

    Raises:
        InputError: None of them can be read, or the cache cannot be written.
    """
    dataset = read_dataset(config.data)
    frozen = make_frozen_encoder(config, folder=folder)
    sampling = replace(sampling_of(config), encode=frozen)
    every_clip = [*dataset.clips, *dataset.others, *negatives]
    cache.read_clips(every_clip[part], sampling, folder=cache_folder)


@dataclass(frozen=True, slots=True)
class _Footage:
    """What a run's networks learn from and are judged by: clips, parts, cached frames."""

    config: RunConfig
    dataset: Dataset
    parts: list[Split]
    cached: cache.CachedClips
    frozen: FrozenEncoder | None


def _read_footage(
    config: RunConfig, *, folder: Path, cache_folder: Path, negatives: Sequence[Clip]
) -> _Footage:
    # 1. What can be refused before anything is read.
    check_backend()
    dataset = read_dataset(config.data)
    config.check_urgent(dataset.labels)
    split = _splits_of(config)
    split(dataset, {})
    registry.build(config, n_labels=len(dataset.labels))
    with saving_run(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # 2. The clips' frames, or a frozen encoder's features of them.
    frozen = make_frozen_encoder(config, folder=folder)
    sampling = replace(sampling_of(config), encode=frozen)
    every_clip = [*dataset.clips, *dataset.others, *negatives]
    cached = cache.read_clips(every_clip, sampling, folder=cache_folder)
    unreadable = {clip.path: reason for clip, reason in cached.unreadable.items()}
    dataset, parts = split(dataset, unreadable)
    if config.sampling == "spread":
        config = _at_mean_rate(config, dataset)
    return _Footage(config, dataset, parts, cached, frozen)


def _splits_of(
    config: RunConfig,
) -> Callable[[Dataset, Mapping[Path, str]], tuple[Dataset, list[Split]]]:
    return partial(
        splits.make_splits_of_readable, split=config.split, data=config.data, seed=config.seed
    )


def _row_of_split(part: Split, network: FittedNetwork) -> dict[str, Any]:
    return {
        "name": part.name,
        "leaks": part.leaks,
        "n_train": len(part.train),
        "n_validation": len(part.validation),
        "n_test": len(part.test),
        "n_ungrouped": part.n_ungrouped,
        "best_epoch": network.best_epoch,
        "history": network.history,
    }


def _calibrated_on(parts: Sequence[Split]) -> CalibratedOn:
    if parts[0].validation:
        return "validation"
    return "folds" if len(parts) > 1 else "test"


def _calibrate(
    fitted: FittedRun, config: RunConfig, *, n_labels: int
) -> tuple[Calibration, RejectRule, dict[str, float]]:
    """Fit temperature and reject rule; return what the rule does beside them, by name."""
    probabilities, truth = clip_score.windows_of(fitted.judged)
    temperature = fit_temperature(probabilities, truth)
    calibrated = apply_temperature(probabilities, temperature)
    calibration = Calibration(
        temperature=temperature,
        ece_before=expected_calibration_error(probabilities, truth),
        ece_after=expected_calibration_error(calibrated, truth),
    )
    others, negatives = (
        Decided(
            apply_temperature(clip_score.windows_of_others(clips, n_labels=n_labels), temperature),
            energies_of(clips, labelled=False),
        )
        for clips in (fitted.judged, fitted.negatives)
    )
    if np.allclose(negatives.energies, 0, atol=1e-6):  # none, or of a network without logits
        rule = fit_reject_rule(
            calibrated, truth, others=others.probabilities, keep=config.keep, told=config.deciding
        )
        return calibration, rule, rule.shares()
    open_set = fit_open_set_rule(
        Decided(calibrated, energies_of(fitted.judged, labelled=True)),
        truth,
        others=others,
        negatives=negatives,
        let_pass=config.let_pass,
        keep=config.keep,
        told=config.deciding,
    )
    calibration = calibration.model_copy(update={"energy_above": open_set.energy_above})
    shares = {NEGATIVES_REJECTED: open_set.negatives_rejected}
    return calibration, open_set.rejecting, open_set.rejecting.shares() | shares


def _at_temperature(judged: Iterable[JudgedClip], temperature: float) -> list[JudgedClip]:
    return [
        replace(clip, probabilities=apply_temperature(clip.probabilities, temperature))
        for clip in judged
    ]


def _confusion(tested: Sequence[JudgedClip], n_labels: int) -> tuple[tuple[float, ...], ...]:
    probabilities, truth = clip_score.windows_of(tested)
    matrix = clip_score.confusion(
        probabilities.argmax(-1), truth, n_labels=n_labels, prior=CONFUSION_PRIOR
    )
    return tuple(tuple(round(float(share), 4) for share in row) for row in matrix)


def _figures(scores: Mapping[str, Any], shares: dict[str, float]) -> dict[str, float]:
    figures = {name: float(scores[name]) for name in ("accuracy", "macro_f1", "ece")}
    return {name: round(value, 4) for name, value in (figures | shares).items()}


def _at_mean_rate(config: RunConfig, dataset: Dataset) -> RunConfig:
    """State the rate that evenly spread frames have at the data set's mean clip length."""
    videos = [clip for clip in dataset.clips if isinstance(clip, VideoClip)]
    lengths = [length for clip in videos if (length := clip.length_s())]
    if not lengths:
        raise InputError("no clip states its length, so no sampling rate can be stated either")
    rate = config.clip.n_frames / float(np.mean(lengths))
    return config.model_copy(update={"clip": replace(config.clip, sample_hz=round(rate, 3))})
