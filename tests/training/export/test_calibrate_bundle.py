"""A finished bundle can be told what it was never taught."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.processes.stream_process import shipped_bundle
from support.video.clip_maker import write_clip

from har_stream.bundles.bundle import SHIPPED, load_bundle
from training.commands.train_har import main
from training.data.folders import find_negatives
from training.evaluation.evaluate_clips import stream_clips


def test_footage_that_calibrates_is_rejected_and_nothing_else_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(shipped_bundle(), folder)
    before = load_bundle(folder)
    for n in range(4):
        write_clip(tmp_path / f"rooms/day-{n}.avi", seed=n, n_frames=80)
    negatives = find_negatives([tmp_path / "rooms"])
    energies = np.concatenate([clip.energies for clip in stream_clips(before, negatives)[0]])
    calibrate = ["calibrate", str(folder), "--negatives", str(tmp_path / "rooms")]
    judge = write_clip(tmp_path / "other.avi", seed=9, n_frames=80)
    assert main([*calibrate, "--ordinary", str(judge)]) == 0
    said = capsys.readouterr().out
    assert "of the decisions on 1 other clips are unknown" in said
    assert "false activities an hour of them: 0.0 (95 %: 0.0 to" in said
    after = load_bundle(folder)
    assert after.manifest.metrics["stream_false_per_hour"] == 0.0
    bound = after.manifest.calibration.energy_above
    assert bound is not None
    assert bound < energies.min() < bound + 2e-4
    assert "passed" not in after.manifest.metrics, "it was counted without the bound"
    assert after.manifest.metrics["accuracy"] == before.manifest.metrics["accuracy"]
    assert after.manifest.sha256 == before.manifest.sha256
    assert after.manifest.deciding == before.manifest.deciding
    assert main(calibrate) == 0
    assert "100.0% of the decisions on these 4 clips are unknown" in capsys.readouterr().out
    metrics = load_bundle(folder).manifest.metrics
    assert metrics["negatives_rejected"] == 1.0
    assert "stream_false_per_hour" not in metrics, "it was counted with another bound"
    assert main([*calibrate, "--let-pass", "0.5"]) == 0
    laxer = load_bundle(folder).manifest.calibration.energy_above
    assert laxer is not None
    assert (energies <= laxer).mean() == pytest.approx(0.5, abs=0.13)
    assert main(["calibrate", str(folder), "--ordinary", str(judge)]) == 0
    assert load_bundle(folder).manifest.calibration.energy_above == laxer
    assert load_bundle(folder).manifest.metrics["stream_false_per_hour"] >= 0
    assert main(["calibrate", str(folder), "--negatives", str(folder)]) == 2
    assert "no video there; give files, or folders that hold some" in capsys.readouterr().err


def test_postures_are_calibrated_by_the_command_that_makes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "day.avi")
    assert main(["calibrate", str(SHIPPED / "home"), "--ordinary", str(clip)]) == 2
    assert "which train-har fit-postures calibrates" in capsys.readouterr().err
