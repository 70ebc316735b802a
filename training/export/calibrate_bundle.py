"""A finished bundle learns what it was never taught: its bound on free energy, fitted anew."""

from collections.abc import Sequence

import numpy as np

from har_stream.bundles.bundle import MANIFEST, Bundle, save_bundle
from har_stream.core.atomic_file import writing
from har_stream.core.errors import InputError
from training.data.clip import Clip
from training.evaluation.calibration import NEGATIVES_REJECTED, SHARES, share_passing
from training.evaluation.evaluate_clips import stream_clips
from training.evaluation.open_set import bound_energy


def calibrate_bundle(bundle: Bundle, negatives: Sequence[Clip], *, let_pass: float) -> Bundle:
    """Stream footage that shows none of the labels, and write the bundle anew with its bound.

    The shares of decisions that pass or are rejected, which were counted without it, hold no longer
    and leave the manifest; `train-har evaluate` counts them on clips of the labels.

    Args:
        bundle: What is calibrated, in its own folder.
        negatives: The footage; the bundle must not have learned from it.
        let_pass: Largest share of decisions on it whose energy is not too high.

    Raises:
        InputError: None of the footage can be read, or the bundle cannot be written.
    """
    judged, unreadable = stream_clips(bundle, negatives)
    if not judged:
        raise InputError(f"none of {len(unreadable)} negatives can be read")
    energies = np.concatenate([clip.energies for clip in judged])
    probabilities = np.concatenate([clip.probabilities for clip in judged])
    bound = bound_energy(energies, let_pass=let_pass)
    manifest = bundle.manifest
    passing = share_passing(probabilities[energies <= bound], manifest.deciding)
    rejected = 1 - passing * float((energies <= bound).mean())
    manifest = manifest.model_copy(
        update={
            "calibration": manifest.calibration.model_copy(update={"energy_above": bound}),
            "metrics": {
                name: figure for name, figure in manifest.metrics.items() if name not in SHARES
            }
            | {NEGATIVES_REJECTED: round(rejected, 4)},
        }
    )
    files = {path.name: path.read_bytes() for path in bundle.path.iterdir()}
    del files[MANIFEST]
    with writing(bundle.path.parent):
        return save_bundle(bundle.path, manifest, files)
