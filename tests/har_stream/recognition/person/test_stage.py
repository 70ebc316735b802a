"""The person stage: features of every frame, and the square around the person for who wants it."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from har_stream.cameras.video_file import read_file
from har_stream.config.regions import Place
from har_stream.core.frame import Image
from har_stream.recognition.person.geometry import N_FEATURES
from har_stream.recognition.person.network import PoseNetwork
from har_stream.recognition.person.postures import POSTURES
from har_stream.recognition.person.stage import PersonStage


def test_the_crop_shows_the_person_and_somebody_who_strolls_walks(shared: Path) -> None:
    (path,) = (shared / "weights/movenet_lightning").glob("*.tflite")
    stage = PersonStage(PoseNetwork(path), sample_hz=5.0)
    clip = shared / "data/urfd/adl-06-cam0.mp4"  # from 0.5 s on somebody comes in
    upright = dict.fromkeys(POSTURES, 0.0) | {"upright": 1.0}
    frames = read_file(clip, sample_hz=5.0, start_at=datetime(2026, 1, 1, tzinfo=UTC))
    walked = False
    for frame in islice(frames, 20):
        assert stage.see(frame.image).shape == (N_FEATURES,)
        person, said = stage.judge(upright)
        walked |= said["walking"] == 1.0
    assert walked
    assert person.is_there
    crop = stage.crop(frame.image)
    left, top, right, bottom = person.key_points.box
    height, width = frame.image.shape[:2]
    assert crop.shape[0] == crop.shape[1]
    assert max((right - left) * width, (bottom - top) * height) < crop.shape[0] < 2 * height
    # Its colours are the image's: BGR, as everything before a network is.
    assert np.allclose(crop[crop.any(-1)].mean(0), frame.image.mean((0, 1)), atol=60)


class _Standing:
    """Finds somebody in the middle of the image while they are there."""

    size_px = 192

    def __init__(self) -> None:
        self.is_there = True
        self.needs_movement = False

    def find(self, square: Image) -> NDArray[np.float32]:
        points = np.full((17, 3), 0.9 if self.is_there else 0.0, np.float32)
        points[:, 0], points[:, 1] = np.linspace(0.3, 0.7, 17), 0.5
        return points


@pytest.mark.parametrize("place", ["door", "floor", None])
def test_who_is_last_seen_in_a_drawn_door_has_gone(place: Place | None) -> None:
    network = _Standing()
    stage = PersonStage(network, sample_hz=5.0, place_at=lambda x, y: place)
    image = np.full((240, 240, 3), 120, np.uint8)
    for network.is_there in [True] * 5 + [False] * 6:
        stage.see(image)
        nobody = 0.0 if network.is_there else 1.0
        outputs = dict.fromkeys(POSTURES, 0.0) | {"upright": 1.0 - nobody, "nobody": nobody}
        person, said = stage.judge(outputs)
    assert person.is_there is (place != "door")
    assert said["idle"] == (1.0 if place == "door" else 0.0)


def test_who_never_moved_is_nobody_where_the_network_sees_people_in_furniture() -> None:
    network = _Standing()
    network.needs_movement = True
    stage = PersonStage(network, sample_hz=5.0)
    scores = []
    for level in [120] * 15 + [30] * 15:
        image = np.full((240, 240, 3), 120, np.uint8)
        image[60:180, 100:140] = level  # somebody comes in, and stands still
        stage.see(image)
        assert stage.found is not None
        scores.append(stage.found.score)
    assert scores == [0.0] * 15 + [pytest.approx(0.9)] * 15


def test_a_dark_room_is_idle_only_once_it_was_seen_empty() -> None:
    network = _Standing()
    network.is_there = False
    stage = PersonStage(network, sample_hz=5.0)
    nobody = dict.fromkeys(POSTURES, 0.0) | {"nobody": 1.0}
    idle = []
    for level in (20, 160, 20):
        for _ in range(8):
            stage.see(np.full((240, 240, 3), level, np.uint8))
            person, said = stage.judge(nobody)
        idle.append((said["idle"], person.is_there))
        assert max(said.values()) == 1.0 or max(said.values()) <= 0.5  # idle, or unknown
    assert idle == [(0.0, True), (1.0, False), (1.0, False)]
