"""A bundle may stand on a backbone from outside: found by its hash, with states of its own."""

from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops
from support.bundles.random_bundle import LABELS, random_manifest

from har_stream.bundles import weights
from har_stream.bundles.bundle import Bundle, ExternalNetwork, load_bundle, save_bundle
from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.video_file import read_file
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from har_stream.recognition.engines.litert import FrameEncoder, LiteRtEngine
from har_stream.recognition.engines.tflite_file import Network
from har_stream.recognition.preprocessing import normalise, prepare
from har_stream.recognition.window_rows import WindowRows
from training.encoders.to_litert import to_litert

TINY = ClipSpec(n_frames=2, height_px=4, width_px=4, sample_hz=5.0)
BRING = "train-har download weights summing"
NAME_IT = "name a folder that holds it: HAR_WEIGHTS=FOLDER"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A backbone in words of its own that sums up the mean colours of frames, and a head."""
    image = keras.Input((1, 4, 4, 3), name="image")
    total = keras.Input((3,), name="state_total")
    new = total + ops.mean(image, axis=(1, 2, 3))
    backbone = keras.Model({"image": image, "state_total": total}, {"out": new, "state_total": new})
    features = keras.Input((3,), name="features")
    age = keras.Input((), dtype="int32", name="age")
    logits = layers.Dense(len(LABELS), kernel_initializer="identity")(features)
    head = keras.Model({"features": features, "age": age}, {"logits": logits})
    brought = tmp_path / "weights" / "summing" / "any-name.tflite"
    brought.parent.mkdir(parents=True)
    brought.write_bytes(to_litert(backbone))
    monkeypatch.setenv(weights.ENVIRONMENT, str(tmp_path / "weights"))
    outside = ExternalNetwork(
        sha256=weights.hash_of(brought), how=BRING, frames="image", features="out"
    )
    manifest = random_manifest("lrcn", TINY).model_copy(
        update={
            "memory": "running",
            "reset_frames": 4,
            "networks": {
                "encoder": {"litert": "summing.tflite"},
                "advance": {"litert": "advance.tflite"},
            },
            "outside": {"summing.tflite": outside},
        }
    )
    return save_bundle(tmp_path / "made", manifest, {"advance.tflite": to_litert(head)})


def test_every_camera_has_the_backbones_states_and_they_begin_anew_as_trained(
    made: Bundle,
) -> None:
    assert not (made.path / "summing.tflite").exists()
    window_rows = WindowRows.from_manifest(made.manifest, hop_frames=1)
    engine = LiteRtEngine(made, window_rows)
    frames = np.random.default_rng(2).random((11, 2, 4, 4, 3), dtype=np.float32)
    means = frames.mean(axis=(2, 3))
    slots = np.arange(2)
    for tick, now in enumerate(frames):
        ticks = np.full(2, tick)
        ages, rows = window_rows.ages(ticks), window_rows.ending(ticks)
        logits = engine.step(now, slots=slots, ages=ages, rows=rows)
        if tick % 4:  # the first frame after a reset fills no window
            begin = tick - tick % 4
            np.testing.assert_allclose(logits, means[begin : tick + 1].sum(0), atol=1e-5)


def test_a_backbone_that_is_missing_or_another_is_told_with_the_command_that_brings_it(
    made: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "weights/summing/any-name.tflite").write_bytes(b"another")
    with pytest.raises(
        InputError, match=f"needs summing.tflite, .* bring it: {BRING}, or {NAME_IT}$"
    ):
        load_bundle(made.path)


def test_weights_are_found_by_path_and_by_name_and_never_made_up(
    made: Bundle, tmp_path: Path
) -> None:
    file = tmp_path / "weights/summing/any-name.tflite"
    known = ("other", "third")
    for given in ("summing", str(file), str(file.parent)):
        assert weights.find_by_name(given, suffixes=(".tflite",), known=known) == file
    with pytest.raises(InputError, match="train-har download weights other, or give a path"):
        weights.find_by_name("/gone/other", suffixes=(".tflite",), known=known)
    with pytest.raises(InputError, match=r"no weights 'summing'.*: give a path, .*: other, third$"):
        weights.find_by_name("summing", suffixes=(".h5",), known=known)


def test_weights_from_anywhere_are_kept_where_bundles_find_them(
    made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "folder", lambda: tmp_path / "kept")
    there = tmp_path / "weights/summing/any-name.tflite"
    assert weights.keep_copy(there) == there
    assert not (tmp_path / "kept").exists()
    elsewhere = tmp_path / "elsewhere.tflite"
    elsewhere.write_bytes(b"of one's own")
    kept = weights.keep_copy(elsewhere)
    assert kept == weights.find_by_hash(weights.hash_of(elsewhere), suffix=".tflite")
    assert kept.is_relative_to(tmp_path / "kept")
    assert [path for path in (tmp_path / "kept").rglob("*") if path.is_file()] == [kept]
    assert weights.keep_copy(elsewhere) == kept
    monkeypatch.setattr(weights, "folder", lambda: elsewhere)
    (tmp_path / "new.tflite").write_bytes(b"a third")
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        weights.keep_copy(tmp_path / "new.tflite")


@pytest.mark.parametrize(
    ("label", "expected"), [("PlayingViolin", "playing violin"), ("PullUps", "pull ups")]
)
def test_movinet_streams_real_clips(shared: Path, label: str, expected: str) -> None:
    folder = shared / "weights/movinet_a0_stream_int8"
    names = (folder / "kinetics_600_label_map.txt").read_text().splitlines()
    outside = ExternalNetwork(sha256="", how="", frames="image", features="logits")
    network = Network(folder / "movinet_a0_stream_int8.tflite", outside=outside)
    encoder = FrameEncoder(network)
    spec = ClipSpec(n_frames=16, height_px=172, width_px=172, sample_hz=5.0, colour="rgb")
    clip = shared / f"data/ucf/{label}/v_{label}_g08_c01.mp4"
    start = datetime(2026, 1, 1, tzinfo=UTC)
    frames = read_file(clip, sample_hz=5.0, start_at=start, images=ImageOptions(spec.picture))
    for n, frame in enumerate(frames):
        image = normalise(prepare(frame.image, spec), spec)[None]
        best = int(encoder.encode(image, 0, begins=n == 0).argmax())
    assert names[best] == expected


def test_a_variable_that_names_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.ENVIRONMENT, "/nonexistent")
    with pytest.raises(InputError, match="HAR_WEIGHTS: /nonexistent: no such file or folder"):
        weights.find_by_hash("0" * 64, suffix=".tflite")
