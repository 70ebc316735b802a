"""A run that makes a bundle of postures, top to bottom: clips, heads room by room, figures, bundle.

Every room is judged by a head that saw neither it nor its people; every set of clips by one that
learned from the other sets alone. The bundle's own head learns from all clips.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles import weights
from har_stream.bundles.bundle import (
    Bundle,
    Calibration,
    ExternalNetwork,
    Manifest,
    Provenance,
    load_bundle,
    save_bundle,
)
from har_stream.bundles.published_weights import WEIGHTS
from har_stream.core.atomic_file import write_figures
from har_stream.core.errors import InputError
from har_stream.core.frame import PIXELS
from har_stream.core.thresholds import Thresholds
from har_stream.recognition.person.pooling import windows_of
from har_stream.recognition.person.postures import POSTURES, labels_of
from predictor.evaluation.metrics import expected_calibration_error
from training.data.folders import find_negatives
from training.encoders.to_litert import check_backend, to_litert
from training.evaluation.calibration import (
    NEGATIVES_REJECTED,
    SHARES,
    apply_temperature,
    fit_temperature,
)
from training.evaluation.evaluate_clips import stream_clips
from training.fitting.postures.footage import SeenClip, list_clips, read_footage, see_clips
from training.fitting.postures.head import Head, fit_head
from training.fitting.postures.judge import Judged, label_confusion, score, stream
from training.fitting.postures.open_set import (
    fit_bound,
    said_of,
    share_of_negatives,
    share_of_rooms,
)
from training.fitting.postures.remembered_pose import RememberedPose
from training.fitting.postures.settings import PostureConfig

logger = logging.getLogger(__name__)

FIGURES = "figures.json"
_SHARES = (*SHARES, NEGATIVES_REJECTED)
"""Of the open set, those that the manifest holds."""


@dataclass(frozen=True, slots=True)
class _Run:
    config: PostureConfig
    path: Path
    pose: RememberedPose
    folder: Path
    command: str
    strange: Sequence[NDArray[np.float32]]
    """Windows of footage of which no posture can be told."""


def fit_postures(
    config: PostureConfig, *, data: Path, folder: Path, cache_folder: Path, command: str
) -> dict[str, Any]:
    """Make the bundle `folder`/bundle; return its figures, which lie beside it.

    Args:
        config: What to do.
        data: Folder of the sets.
        folder: Where to; made if need be.
        cache_folder: Keeps what the key-point network found from run to run.
        command: How it was started, for the bundle's provenance.

    Raises:
        InputError: A table, a clip or the key-point network is missing or wrong.
    """
    # 1. What can be refused before anything is read.
    check_backend()
    clips = list_clips(config, data)
    foreign = set(config.learn_from) - config.sets.keys()
    if foreign:
        raise InputError(f"learn_from: no such set: {', '.join(sorted(foreign))}")
    path = weights.find_by_name(config.pose, suffixes=(".tflite",), known=WEIGHTS)
    pose = RememberedPose(path, folder=cache_folder)
    negatives = config.negatives
    teaching, judging = negatives.find(data) if negatives else ([], [])
    # 2. Every clip once through the person stage.
    footage = read_footage(clips, config, pose)
    strange = [windows_of(features) for features in see_clips(teaching, config, pose)]
    run = _Run(config, path, pose, folder, command, strange)
    pose.keep()
    learned = [each for each in footage if _set_of(each, config) in _sets(config)]
    # 3. Room by room, by heads that saw neither the room nor its people.
    judged: list[Judged] = []
    for room in sorted({each.room for each in footage}):
        apart = config.rooms_with_people_of(room)
        tested = [each for each in footage if each.room == room and not each.is_made]
        judged += _judge_others(run, [e for e in learned if e.room not in apart], tested, room)
    figures: dict[str, Any] = {"rooms_left_out": score(judged)}
    # 4. Set by set.
    for name in config.sets if len(config.sets) > 1 else ():
        others = [each for each in footage if _set_of(each, config) != name]
        tested = [each for each in footage if _set_of(each, config) == name and not each.is_made]
        unseen = _judge_others(run, others, tested, f"without-{name}")
        figures[f"without_{name}"] = score(unseen)
    # 5. The bundle's own, calibrated by what heads said of rooms that they never saw.
    calibration, shares = _calibrate(judged, config)
    made = _write(
        run, _fit(run, learned), folder / "bundle", learned, calibration, figures["rooms_left_out"]
    )
    if judging:
        shares |= share_of_negatives(stream_clips(made, find_negatives(judging))[0], made.manifest)
        figures["open_set"] = {name: round(share, 4) for name, share in shares.items()}
    told = {name: round(share, 4) for name, share in shares.items() if name in _SHARES}
    made = _update(made, confusion=label_confusion(judged), metrics=made.manifest.metrics | told)
    for room in {each.room for each in footage}:  # falls are tried with what is shipped
        _update(load_bundle(_apart(run, room)), calibration=calibration)
    logger.info("bundle: %s", made.path)
    write_figures(folder / FIGURES, figures)
    return figures


def _sets(config: PostureConfig) -> Sequence[str]:
    return config.learn_from or tuple(config.sets)


def _set_of(footage: SeenClip, config: PostureConfig) -> str:
    folder = footage.clip.split("/", 1)[0]
    return next(name for name, each in config.sets.items() if each.clips == folder)


def _fit(run: _Run, learned: Sequence[SeenClip]) -> Head:
    return fit_head(
        [windows_of(each.features) for each in learned],
        [each.postures for each in learned],
        strength=run.config.strength,
        strange=run.strange,
    )


def _judge_others(
    run: _Run, learned: Sequence[SeenClip], tested: Sequence[SeenClip], name: str
) -> list[Judged]:
    """Stream clips by a bundle that learned from others."""
    bundle = _write(run, _fit(run, learned), _apart(run, name), learned, Calibration(), {})
    judged = stream(bundle, tested, run.config, pose=run.pose)
    figures = score(judged)
    logger.info("%s: %d seconds, macro F1 %.3f", name, figures["n_seconds"], figures["macro_f1"])
    return judged


def _apart(run: _Run, name: str) -> Path:
    return run.folder / "apart" / name


def _update(bundle: Bundle, **fields: Any) -> Bundle:
    """Write a bundle anew with other fields of its manifest."""
    names = bundle.manifest.sha256
    files = {name: (bundle.path / name).read_bytes() for name in names}
    return save_bundle(bundle.path, bundle.manifest.model_copy(update=fields), files)


def _calibrate(
    judged: Sequence[Judged], config: PostureConfig
) -> tuple[Calibration, dict[str, float]]:
    """Fit temperature, and the bound where there are negatives; return the shares beside it."""
    truth = np.concatenate([each.postures for each in judged])
    said = np.concatenate([each.outputs for each in judged])[truth >= 0]
    truth = truth[truth >= 0]
    temperature = fit_temperature(said, truth)
    calibration = Calibration(
        temperature=temperature,
        ece_before=expected_calibration_error(said, truth),
        ece_after=expected_calibration_error(apply_temperature(said, temperature), truth),
    )
    if config.negatives is None:
        return calibration, {}
    by_room: dict[str | None, list[Judged]] = {}
    for each in judged:
        by_room.setdefault(config.room_of(each.clip), []).append(each)
    rooms = [said_of(clips, _deciding(config)) for clips in by_room.values()]
    keep = config.negatives.keep
    bound = fit_bound(rooms, keep=keep)
    shares = share_of_rooms(rooms, keep=keep)
    return calibration.model_copy(update={"energy_above": bound}), shares


def _deciding(config: PostureConfig) -> Thresholds:
    return Thresholds(**config.deciding.model_dump(exclude_none=True))


def _write(
    run: _Run,
    head: Head,
    path: Path,
    learned: Sequence[SeenClip],
    calibration: Calibration,
    figures: Mapping[str, Any],
) -> Bundle:
    config, name = run.config, run.path.name
    files = {"head.tflite": to_litert(head.to_keras())}
    outside: dict[str, ExternalNetwork] = {}
    if config.pose_inside:
        files[name] = run.path.read_bytes()
    else:
        outside[name] = ExternalNetwork(
            sha256=weights.hash_of(weights.keep_copy(run.path)),
            how=weights.how_to_bring(config.pose),
        )
    manifest = Manifest(
        name=config.name,
        about=config.about,
        network="postures",
        n_parameters=head.kernel.size + head.bias.size,
        labels=labels_of(POSTURES),
        outputs=POSTURES,
        clip=config.clip,
        memory="ring",
        hop_frames=config.hop_frames,
        pixels=PIXELS,
        networks={"pose": {"litert": name}, "head": {"litert": "head.tflite"}},
        outside=outside,
        calibration=calibration,
        deciding=_deciding(config),
        falls=config.falls,
        metrics={
            key: figures[key]
            for key in ("macro_f1", "accuracy", "sure", "accuracy_sure")
            if key in figures
        },
        provenance=Provenance(
            command=run.command,
            dataset=f"{', '.join(_sets(config))}; {sum(not e.is_made for e in learned)} clips, "
            "and their rooms without people",
            split="a room and its people left out; the bundle's own head learned from all",
            leaks=False,
            seed=config.seed,
            trained_on=tuple(sorted({f"*/{each.room}" for each in learned})),
            n_train_clips=sum(not each.is_made for each in learned),
            n_test_clips=figures.get("n_clips", 0),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            version=version("har-stream"),
            licence=config.licence,
        ),
    )
    return save_bundle(path, manifest, files)
