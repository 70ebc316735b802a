"""The tracker: one look where the person was, more where nobody is sure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from har_stream.cameras.video_file import read_file
from har_stream.core.errors import InputError
from har_stream.recognition.person.key_points import TORSO, KeyPoints
from har_stream.recognition.person.network import PoseNetwork
from har_stream.recognition.person.tracker import FOUND, PersonTracker


@pytest.fixture(scope="module")
def network(shared: Path) -> PoseNetwork:
    (path,) = (shared / "weights/movenet_lightning").glob("*.tflite")
    return PoseNetwork(path)


def _follow(path: Path, network: PoseNetwork) -> Iterator[tuple[KeyPoints, int]]:
    tracker, before = PersonTracker(network), 0
    for frame in read_file(path, sample_hz=5.0, start_at=datetime(2026, 1, 1, tzinfo=UTC)):
        yield tracker.follow(frame.image), tracker.n_looks - before
        before = tracker.n_looks


def test_one_look_a_frame_follows_somebody_who_walks(shared: Path, network: PoseNetwork) -> None:
    seen = list(_follow(shared / "data/home/Subject_1/ADL/10.mp4", network))
    scores = [points.score for points, _ in seen]
    assert np.mean([score > FOUND for score in scores]) > 0.9
    assert np.mean([n_looks for _, n_looks in seen]) < 1.3


def test_somebody_who_fell_is_found_on_the_floor(shared: Path, network: PoseNetwork) -> None:
    seen = [points for points, _ in _follow(shared / "data/urfd/fall-01-cam0.mp4", network)]
    surest = max(seen[-8:], key=lambda points: points.score)
    left, top, right, bottom = surest.box
    assert surest.score > FOUND
    assert (right - left) * surest.aspect > bottom - top  # lies
    assert surest.hips[1] > 0.5


def test_an_empty_image_gives_points_without_a_score(network: PoseNetwork) -> None:
    found = PersonTracker(network).follow(np.full((60, 80, 3), 90, np.uint8))
    assert found.points.shape == (17, 3)
    assert found.score < FOUND
    assert found.points[TORSO, :2].min() > -1


def test_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no single-pose network"):
        PoseNetwork(Path("har_stream/bundles/lrcn-ucf/encoder.tflite"))
