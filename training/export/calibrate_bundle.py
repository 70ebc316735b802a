"""A finished bundle learns what it was never taught: its bound on free energy (Liu et al. 2020)."""

from collections.abc import Sequence

import numpy as np

from har_stream.bundles.bundle import MANIFEST, Bundle, save_bundle
from har_stream.core.atomic_file import writing
from har_stream.core.errors import InputError
from training.data.clip import Clip
from training.evaluation.calibration import NEGATIVES_REJECTED, SHARES, share_passing
from training.evaluation.evaluate_clips import stream_clips
from training.evaluation.open_set import Decided, bound_energy


def calibrate_bundle(
    bundle: Bundle, negatives: Sequence[Clip], *, judges: Sequence[Clip] = ()
) -> Bundle:
    """Stream footage that shows none of the labels, and write the bundle anew with its bound.

    The shares of decisions that pass or are rejected, which were counted without it, hold no longer
    and leave the manifest; `train-har evaluate` counts them on clips of the labels.

    Args:
        bundle: What is calibrated, in its own folder.
        negatives: The footage, none of which is to pass; the bundle must not have learned from it.
        judges: Other such footage, whose rejected share the manifest states; none: the negatives.

    Raises:
        InputError: None of the footage can be read, or the bundle cannot be written.
    """
    manifest = bundle.manifest
    bound = bound_energy(_stream(bundle, negatives).energies, let_pass=0.0)
    judged = _stream(bundle, judges or negatives)
    known = judged.of(judged.energies <= bound)
    n_passing = share_passing(known.probabilities, manifest.deciding) * len(known.energies)
    rejected = round(1 - n_passing / len(judged.energies), 4)
    kept = {name: figure for name, figure in manifest.metrics.items() if name not in SHARES}
    manifest = manifest.model_copy(
        update={
            "calibration": manifest.calibration.model_copy(update={"energy_above": bound}),
            "metrics": kept | {NEGATIVES_REJECTED: rejected},
        }
    )
    files = {path.name: path.read_bytes() for path in bundle.path.iterdir()}
    del files[MANIFEST]
    with writing(bundle.path.parent):
        return save_bundle(bundle.path, manifest, files)


def _stream(bundle: Bundle, clips: Sequence[Clip]) -> Decided:
    judged, _ = stream_clips(bundle, clips)
    if not judged:
        raise InputError("no negative can be read; give footage with --negatives")
    return Decided(
        np.concatenate([clip.probabilities for clip in judged]),
        np.concatenate([clip.energies for clip in judged]),
    )
