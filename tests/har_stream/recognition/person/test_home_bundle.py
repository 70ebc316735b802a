"""Bundle `home` on real clips: a decision a frame, a fall seen, and a night without an idle."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from har_stream.bundles import weights
from har_stream.bundles.bundle import Bundle, find_bundle, load_bundle
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.readers import Readers
from har_stream.cameras.video_file import read_file
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import Change
from har_stream.core.frame import Frame
from har_stream.pipeline import Pipeline
from har_stream.recognition.recogniser import Decision, Recogniser

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["home", "home-movenet"])
def recogniser(
    request: pytest.FixtureRequest, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> Recogniser:
    monkeypatch.setenv(weights.ENVIRONMENT, str(shared / "weights"))
    return Recogniser(load_bundle(find_bundle(request.param)))


def _frames(path: Path) -> Iterator[Frame]:
    return read_file(path, sample_hz=5.0, start_at=START)


def _label(recogniser: Recogniser, decision: Decision) -> str:
    return recogniser.bundle.manifest.labels[int(decision.probabilities.argmax())]


def test_every_frame_decides_from_the_first_on(recogniser: Recogniser, shared: Path) -> None:
    frames = list(_frames(shared / "data/urfd/fall-06-cam0.mp4"))
    decisions = [decision for frame in frames for decision in recogniser.step([("a", frame)])]
    assert [decision.at for decision in decisions] == [frame.captured_at for frame in frames]
    assert all(decision.probabilities.sum() == pytest.approx(1) for decision in decisions)
    assert decisions[-1].person is not None
    assert decisions[-1].person.is_there


def test_a_fall_is_announced(recogniser: Recogniser, shared: Path) -> None:
    camera = CameraSettings(source=str(shared / "data/home/Subject_2/Fall/12.mp4"), name="a")
    spec = recogniser.bundle.manifest.clip
    options = ReadOptions(sample_hz=spec.sample_hz, picture=spec.picture, start_at=START)
    with Readers([camera], options) as readers:
        news = list(Pipeline(recogniser, [camera]).run(readers))
    (fall,) = [each for each in news if isinstance(each, Change) and each.fall_stage == "fallen"]
    assert fall.previous in ("bending", "standing", "walking", None)
    assert 7.2 < (fall.started_at - START).total_seconds() < 10.0  # by eye: lies from 8.6 s on


def test_who_sleeps_in_the_dark_under_a_blanket_is_not_nobody(
    recogniser: Recogniser, shared: Path
) -> None:
    rng = np.random.default_rng(0)
    (*_, last) = _frames(shared / "data/urfd/adl-22-cam0.mp4")
    for frame in _frames(shared / "data/urfd/adl-22-cam0.mp4"):
        (seen,) = recogniser.step([("a", frame)])
    assert _label(recogniser, seen) == "lying"
    assert seen.person is not None
    height, width = last.image.shape[:2]
    left, top, right, bottom = np.clip(seen.person.key_points.box, 0, 1)
    night = last.image * 0.3  # the lamp is switched off, and a blanket drawn over all
    night[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = 12
    labels = []
    for n in range(60):
        image = np.clip(night + rng.normal(0, 1.5, night.shape), 0, 255).astype(np.uint8)
        at = last.captured_at + timedelta(seconds=0.2 * (n + 1))
        (decision,) = recogniser.step([("a", Frame(image, at))])
        labels.append(_label(recogniser, decision))
        assert decision.person is not None
        assert decision.person.is_there
    assert "idle" not in labels


@pytest.mark.parametrize("taught", [(), ("standing", "walking")])
def test_the_bound_holds_for_postures_not_for_nobody_nor_what_was_taught(
    shared: Path, taught: tuple[str, ...]
) -> None:
    shipped = load_bundle(find_bundle("home"))
    strict = shipped.manifest.calibration.model_copy(update={"energy_above": -1e6})
    manifest = shipped.manifest.model_copy(update={"calibration": strict})
    recogniser = Recogniser(Bundle(shipped.path, manifest, shipped.hash, brought={}))
    recogniser.bundle = Bundle(
        shipped.path, manifest.model_copy(update={"taught": taught}), shipped.hash, brought={}
    )
    frames = _frames(shared / "data/urfd/adl-01-cam0.mp4")
    decisions = [decision for frame in frames for decision in recogniser.step([("a", frame)])]
    labels = [_label(recogniser, decision) for decision in decisions]
    assert {"idle", "bending"} < set(labels)
    for decision, label in zip(decisions, labels, strict=True):
        assert decision.known == (label in ("idle", *taught))
