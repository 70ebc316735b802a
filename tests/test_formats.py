"""A run's number formats: judged on clips that the judged network never saw, and side by side."""

import json
from pathlib import Path

import keras
import pytest
from clip_maker import write_dataset

from har_stream import bundle
from har_stream.errors import InputError
from training import datasets, formats, metrics, report, run_folder
from training.config import DataConfig, RunConfig
from training.evaluate import stream_clips
from training.export import to_litert
from training.fit import fit

CONFIG = {
    "name": "tiny",
    "about": "two directions",
    "network": "lrcn",
    "data": {"classes": ["Down", "Right"]},
    "split": {"held_out": ["2", "3"], "validation": 0},
    "clip": {"n_frames": 3, "height_px": 64, "width_px": 64, "sample_hz": 5.0},
    "fit": {"epochs": 1, "batch": 8},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("formats")
    clips = write_dataset(root / "clips", n_groups=3, n_cuts=1)
    config = RunConfig.model_validate(CONFIG)
    config = config.model_copy(update={"data": config.data.model_copy(update={"path": clips})})
    fit(config, folder=root / "run", cache_folder=root / "cache", command="train-har fit")
    return root / "run"


def test_formats_side_by_side(run: Path) -> None:
    record = run_folder.read(run)
    made, rows = formats.export(record, weights="int8", cache_folder=run.parent / "cache")
    assert [row["format"] for row in rows] == ["float32", "float16", "int8"]
    assert rows == json.loads((run / "formats.json").read_text())
    full, half, small = (row["n_bytes"] for row in rows)
    assert small < half < 0.6 * full
    assert full == formats.litert_bytes(bundle.load(run / "bundle"))
    assert small == formats.litert_bytes(bundle.load(run / "bundle-int8"))
    assert made.manifest.networks["encoder"].keys() == {"litert_int8", "keras"}
    assert made.manifest.labels == record.manifest.labels
    # Streaming says what was said of the test clips in the run.
    assert rows[0]["accuracy"] == pytest.approx(record.scores["accuracy"])
    assert rows[0]["agreement"] == 1.0
    page = report.write(run).read_text()
    assert "Smaller weights" in page
    assert "float16" in page


def test_clips_that_went_away_are_told(run: Path) -> None:
    record = run_folder.read(run)
    clip = record.tested[0].clip.path
    away = clip.rename(clip.with_suffix(".away"))
    try:
        with pytest.raises(InputError, match=r"the clips have changed since .* was made; run"):
            formats.export(record, weights="float16", cache_folder=run.parent / "cache")
    finally:
        away.rename(clip)
    assert not (run / "bundle-float16").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lrcn-ucf", "convlstm-ucf"])
def test_int8_of_a_shipped_bundle(name: str, shared: Path, tmp_path: Path) -> None:
    """Within one point of float32 and half its size, on every clip of the bundle's activities."""
    full = bundle.load(bundle.find(name))
    files, networks = {}, {}
    for role in full.manifest.networks:
        part = keras.saving.load_model(full.file(role, "keras"), compile=False, safe_mode=True)
        files[f"{role}.tflite"] = to_litert(part, weights="int8")
        networks[role] = {"litert_int8": f"{role}.tflite"}
    manifest = full.manifest.model_copy(update={"networks": networks})
    small = bundle.save(tmp_path / "int8", manifest, files)
    labels = full.manifest.labels
    clips = datasets.read(DataConfig(path=shared / "data/ucf", classes=labels)).clips
    accuracy = {
        made.path.name: metrics.score(stream_clips(made, clips)[0], labels)["accuracy"]
        for made in (full, small)
    }
    share = formats.litert_bytes(small) / formats.litert_bytes(full)
    print(f"{name}: {accuracy} on {len(clips)} clips, {share:.0%} of the size")
    assert accuracy["int8"] == pytest.approx(accuracy[name], abs=0.01)
    assert share < 0.5
