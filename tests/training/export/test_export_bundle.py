"""A bundle is exported only where its streamed step is the window model."""

from datetime import UTC, datetime
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from support.bundles.random_bundle import (
    random_bundle,
    random_manifest,
    random_model,
    random_windows,
)
from support.window_oracle import windows

from har_stream.bundles.bundle import Bundle
from har_stream.cameras.video_file import read_file
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec, Image
from har_stream.recognition.preprocessing import normalise
from har_stream.recognition.recogniser import Recogniser
from training.export.export_bundle import check_parity, export_bundle
from training.networks import registry

pytestmark = pytest.mark.usefixtures("eager")

STUDY = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0)
LABELS = ("WalkingWithDog", "TaiChi", "Swing", "HorseRace")
SHORT = ClipSpec(n_frames=4, height_px=64, width_px=64, sample_hz=5.0)


@pytest.mark.parametrize("network", ["lrcn", "convlstm"])
def test_a_bundle_says_what_it_holds_and_holds_every_weight_once(network: str) -> None:
    made, model = random_bundle(network, SHORT)
    assert made.manifest.n_parameters == model.count_params()
    assert made.manifest.memory == "staggered"
    assert made.manifest.networks == {
        "encoder": {"litert": "encoder.tflite", "keras": "encoder.keras"},
        "advance": {"litert": "advance.tflite", "keras": "advance.keras"},
    }
    n_bytes = sum(path.stat().st_size for path in made.path.glob("*.tflite"))
    assert n_bytes - 4 * model.count_params() < 30_000


def test_keras_files_load_in_safe_mode_without_our_code() -> None:
    made, _ = random_bundle("convlstm", SHORT)
    part = keras.saving.load_model(made.path / "advance.keras", safe_mode=True)
    modules = {type(layer).__module__.split(".")[0] for layer in part.layers}
    assert modules == {"keras"}


def test_a_step_that_is_not_the_window_model_is_refused() -> None:
    made, model = random_bundle("lrcn", SHORT)
    clips = normalise(random_windows(3, SHORT), SHORT)
    expected = model.predict(clips, verbose=0)
    check_parity(made, expected=expected, clips=clips)
    wrong = expected + np.float32([2e-5, -2e-5, 0])
    with pytest.raises(InputError, match=r"refused: LiteRT differs from Keras by 2\.0e-05"):
        check_parity(made, expected=wrong, clips=clips)


def test_smaller_weights_may_toss_a_coin_but_not_change_their_mind() -> None:
    made, model = random_bundle("lrcn", SHORT)
    clips = normalise(random_windows(3, SHORT), SHORT)
    said = model.predict(clips, verbose=0)
    formats = {role: {"litert_int8": f"{role}.tflite"} for role in ("encoder", "advance")}
    manifest = made.manifest.model_copy(update={"networks": formats})
    small = Bundle(made.path, manifest, made.hash, brought={})
    second = said.copy()
    second[0, said[0].argmax()], second[0, said[0].argmin()] = said[0].min(), said[0].max()
    with pytest.raises(InputError, match=r"refused: it agrees with Keras on 66\.7% of the windows"):
        check_parity(small, expected=second, clips=clips)
    tie = np.full_like(said, 1 / said.shape[-1]) + np.float32(0.001) * second
    check_parity(small, expected=tie, clips=clips)


def test_an_export_that_is_refused_leaves_the_old_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, manifest = random_model("lrcn", SHORT), random_manifest("lrcn", SHORT)
    given = {"model": model, "manifest": manifest, "windows": random_windows(2, SHORT)}
    old = export_bundle(tmp_path / "made", **given)
    monkeypatch.setattr("training.export.export_bundle.TOLERANCE", -1.0)
    with pytest.raises(InputError, match="refused"):
        export_bundle(tmp_path / "made", **given)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert Recogniser(old, engine="litert").bundle.hash == old.hash


@pytest.mark.parametrize("network", ["lrcn", pytest.param("convlstm", marks=pytest.mark.slow)])
def test_int8_is_a_quarter_of_the_size_and_agrees_on_real_clips(
    shared: Path, tmp_path: Path, network: str
) -> None:
    model = _trained(shared, network)
    manifest = random_manifest(network, STUDY).model_copy(update={"labels": LABELS})
    given = {"model": model, "manifest": manifest, "windows": _real_windows(shared)}
    small = export_bundle(tmp_path / "int8", **given, weights="int8")
    assert small.manifest.networks["advance"]["litert_int8"] == "advance.tflite"
    n_bytes = sum(path.stat().st_size for path in small.path.glob("*.tflite"))
    assert n_bytes < 1.7 * model.count_params()
    Recogniser(small, engine="litert")


def test_float16_is_half_the_size_and_agrees_on_real_clips(shared: Path, tmp_path: Path) -> None:
    model = _trained(shared, "lrcn")
    manifest = random_manifest("lrcn", STUDY).model_copy(update={"labels": LABELS})
    given = {"model": model, "manifest": manifest, "windows": _real_windows(shared)}
    half = export_bundle(tmp_path / "half", **given, weights="float16")
    assert half.manifest.networks["encoder"]["litert_float16"] == "encoder.tflite"
    n_bytes = sum(path.stat().st_size for path in half.path.glob("*.tflite"))
    assert n_bytes < 2.2 * model.count_params()
    Recogniser(half, engine="litert")


def _trained(shared: Path, network: str) -> keras.Model:
    """A model of the very architecture with trained weights."""
    model = registry.get_network(network).build(len(LABELS), STUDY)
    path = next((shared / "weights/lrcn_convlstm_2025").glob(f"{network}_*.h5"))
    with h5py.File(path) as file:
        stored = file["model_weights"]
        layers = [stored[name] for name in stored.attrs["layer_names"]]
        weights = [layer[name][()] for layer in layers for name in layer.attrs["weight_names"]]
    for variable, weight in zip(model.trainable_variables, weights, strict=True):
        variable.assign(weight)
    return model


def _real_windows(shared: Path) -> Image:
    """The first window of some clips of each class."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    paths = [
        path for label in LABELS for path in sorted((shared / "data/ucf" / label).iterdir())[::20]
    ]
    streams = (read_file(path, sample_hz=5.0, start_at=start) for path in paths)
    return np.stack([next(windows(stream, STUDY, hop_frames=20))[1] for stream in streams])
