"""Networks that see a whole window at once go from clips to a bundle that streams it likewise."""

from pathlib import Path
from typing import Any

import pytest
from support.bundles.tiny_config import CLIP, tiny_config
from support.video.clip_maker import write_dataset

from har_stream.bundles.bundle import load_bundle
from training.config import DataConfig
from training.evaluation.evaluate_clips import evaluate_bundle
from training.fitting.training_run import fit_run

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clips") / "data"
    return write_dataset(root, n_groups=3, n_cuts=1, n_frames=16)


@pytest.mark.parametrize(
    ("network", "clip"), [("c3d", CLIP), ("two_stream", CLIP | {"motion": "flow"})]
)
def test_a_run_makes_a_bundle_that_streams(
    clips: Path, tmp_path: Path, network: str, clip: dict[str, Any]
) -> None:
    config = tiny_config(
        network=network,
        width=0.02,
        data={"path": clips},
        split={"held_out": ["3"], "validation": 0.0},
        clip=clip,
        hop_frames=2,
        fit={"epochs": 1, "batch": 4},
    )
    run = fit_run(
        config, folder=tmp_path / "run", cache_folder=tmp_path / "cache", command="a test"
    )
    made = load_bundle(run.folder / "bundle")
    assert made.manifest.clip == config.clip
    assert made.manifest.memory == "ring"
    assert made.manifest.networks.keys() == {"head"}
    scores = evaluate_bundle(made, DataConfig(path=clips), groups=("3",))
    for name in ("accuracy", "macro_f1", "ece"):
        assert scores[name] == pytest.approx(run.scores[name], abs=1e-4)
