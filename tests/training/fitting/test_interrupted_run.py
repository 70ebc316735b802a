"""A whole run that was interrupted goes on where it stopped, and ends bit for bit the same."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.bundles.tiny_config import tiny_config
from support.video.clip_maker import write_dataset

from training.fitting.checkpoint import Checkpoint
from training.fitting.training_run import Run, fit_run


@pytest.mark.slow
def test_a_run_that_refits_after_a_warm_up_resumes_bit_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in its folder in the second network's second epoch is all that a power cut leaves.

    The first network is whole then, and learns no more.
    """
    clips = write_dataset(tmp_path / "clips", n_groups=4, n_cuts=2, n_frames=12)
    config = tiny_config(
        data={"path": clips},
        split={"held_out": ["4"], "validation": 0.34, "refit": True},
        augment={"flip": 0.3, "crop": 0.2, "colour": 0.2, "ticks": 2},
        fit={"epochs": 2, "batch": 3, "warm_up": 2, "schedule": "cosine"},
    )
    learned_in: list[str] = []
    goes_on = Checkpoint.on_train_batch_end

    def watch(checkpoint: Checkpoint, *arguments: object, **named: object) -> None:
        learned_in.append(f"{checkpoint.path.parent.name}, {len(checkpoint.history) + 1}")
        if learned_in[-1] == "refit, 2" and not (tmp_path / "cut").exists():
            shutil.copytree(tmp_path / "whole", tmp_path / "cut")
        goes_on(checkpoint, *arguments, **named)

    def run(name: str, *, resume: bool) -> Run:
        learned_in.clear()
        folder, cache = tmp_path / name, tmp_path / "cache"
        return fit_run(config, folder=folder, cache_folder=cache, command="a test", resume=resume)

    monkeypatch.setattr(Checkpoint, "on_train_batch_end", watch)
    whole = run("whole", resume=False)
    assert set(learned_in) == {"split-1, 1", "split-1, 2", "refit, 1", "refit, 2"}
    assert not (tmp_path / "cut/bundle").exists()
    resumed = run("cut", resume=True)
    assert set(learned_in) == {"refit, 2"}

    for name in ("split-1/checkpoint.npz", "split-1/refit/checkpoint.npz"):
        with np.load(whole.folder / name) as one, np.load(resumed.folder / name) as other:
            assert one.files == other.files
            for array in one.files:
                np.testing.assert_array_equal(other[array], one[array], err_msg=array)
    assert resumed.scores == whole.scores
    decided = [(each.folder / "decisions.json").read_bytes() for each in (whole, resumed)]
    assert decided[0] == decided[1]
