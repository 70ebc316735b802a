"""A run's number formats: judged on clips that the judged network never saw, and side by side."""

import json
import shutil
from pathlib import Path

import keras
import pytest
from support.bundles.tiny_config import tiny_config
from support.video.clip_maker import write_dataset

from har_stream.bundles.bundle import find_bundle, load_bundle, save_bundle
from har_stream.core.errors import InputError
from training import run_folder
from training.commands.train_har import main
from training.config import DataConfig
from training.data.dataset import read_dataset
from training.encoders.to_litert import to_litert
from training.evaluation import clip_score
from training.evaluation.evaluate_clips import stream_clips
from training.export import all_formats
from training.fitting.training_run import fit_run
from training.reports import run_report

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("formats")
    clips = write_dataset(root / "clips", n_groups=3, n_cuts=1)
    config = tiny_config(
        data={"path": clips, "classes": ["Down", "Right"]},
        split={"held_out": ["2", "3"], "validation": 0},
    )
    fit_run(config, folder=root / "run", cache_folder=root / "cache", command="train-har fit")
    return root / "run"


def test_formats_side_by_side(run: Path) -> None:
    record = run_folder.read_run(run)
    made, rows = all_formats.export_run(record, weights="int8", cache_folder=run.parent / "cache")
    assert [row["format"] for row in rows] == ["float32", "float16", "int8"]
    assert rows == json.loads((run / "formats.json").read_text())
    full, half, small = (row["n_bytes"] for row in rows)
    assert small < half < 0.6 * full
    assert full == all_formats.litert_bytes(load_bundle(run / "bundle"))
    assert small == all_formats.litert_bytes(load_bundle(run / "bundle-int8"))
    assert made.manifest.networks["encoder"].keys() == {"litert_int8", "keras"}
    assert made.manifest.labels == record.manifest.labels
    # Streaming says what was said of the test clips in the run.
    assert rows[0]["accuracy"] == pytest.approx(record.scores["accuracy"])
    assert rows[0]["agreement"] == 1.0
    page = run_report.write_report(run).read_text()
    assert "Smaller weights" in page
    assert "float16" in page


def _break_in_8_bits(folder: Path) -> None:
    """Let a split's network say `Right` by a feature beside a dead one of far greater weight.

    In 8 bits, next to that weight, every other one is rounded to nothing.
    """
    model = keras.saving.load_model(folder / run_folder.MODEL, compile=False)
    *per_frame, lstm, head = model.layers
    dead, live = 0, 1
    filters, bias = per_frame[-3].get_weights()  # the last convolution: pooled and flattened after
    filters[..., [dead, live]], bias[[dead, live]] = 0, (-1, 1)
    per_frame[-3].set_weights([filters, bias])
    kernel, recurrent, bias = lstm.get_weights()
    kernel[:], kernel[dead], kernel[live] = 0, 1e4, 4
    lstm.set_weights([kernel, 0 * recurrent, 0 * bias])
    kernel, bias = head.get_weights()
    kernel[:], kernel[:, 1] = 0, 1
    head.set_weights([kernel, 0 * bias])
    model.save(folder / run_folder.MODEL)


@pytest.fixture
def unfit(run: Path, tmp_path: Path) -> Path:
    """A run whose network 8 bits cannot hold."""
    folder = tmp_path / "unfit"
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("bundle-*", "formats.json"))
    _break_in_8_bits(folder / "split-1")
    return folder


def test_a_format_that_saves_nothing_is_told() -> None:
    rows: list[all_formats.Row] = [
        {"format": "float32", "n_bytes": 1000},
        {"format": "int8", "n_bytes": 960},
        {"format": "float16", "refused": "why"},
    ]
    assert all_formats.saves_nothing(rows, "int8")
    assert not all_formats.saves_nothing(rows, "float32")
    rows[1]["n_bytes"] = 300
    assert not all_formats.saves_nothing(rows, "int8")


@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_a_refused_format_keeps_no_other_from_export(
    unfit: Path, run: Path, capsys: pytest.CaptureFixture[str], weights: str
) -> None:
    wanted = [] if weights == "float32" else [f"--{weights}"]
    assert main(["export", str(unfit), *wanted, "--cache", str(run.parent / "cache")]) == 0
    rows = json.loads((unfit / "formats.json").read_text())
    assert [row["format"] for row in rows] == ["float32", "float16", "int8"]
    assert [row["agreement"] for row in rows[:2]] == [1.0, 1.0]
    assert rows[2].keys() == {"format", "refused"}
    reason = "export refused: it agrees with Keras on 0.0% of the windows"
    assert rows[2]["refused"].startswith(reason)
    printed = " ".join(capsys.readouterr().out.split())
    page = " ".join((unfit / "report.html").read_text().split())
    assert "Smaller weights" in page
    for said in (printed, page):
        assert "refused" in said.split(reason)[0], "in its row"
        assert f"int8: {reason}" in said
    assert not (unfit / "bundle-int8").exists()


def test_the_format_that_was_asked_for_is_refused(
    unfit: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["export", str(unfit), "--int8", "--cache", str(run.parent / "cache")]
    assert main(given) == 2
    assert "agrees with Keras on 0.0% of the windows" in capsys.readouterr().err
    assert not (unfit / "formats.json").exists()
    assert not (unfit / "bundle-int8").exists()


def test_without_float32_there_is_nothing_to_agree_with(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run, tmp_path / "run")
    monkeypatch.setattr("training.export.export_bundle.TOLERANCE", -1.0)
    record = run_folder.read_run(tmp_path / "run")
    _, rows = all_formats.export_run(record, weights="float16", cache_folder=run.parent / "cache")
    assert "refused" in rows[0]
    assert [row["agreement"] for row in rows[1:]] == [None, None]
    assert "LiteRT differs from Keras by" in run_report.write_report(tmp_path / "run").read_text()


def test_fitting_again_takes_away_what_was_exported_of_the_older_network(
    run: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    (copy / "formats.json").write_text("[]")
    for name in ("bundle-int8", "bundle-float16", "bundle-mine"):
        (copy / name).mkdir(exist_ok=True)
    config = run_folder.read_run(run).config
    given = {"folder": copy, "cache_folder": run.parent / "cache", "command": "train-har fit"}
    fit_run(config, **given, resume=True)
    assert run_folder.read_run(copy).scores == run_folder.read_run(run).scores
    left = {path.name for path in copy.iterdir()}
    assert {"bundle", "bundle-mine"} <= left
    assert not {"formats.json", "bundle-int8", "bundle-float16"} & left

    (copy / "decisions.json").unlink()
    (copy / "decisions.json").mkdir()
    with pytest.raises(InputError, match=r"cannot be written .*; free some space and go on with"):
        fit_run(config, **given, resume=True)
    assert not (copy / "run.json").exists(), "half a run does not count as one"


def test_another_backend_is_refused_at_once(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND=jax: fit, import and export need"):
        all_formats.export_run(
            run_folder.read_run(run), weights="int8", cache_folder=tmp_path / "cache"
        )
    assert not (tmp_path / "cache").exists()


def test_clips_that_went_away_are_told(run: Path) -> None:
    record = run_folder.read_run(run)
    clip = record.tested[0].clip.path
    away = clip.rename(clip.with_suffix(".away"))
    try:
        with pytest.raises(InputError, match=r"the clips have changed since .* was made; run"):
            all_formats.export_run(record, weights="float16", cache_folder=run.parent / "cache")
    finally:
        away.rename(clip)
    assert not (run / "bundle-float16").exists()


def test_figures_that_cannot_be_written_are_told(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    (copy / "formats.json").unlink(missing_ok=True)
    (copy / "formats.json").mkdir()
    record = run_folder.read_run(copy)
    with pytest.raises(InputError, match=f"{copy}: cannot be written: Is a directory"):
        all_formats.export_run(record, weights="float16", cache_folder=run.parent / "cache")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lrcn-ucf", "convlstm-ucf"])
def test_int8_of_a_shipped_bundle(name: str, shared: Path, tmp_path: Path) -> None:
    """Within one point of float32 and half its size, on every clip of the bundle's activities."""
    full = load_bundle(find_bundle(name))
    files, networks = {}, {}
    for role in full.manifest.networks:
        part = keras.saving.load_model(full.file(role, "keras"), compile=False, safe_mode=True)
        files[f"{role}.tflite"] = to_litert(part, weights="int8")
        networks[role] = {"litert_int8": f"{role}.tflite"}
    manifest = full.manifest.model_copy(update={"networks": networks})
    small = save_bundle(tmp_path / "int8", manifest, files)
    labels = full.manifest.labels
    clips = read_dataset(DataConfig(path=shared / "data/ucf", classes=labels)).clips
    accuracy = {
        made.path.name: clip_score.score(stream_clips(made, clips)[0], labels)["accuracy"]
        for made in (full, small)
    }
    share = all_formats.litert_bytes(small) / all_formats.litert_bytes(full)
    print(f"{name}: {accuracy} on {len(clips)} clips, {share:.0%} of the size")
    assert accuracy["int8"] == pytest.approx(accuracy[name], abs=0.01)
    assert share < 0.5
