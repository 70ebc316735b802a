"""Frames of clips: who teaches, who is kept apart, and what was marked by eye."""

from pathlib import Path

import numpy as np
import pytest
from support.video.clip_maker import write_clip

from har_stream.core.errors import InputError
from har_stream.recognition.person.network import PoseNetwork
from training.config import KeypointConfig
from training.data.keypoints.footage import read_footage, read_marks
from training.data.keypoints.teacher import Teacher


@pytest.fixture(scope="module")
def teacher(shared: Path) -> Teacher:
    (path,) = (shared / "weights/movenet_lightning").glob("*.tflite")
    return Teacher(PoseNetwork(path))


def _config(*footage: dict[str, object], apart: str = "") -> KeypointConfig:
    return KeypointConfig.model_validate(
        {"name": "n", "about": "a", "licence": "l", "footage": footage, "apart": apart}
    )


def test_a_real_person_teaches_and_the_room_beside_is_empty(
    shared: Path, teacher: Teacher, tmp_path: Path
) -> None:
    clip = "home/Subject_2/Fall/12.mp4"
    config = _config({"clips": clip, "n_frames": 4, "repeat": 2})
    footage = read_footage(
        config, folder=shared / "data", teacher=teacher, labels=tmp_path, marks=None
    )
    assert len(footage.people) >= 2
    assert footage.rooms
    kept = np.load(tmp_path / "home/Subject_2/Fall/12.npz")
    assert kept["points"].shape == (4, 17, 3)


def test_what_is_kept_apart_is_not_read(shared: Path, teacher: Teacher, tmp_path: Path) -> None:
    config = _config({"clips": "home/Subject_4/*/*.mp4"}, apart="Subject_4")
    with pytest.raises(InputError, match="no clips home/Subject_4"):
        read_footage(config, folder=shared / "data", teacher=teacher, labels=tmp_path, marks=None)


def test_marks_are_read_for_as_long_as_the_person_lies_still(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.avi")
    marks = tmp_path / "marks.csv"
    head = "clip,from_s,to_s,joint,x_px,y_px\n"
    marks.write_text(f"{head}a.avi,0,0.4,nose,10,12\na.avi,0,0.4,left_hip,20,22\n")
    examples = list(read_marks(marks, tmp_path))
    assert len(examples) == 3
    points = examples[0].points
    assert points is not None
    np.testing.assert_array_equal(points[[0, 11]], [[10, 12, 1], [20, 22, 1]])
    assert not points[1].any()
    marks.write_text(f"{head}a.avi,0,0.4,tail,10,12\n")
    with pytest.raises(InputError, match=r"marks\.csv:2: 'tail'"):
        list(read_marks(marks, tmp_path))
