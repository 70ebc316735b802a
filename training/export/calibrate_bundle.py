"""A finished bundle learns what it was never taught: its bound on free energy (Liu et al. 2020)."""

from collections.abc import Sequence

import numpy as np

from har_stream.bundles.bundle import MANIFEST, Bundle, Manifest, save_bundle
from har_stream.core.atomic_file import writing
from har_stream.core.errors import InputError
from har_stream.recognition.recogniser import Recogniser
from training.data.clip import Clip
from training.evaluation.calibration import NEGATIVES_REJECTED, SHARES, share_passing
from training.evaluation.evaluate_clips import stream_clips
from training.evaluation.open_set import Decided, bound_energy
from training.evaluation.ordinary_footage import count_false_reports

ORDINARY = tuple(f"stream_false_per_hour{end}" for end in ("", "_low", "_high"))
"""False activities an hour of ordinary footage, and their interval, as the manifest has them."""


def calibrate_bundle(
    bundle: Bundle,
    negatives: Sequence[Clip],
    *,
    judges: Sequence[Clip] = (),
    let_pass: float = 0.0,
) -> Bundle:
    """Stream footage that shows none of the labels, and write the bundle anew with its bound.

    The shares of decisions that pass or are rejected, which were counted without it, hold no longer
    and leave the manifest; `train-har evaluate` counts them on clips of the labels.

    Args:
        bundle: What is calibrated, in its own folder.
        negatives: The footage; the bundle must not have learned from it. None: its bound stays.
        judges: Other such footage, whose rejected share and false activities an hour the manifest
            states; none: the share of the negatives.
        let_pass: Share of decisions on the negatives that may lie below the bound.

    Raises:
        InputError: None of the footage can be read, the bundle cannot be written, or it tells
            postures, which have a bound of their own.
    """
    manifest = bundle.manifest
    if manifest.clip.person == "keypoints":
        raise InputError(
            f"bundle {manifest.name} tells postures, which train-har fit-postures calibrates; see "
            "negatives in configs/postures.yaml"
        )
    calibration, metrics = manifest.calibration, dict(manifest.metrics)
    if negatives:
        bound = bound_energy(_stream(bundle, negatives).energies, let_pass=let_pass)
        calibration = calibration.model_copy(update={"energy_above": bound})
        for name in (*SHARES, *ORDINARY):
            metrics.pop(name, None)
    judged = _stream(bundle, judges or negatives)
    known = judged.of(np.array([calibration.knows(each) for each in judged.energies.tolist()]))
    n_passing = share_passing(known.probabilities, manifest.deciding) * len(known.energies)
    metrics[NEGATIVES_REJECTED] = round(1 - n_passing / len(judged.energies), 4)
    made = _save(
        bundle, manifest.model_copy(update={"calibration": calibration, "metrics": metrics})
    )
    if not judges:
        return made
    per_hour = count_false_reports(Recogniser(made), judges).per_hour()
    counted = {name: round(each, 4) for name, each in zip(ORDINARY, per_hour, strict=True)}
    return _save(made, made.manifest.model_copy(update={"metrics": metrics | counted}))


def _save(bundle: Bundle, manifest: Manifest) -> Bundle:
    files = {path.name: path.read_bytes() for path in bundle.path.iterdir()}
    del files[MANIFEST]
    with writing(bundle.path.parent):
        return save_bundle(bundle.path, manifest, files)


def _stream(bundle: Bundle, clips: Sequence[Clip]) -> Decided:
    judged, _ = stream_clips(bundle, clips)
    if not judged:
        raise InputError("no footage can be read; give some with --negatives or --ordinary")
    return Decided(
        np.concatenate([clip.probabilities for clip in judged]),
        np.concatenate([clip.energies for clip in judged]),
    )
