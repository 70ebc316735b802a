"""Streamed decisions are the window model's, on every window and whatever happens to the stream."""

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.bundles import step_form
from support.bundles.random_bundle import random_bundle, random_manifest, random_windows
from support.window_oracle import windows

from har_stream.bundles.bundle import Bundle
from har_stream.cameras.video_file import read_file
from har_stream.core.frame import ClipSpec, Frame
from har_stream.recognition.engines import open_engine
from har_stream.recognition.engines.engine import StatesLost
from har_stream.recognition.preprocessing import normalise
from har_stream.recognition.recogniser import Decision, Recogniser
from har_stream.recognition.window_rows import WindowRows
from training.export.export_bundle import export_bundle

STUDY = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0)
SHORT = ClipSpec(n_frames=4, height_px=64, width_px=64, sample_hz=5.0)
START = datetime(2026, 1, 1, tzinfo=UTC)
CLIPS = ("TaiChi/v_TaiChi_g08_c01.mp4", "HorseRace/v_HorseRace_g08_c01.mp4")


def _expected(
    model: keras.Model, frames: Iterable[Frame], *, spec: ClipSpec, hop_frames: int
) -> tuple[list[datetime], NDArray[np.float64]]:
    """Times and calibrated probabilities by the window model, window by window."""
    ends, clips = zip(*windows(frames, spec, hop_frames=hop_frames), strict=True)
    found = model.predict(normalise(np.stack(clips), spec), verbose=0).astype(np.float64)
    tempered = np.sqrt(found)  # temperature 2
    return [frame.captured_at for frame in ends], tempered / tempered.sum(-1, keepdims=True)


def _assert_equal(
    decisions: list[Decision], expected: tuple[list[datetime], NDArray[np.float64]]
) -> None:
    assert [decision.at for decision in decisions] == expected[0]
    found = np.stack([decision.probabilities for decision in decisions])
    np.testing.assert_allclose(found, expected[1], atol=1e-5)


def test_a_window_of_too_much_free_energy_is_told_as_any_label_alike() -> None:
    bundle, model = random_bundle("lrcn", SHORT)
    images = random_windows(3, SHORT)
    frames = [
        Frame(image, START + timedelta(seconds=n / 5), resets=n % 4 == 0)
        for n, image in enumerate(images.reshape(-1, 64, 64, 3))
    ]
    before_softmax = keras.Model(model.inputs, model.layers[-1].input)
    kernel, bias = model.layers[-1].get_weights()
    logits = before_softmax.predict(normalise(images, SHORT), verbose=0) @ kernel + bias
    expected = [-np.log(np.exp(row).sum()) for row in logits.astype(np.float64)]
    strict = bundle.manifest.calibration.model_copy(
        update={"energy_above": float(np.median(expected)) + 1e-4}
    )
    manifest = bundle.manifest.model_copy(update={"calibration": strict})
    recogniser = Recogniser(Bundle(bundle.path, manifest, bundle.hash, brought={}))
    decisions = [d for frame in frames for d in recogniser.step([("a", frame)])]
    np.testing.assert_allclose([d.energy for d in decisions], expected, atol=1e-4)
    assert [d.known for d in decisions] == [energy <= np.median(expected) for energy in expected]
    for decision in decisions:
        told = decision.probabilities if decision.known else np.full(3, 1 / 3)
        np.testing.assert_array_equal(decision.told, told)


@pytest.mark.parametrize("network", ["lrcn", "convlstm"])
@pytest.mark.parametrize("hop_frames", [1, 5, 7])
def test_two_real_cameras_decide_as_the_window_model_does(
    shared: Path, network: str, hop_frames: int
) -> None:
    """One is shorter than a window; the other loses sight once, after a window and before one."""
    bundle, model = random_bundle(network, STUDY)
    streams = {
        name: list(read_file(shared / "data/ucf" / name, sample_hz=5.0, start_at=START))
        for name in CLIPS
    }
    short, long = streams.values()
    assert len(short) < STUDY.n_frames
    assert len(long) >= 24 + STUDY.n_frames
    long[24] = replace(long[24], resets=True)
    recogniser = Recogniser(bundle, engine="litert", hop_frames=hop_frames)
    decisions: list[Decision] = []
    for tick in range(max(map(len, streams.values()))):
        due = [(name, frames[tick]) for name, frames in streams.items() if tick < len(frames)]
        decisions += recogniser.step(due)
    for name, frames in streams.items():
        decisions += recogniser.finish(name)
        mine = [decision for decision in decisions if decision.camera == name]
        _assert_equal(mine, _expected(model, frames, spec=STUDY, hop_frames=hop_frames))


@pytest.mark.parametrize(
    ("network", "clip", "options"),
    [
        ("c3d", step_form.SMALL, {"width": 0.02}),
        ("two_stream", step_form.FLOW, {"width": 0.02}),
        ("cnn_lstm", step_form.IMAGENET, {}),
        pytest.param("cnn_transformer", step_form.IMAGENET, {}, marks=pytest.mark.slow),
    ],
)
def test_a_real_clip_with_a_gap_and_a_repeated_frame_is_decided_as_by_any_window_model(
    shared: Path, tmp_path: Path, network: str, clip: ClipSpec, options: dict[str, Any]
) -> None:
    weights = shared / "weights/mobilenet_v2_035_imagenet"
    model = step_form.random_model(network, clip, options or step_form.trained_encoder(weights))
    made = export_bundle(
        tmp_path / "made",
        model=model,
        manifest=random_manifest(network, clip),
        windows=random_windows(2, clip),
    )
    frames = list(read_file(shared / "data/ucf" / CLIPS[0], sample_hz=5.0, start_at=START))[:20]
    frames[7] = replace(frames[7], n_ticks=2)
    frames[11] = replace(frames[11], resets=True)
    recogniser = Recogniser(made, engine="litert", hop_frames=1)
    decisions = [each for frame in frames for each in recogniser.step([("hall", frame)])]
    _assert_equal(decisions, _expected(model, frames, spec=clip, hop_frames=1))


def test_a_primed_window_is_one_of_the_same_image_but_for_its_last_frame() -> None:
    bundle, model = random_bundle("lrcn", SHORT)
    rng = np.random.default_rng(7)
    before, still, moving = (
        Frame(rng.integers(0, 256, (48, 80, 3), dtype=np.uint8), START + timedelta(seconds=n))
        for n in range(3)
    )
    recogniser = Recogniser(bundle, engine="litert", hop_frames=1)
    recogniser.step([("hall", before)])
    recogniser.prime("hall", still)
    decisions = recogniser.step([("hall", moving)])
    window = [replace(still, resets=True), *[still] * (SHORT.n_frames - 2), moving]
    _assert_equal(decisions, _expected(model, window, spec=SHORT, hop_frames=1))


@settings(max_examples=15, deadline=None)
@given(
    hop_frames=st.integers(1, 6),
    events=st.lists(
        st.tuples(st.booleans(), st.integers(1, 3), st.integers(0, 12).map(lambda n: n == 0)),
        min_size=1,
        max_size=40,
    ),
    seed=st.integers(0, 2**16),
)
def test_gaps_repeats_and_a_second_camera_change_nothing(
    hop_frames: int, events: list[tuple[bool, int, bool]], seed: int
) -> None:
    bundle, model = random_bundle("lrcn", SHORT)
    rng = np.random.default_rng(seed)
    streams: dict[str, list[Frame]] = {"hall": [], "kitchen": []}
    recogniser = Recogniser(bundle, engine="litert", hop_frames=hop_frames)
    decisions: list[Decision] = []
    for n, (is_second, n_ticks, resets) in enumerate(events):
        camera = "kitchen" if is_second else "hall"
        image = rng.integers(0, 256, (48, 80, 3), dtype=np.uint8)
        begins = resets or not streams[camera]
        frame = Frame(image, START + timedelta(seconds=n), n_ticks, begins)
        streams[camera].append(frame)
        decisions += recogniser.step([(camera, frame)])
    for camera, frames in streams.items():
        decisions += recogniser.finish(camera)
        mine = [decision for decision in decisions if decision.camera == camera]
        if frames:
            _assert_equal(mine, _expected(model, frames, spec=SHORT, hop_frames=hop_frames))
        else:
            assert not mine


def test_a_forgotten_camera_begins_anew_and_others_go_on() -> None:
    bundle, model = random_bundle("lrcn", SHORT)
    rng = np.random.default_rng(5)
    frames = [
        Frame(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), START + timedelta(seconds=n))
        for n in range(10)
    ]
    recogniser = Recogniser(bundle, engine="litert", hop_frames=1)
    hall: list[Decision] = []
    kitchen: list[Decision] = []
    for n, frame in enumerate(frames):
        if n == 5:
            recogniser.forget("hall")
            hall.clear()
        found = recogniser.step([("hall", frame), ("kitchen", frame)])
        hall += [decision for decision in found if decision.camera == "hall"]
        kitchen += [decision for decision in found if decision.camera == "kitchen"]
    _assert_equal(hall, _expected(model, frames[5:], spec=SHORT, hop_frames=1))
    _assert_equal(kitchen, _expected(model, frames, spec=SHORT, hop_frames=1))


class _Elsewhere:
    """An engine that loses all states at its sixth frame, and is away at the seventh."""

    def __init__(self, bundle: Bundle, window_rows: WindowRows) -> None:
        self._open = lambda: open_engine(bundle, window_rows, name="litert")
        self._engine = self._open()
        self.runs_on = self._engine.runs_on
        self._n_steps = -1  # the recogniser tries it once

    def step(self, frames: NDArray[np.float32], **step: NDArray[Any]) -> NDArray[np.float32]:
        self._n_steps += 1
        if self._n_steps in (6, 7):
            self._engine = self._open()
            raise StatesLost
        return self._engine.step(frames, **step)


def test_windows_begin_anew_where_an_engine_has_lost_its_states() -> None:
    bundle, model = random_bundle("lrcn", SHORT)
    images = random_windows(4, SHORT).reshape(-1, 64, 64, 3)
    frames = [Frame(image, START + timedelta(seconds=n / 5)) for n, image in enumerate(images)]
    engine = _Elsewhere(bundle, WindowRows.from_manifest(bundle.manifest, hop_frames=1))
    recogniser = Recogniser(bundle, engine=engine, hop_frames=1)
    decisions = [decision for frame in frames for decision in recogniser.step([("hall", frame)])]
    before, after = decisions[:2], decisions[2:]
    _assert_equal(before, _expected(model, frames[:5], spec=SHORT, hop_frames=1))
    _assert_equal(after, _expected(model, frames[7:], spec=SHORT, hop_frames=1))


def test_litert_recognition_is_silent_and_loads_neither_tensorflow_nor_keras() -> None:
    bundle, _ = random_bundle("lrcn", SHORT)
    script = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from har_stream.bundles.bundle import load_bundle
from har_stream.core.frame import Frame
from har_stream.recognition.recogniser import Recogniser
recogniser = Recogniser(load_bundle(Path(sys.argv[1])), engine="litert")
frame = Frame(np.zeros((64, 64, 3), np.uint8), datetime.now(UTC), n_ticks=4, resets=True)
assert len(recogniser.step([("hall", frame)])) == 1
assert not {"tensorflow", "keras", "jax", "torch"} & sys.modules.keys()
"""
    run = subprocess.run(
        [sys.executable, "-c", script, bundle.path],
        env=dict(os.environ),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
