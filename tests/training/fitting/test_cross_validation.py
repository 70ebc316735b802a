"""With folds, what the bundle states of itself is of the network that it holds."""

from pathlib import Path

import pytest
from support.bundles.tiny_config import tiny_config
from support.video.clip_maker import write_clip, write_dataset

from har_stream.bundles.bundle import load_bundle
from training.data.folders import find_negatives
from training.evaluation.evaluate_clips import stream_clips
from training.fitting.training_run import fit_run

pytestmark = pytest.mark.usefixtures("eager")


def test_with_folds_the_bound_on_what_is_strange_is_of_the_bundles_own_network(
    tmp_path: Path,
) -> None:
    data = write_dataset(tmp_path / "clips", n_groups=2, n_cuts=1)
    negatives = find_negatives([write_clip(tmp_path / "room.avi", seed=900)])
    run = fit_run(
        tiny_config(
            data={"path": data, "classes": ["Down", "Right"]},
            split={"by": "folds", "n_folds": 2},
        ),
        folder=tmp_path / "run",
        cache_folder=tmp_path / "cache",
        command="train-har fit tiny.yaml --negatives room.avi",
        negatives=negatives,
    )
    bundle = load_bundle(run.folder / "bundle")
    (streamed,) = stream_clips(bundle, negatives)[0]
    bound = bundle.manifest.calibration.energy_above
    assert bound is not None
    assert bound < streamed.energies.min() < bound + 3e-4
    assert bundle.manifest.metrics["negatives_rejected"] == 1.0
