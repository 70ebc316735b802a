"""A run goes from clips to a bundle that streams; it stops, resumes and refuses as promised."""

import json
import logging
import signal
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import softmax
from support.bundles.tiny_config import tiny_config
from support.limits import files_of_at_most
from support.video.clip_maker import write_clip, write_dataset
from support.window_oracle import windows

from har_stream.bundles.bundle import load_bundle
from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.video_file import read_file
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from training.config import AugmentConfig, DataConfig, RunConfig
from training.data import augment
from training.data.batches import Batches, Example, StreamedBatches, cut_window
from training.data.clip import EPOCH, Sampling, VideoClip
from training.evaluation.evaluate_clips import evaluate_bundle
from training.fitting.checkpoint import Checkpoint
from training.fitting.fit_network import fit_network
from training.fitting.fold_time import fold_logits, fold_time
from training.fitting.training_run import Run, fit_run
from training.networks import registry

pytestmark = pytest.mark.usefixtures("eager")

CLIP = {"n_frames": 6, "height_px": 64, "width_px": 64, "sample_hz": 5.0}
AUGMENTED = {"flip": 0.3, "crop": 0.2, "colour": 0.2, "grey": 0.2, "speed": 1.3, "ticks": 2}


_config = partial(
    tiny_config,
    clip=CLIP,
    split={"held_out": ["5", "6"], "validation": 0.25},
    fit={"epochs": 2, "batch": 8, "learning_rate": 0.003},
)


def _fit(config: RunConfig, root: Path, data: Path, **options: Any) -> Run:
    config = config.model_copy(update={"data": config.data.model_copy(update={"path": data})})
    options = {"command": "train-har fit tiny.yaml"} | options
    return fit_run(config, folder=root / "run", cache_folder=root.parent / "cache", **options)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_dataset(tmp_path_factory.mktemp("clips") / "data")
    for n in range(1, 6):
        write_clip(root / f"Else{n}" / f"v_Else{n}_g01_c01.avi", seed=n, n_frames=12)
    (root / "Down/v_Down_g03_c09.avi").write_text("no video")
    return root


LABELLED = {"classes": ["Down", "Right"]}


@pytest.mark.usefixtures("traced")
def test_a_run_makes_a_bundle_that_streams(clips: Path, tmp_path: Path) -> None:
    config = _config(
        data={**LABELLED, "others": ["*"]}, augment=AUGMENTED, fit={"epochs": 2, "others": 0.5}
    )
    run = _fit(config, tmp_path, clips)
    loaded = load_bundle(run.folder / "bundle")
    manifest = loaded.manifest
    assert manifest.labels == ("Down", "Right")
    assert manifest.clip == ClipSpec(**CLIP)
    assert manifest.provenance.command == "train-har fit tiny.yaml"
    assert manifest.provenance.split == "group, held out: 5, 6"
    assert not manifest.provenance.leaks
    assert manifest.confusion is not None
    np.testing.assert_allclose(np.sum(manifest.confusion, axis=-1), 1, atol=1e-3)
    assert not {"Down/5", "Down/6", "Right/5", "Right/6"} & set(manifest.provenance.trained_on)
    assert "others_rejected" in manifest.metrics

    written = json.loads((run.folder / "run.json").read_text())
    assert len(written["splits"][0]["history"]) == 2
    assert [Path(path).name for path in written["unreadable"]] == ["v_Down_g03_c09.avi"]
    decisions = json.loads((run.folder / "decisions.json").read_text())
    assert len(decisions) == manifest.provenance.n_test_clips == run.scores["n_clips"] == 8

    data = DataConfig(path=clips, classes=("Down", "Right"))
    streamed_scores = evaluate_bundle(loaded, data, groups=("5", "6"))
    assert streamed_scores["n_clips"] == 8
    for name in ("accuracy", "macro_f1", "ece"):
        assert streamed_scores[name] == pytest.approx(run.scores[name], abs=1e-4)


def test_a_full_disk_leaves_the_old_bundle(clips: Path, tmp_path: Path) -> None:
    config = _config(data=LABELLED, fit={"epochs": 1})
    run = _fit(config, tmp_path, clips)
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with files_of_at_most(20_000), pytest.raises(InputError, match=r"cannot be written.*--resume"):
        _fit(config, tmp_path, clips, resume=True)
    after = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    assert after == before


def test_a_refused_export_leaves_an_older_run_as_it_was(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(data=LABELLED, fit={"epochs": 1}, deciding={"reject_below": 1})
    with monkeypatch.context() as patch:
        patch.setattr("training.export.export_bundle.TOLERANCE", -1.0)
        with pytest.raises(InputError, match="export refused"):
            _fit(config, tmp_path, clips)
    run_files = ("run.json", "decisions.json", "model.keras", "bundle/manifest.json")
    assert not any((tmp_path / "run" / name).exists() for name in run_files)

    run = _fit(config, tmp_path, clips, resume=True)
    manifest = load_bundle(run.folder / "bundle").manifest
    assert manifest.deciding.reject_below == 1
    assert manifest.metrics["passed"] == 0, "with the thresholds that the bundle states"
    before = [(run.folder / name).read_bytes() for name in run_files]
    monkeypatch.setattr("training.export.export_bundle.TOLERANCE", -1.0)
    with pytest.raises(InputError, match="export refused"):
        _fit(config.model_copy(update={"name": "other"}), tmp_path, clips, resume=True)
    assert [(run.folder / name).read_bytes() for name in run_files] == before


def test_folds_test_every_clip_and_the_bundle_is_trained_on_all(
    clips: Path, tmp_path: Path
) -> None:
    split = {"by": "folds", "n_folds": 2}
    run = _fit(_config(data=LABELLED, split=split, fit={"epochs": 1}), tmp_path, clips)
    manifest = load_bundle(run.folder / "bundle").manifest
    assert run.scores["n_clips"] == manifest.provenance.n_train_clips == 24
    assert manifest.provenance.split.startswith("2 group folds")
    assert len(manifest.provenance.trained_on) == 12


def test_a_refit_trains_on_the_validation_clips_once_they_have_calibrated(
    clips: Path, tmp_path: Path
) -> None:
    split = {"held_out": ["5", "6"], "validation": 0.25, "refit": True}
    run = _fit(_config(data=LABELLED, split=split), tmp_path, clips)
    provenance = load_bundle(run.folder / "bundle").manifest.provenance
    assert provenance.n_train_clips == 16
    assert len(provenance.trained_on) == 8
    assert (run.folder / "split-1/refit/checkpoint.npz").exists()
    assert not {"Down/5", "Down/6", "Right/5", "Right/6"} & set(provenance.trained_on)


def test_the_studys_protocol_is_flagged_and_states_its_rate(clips: Path, tmp_path: Path) -> None:
    config = _config(data=LABELLED, split={"by": "study"}, sampling="spread", fit={"epochs": 1})
    run = _fit(config, tmp_path, clips)
    manifest = load_bundle(run.folder / "bundle").manifest
    assert run.leaks
    assert manifest.provenance.leaks
    assert manifest.clip.sample_hz == pytest.approx(6 / 4.0), "clips of 4 s, 6 frames each"


def _examples(n: int = 6) -> list[Example]:
    rng = np.random.default_rng(0)
    return [
        Example(rng.integers(0, 255, (14 + k, 64, 64, 3), np.uint8), k % 2 if k else None)
        for k in range(n)
    ]


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("network", ["lrcn", pytest.param("convlstm", marks=pytest.mark.slow)])
def test_resumed_training_is_bit_true(tmp_path: Path, network: str) -> None:
    config = _config(
        network=network, augment=AUGMENTED, fit={"epochs": 3, "others": 0.5, "schedule": "cosine"}
    )

    def run(folder: str, *, resume: bool) -> list[np.ndarray]:
        clips = _examples(14)  # several batches an epoch: their order counts
        fitted = fit_network(
            clips, clips[1:3], config, n_labels=2, folder=tmp_path / folder, resume=resume
        )
        return [*fitted.model.get_weights(), np.array([h["loss"] for h in fitted.history])]

    def interrupt(checkpoint: Checkpoint, *_: object, **__: object) -> None:
        if len(checkpoint.history) == 1:
            signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    whole = run("whole", resume=False)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "on_train_batch_end", interrupt)
        run("cut", resume=False)
    assert (tmp_path / "cut/checkpoint.npz").exists()
    resumed = run("cut", resume=True)
    for expected, found in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("traced")
def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    config = _config(fit={"epochs": 30, "patience": 2, "learning_rate": 0.05})
    fitted = fit_network(
        _examples()[1:], _examples()[1:4], config, n_labels=2, folder=tmp_path, resume=False
    )
    losses = [row["val_loss"] for row in fitted.history]
    assert fitted.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == fitted.best_epoch + 2 < 30
    batches = StreamedBatches(_examples()[1:4], config, n_labels=2)
    assert fitted.folded.evaluate(batches, verbose=0)[0] == pytest.approx(min(losses), rel=1e-4)


def test_a_diverging_loss_stops_and_says_so(tmp_path: Path) -> None:
    config = _config(fit={"epochs": 9, "batch": 2, "learning_rate": 1e38})
    with pytest.raises(
        InputError, match=r"loss became (nan|inf) in epoch \d, batch.*lower fit.learning_rate"
    ):
        fit_network(_examples()[1:], [], config, n_labels=2, folder=tmp_path, resume=False)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    config = _config(fit={"epochs": 1})
    fit_network(_examples()[1:], [], config, n_labels=2, folder=tmp_path, resume=False)
    with pytest.raises(InputError, match="does not fit this run"):
        fit_network(_examples()[1:], [], config, n_labels=3, folder=tmp_path, resume=True)


def test_a_full_disk_keeps_the_epoch_before(tmp_path: Path) -> None:
    config = _config(fit={"epochs": 1})
    path = tmp_path / "checkpoint.npz"
    fit_network(_examples()[1:], [], config, n_labels=2, folder=tmp_path, resume=False)
    before = path.read_bytes()
    longer = _config(fit={"epochs": 3})
    full = pytest.raises(InputError, match=r"epoch 1 cannot be saved.*--resume")
    with files_of_at_most(len(before) // 2), full:
        fit_network(_examples()[1:], [], longer, n_labels=2, folder=tmp_path, resume=False)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("network", ["lrcn", pytest.param("convlstm", marks=pytest.mark.slow)])
def test_folding_time_changes_no_result(network: str) -> None:
    model = registry.get_network(network).build(
        3, ClipSpec(n_frames=5, height_px=64, width_px=64, sample_hz=5)
    )
    clips = np.random.default_rng(1).random((2, 5, 64, 64, 3), np.float32)
    folded = fold_time(model)
    np.testing.assert_allclose(
        folded.predict(clips, verbose=0), model.predict(clips, verbose=0), atol=1e-6
    )
    assert {id(w) for w in folded.weights} == {id(w) for w in model.weights}
    logits = fold_logits(model).predict(clips, verbose=0)
    np.testing.assert_allclose(
        softmax(logits, axis=-1), folded.predict(clips, verbose=0), atol=1e-6
    )
    kernel, bias = model.layers[-1].get_weights()
    hidden = keras.Sequential(model.layers[:-1]).predict(clips, verbose=0)
    np.testing.assert_allclose(logits, hidden @ kernel + bias, atol=1e-5)


def test_judged_windows_are_those_of_streaming(tmp_path: Path) -> None:
    for n_frames in (5, 40):
        path = write_clip(tmp_path / f"{n_frames}.avi", n_frames=n_frames)
        config = _config(augment={"ticks": 3}, hop_frames=2)
        frames = VideoClip(path, "A", "1").frames(Sampling(config.clip, ticks=3))
        images = ImageOptions(config.clip.picture)
        captured = read_file(path, sample_hz=5.0, start_at=EPOCH, images=images)
        expected = [window for _, window in windows(captured, config.clip, hop_frames=2)]
        found = [cut_window(frames, 2 * n, config) for n in range(len(expected))]
        np.testing.assert_array_equal(found, expected)
        batches = StreamedBatches([Example(frames, 0)], config, n_labels=2)
        assert batches.n_windows == [len(expected)]


def test_windows_without_augmentation_are_untouched_footage() -> None:
    frames = np.random.default_rng(2).integers(0, 255, (30, 8, 8, 3), np.uint8)
    rng = np.random.default_rng(3)
    for _ in range(20):
        times = augment.choose_times(30, n_frames=6, augment=AugmentConfig(ticks=3), rng=rng)
        assert set(np.diff(times)) == {3}
        np.testing.assert_array_equal(augment.vary(frames, AugmentConfig(), rng), frames)


def test_augmented_windows_vary_as_asked() -> None:
    rng = np.random.default_rng(4)
    settings = AugmentConfig(speed=1.5, ticks=4)
    spans = [
        int(np.ptp(augment.choose_times(100, n_frames=6, augment=settings, rng=rng)))
        for _ in range(200)
    ]
    assert 12 <= min(spans) < 16
    assert 26 < max(spans) <= 31
    window = np.tile(np.arange(64, dtype=np.uint8)[None, None, :, None], (3, 64, 1, 3))
    flipped = augment.vary(window, AugmentConfig(flip=0.999), rng)
    np.testing.assert_array_equal(flipped, window[:, :, ::-1])
    cropped = augment.vary(window, AugmentConfig(crop=0.5), rng)
    assert cropped.shape == window.shape
    assert np.ptp(cropped) < np.ptp(window)
    lit = augment.vary(window, AugmentConfig(colour=0.4), rng)
    assert not np.array_equal(lit, window)
    assert (np.diff(lit[0, 0, :, 0].astype(int)) >= 0).all(), "light keeps the order of levels"
    colourful = np.random.default_rng(5).integers(0, 255, (2, 8, 8, 3), np.uint8)
    grey = augment.vary(colourful, AugmentConfig(grey=0.999), rng)
    assert (grey == grey[..., :1]).all()


def test_rare_classes_weigh_more_and_other_windows_are_unsure() -> None:
    examples = [Example(np.zeros((9, 8, 8, 3), np.uint8), label) for label in (0, 0, 0, 1, None)]
    config = _config(fit={"batch": 4, "class_weights": True, "others": 0.5})
    windows_, targets, weights = Batches(examples, config, n_labels=2)[0]
    assert windows_.shape == (6, 6, 8, 8, 3)
    assert windows_.dtype == np.float32
    by_label = {
        int(row.argmax()): weight for row, weight in zip(targets[:4], weights, strict=False)
    }
    assert by_label == {0: pytest.approx(4 / 2 / 3), 1: pytest.approx(2.0)}
    np.testing.assert_array_equal(targets[4:], 0.5)


@pytest.mark.usefixtures("traced")
@pytest.mark.slow
def test_a_network_is_trained_on_motion(
    clips: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = _config(
        data=LABELLED, fit={"epochs": 60, "batch": 4, "learning_rate": 0.002}, hop_frames=2
    )
    run = _fit(config, tmp_path, clips)
    assert run.scores["accuracy"] >= 0.9
    keras.backend.clear_session()
