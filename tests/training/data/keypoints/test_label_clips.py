"""Frames of clips are labelled: by a teacher, by a table, and by eye."""

from pathlib import Path

import numpy as np
import pytest
from support.video.clip_maker import write_clip

from har_stream.core.errors import InputError
from har_stream.recognition.person.network import PoseNetwork
from training.config import KeypointConfig
from training.data.keypoints.footage import read_footage
from training.data.keypoints.label_clips import label_clips, label_marks
from training.data.keypoints.label_file import NOBODY, SOMEBODY, read_labels
from training.data.keypoints.teacher import Teacher


@pytest.fixture(scope="module")
def teacher(shared: Path) -> Teacher:
    (path,) = (shared / "weights/movenet_lightning").glob("*.tflite")
    return Teacher(PoseNetwork(path))


def _config(*footage: dict[str, object], apart: str = "") -> KeypointConfig:
    return KeypointConfig.model_validate(
        {"name": "n", "about": "a", "licence": "l", "footage": footage, "apart": apart}
    )


def test_a_real_person_teaches_and_so_does_the_room(
    shared: Path, teacher: Teacher, tmp_path: Path
) -> None:
    clip, data = "urfd/adl-09-cam0", shared / "data"
    told = {"alone": True, "states": "urfd/states.csv", "within": "urfd"}
    config = _config({"clips": f"{clip}.mp4", "every_s": 0.6, **told})
    assert len(list(label_clips(config, folder=data, teacher=teacher, labels=tmp_path))) == 1
    frames = list(read_labels(tmp_path / f"{clip}.npz"))
    assert frames[2].somebody == SOMEBODY
    assert frames[-1].somebody == NOBODY  # the room, without the person
    footage = read_footage(config, tmp_path)
    assert footage.people
    assert len(footage.beside) == len(footage.people)
    assert len(footage.rooms) >= 1


def test_marks_are_read_for_as_long_as_the_person_lies_still(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.avi")
    marks = tmp_path / "marks.csv"
    head = "clip,from_s,to_s,joint,x_px,y_px\n"
    marks.write_text(f"{head}a.avi,0,0.8,nose,10,12\na.avi,0,0.8,left_hip,20,22\n")
    label_marks(marks, folder=tmp_path, labels=tmp_path / "labels")
    frames = list(read_labels(tmp_path / "labels/marks/a.npz"))
    assert len(frames) == 3
    points = frames[0].points
    np.testing.assert_array_equal(points[[0, 11]], [[10, 12, 1], [20, 22, 1]])
    assert not points[1].any()
    marks.write_text(f"{head}a.avi,0,0.4,tail,10,12\n")
    with pytest.raises(InputError, match=r"marks\.csv:2: 'tail'"):
        label_marks(marks, folder=tmp_path, labels=tmp_path / "labels")


def test_clips_that_are_not_there_are_told(teacher: Teacher, tmp_path: Path) -> None:
    config = _config({"clips": "nowhere/*.mp4"})
    with pytest.raises(InputError, match="no clips nowhere"):
        list(label_clips(config, folder=tmp_path, teacher=teacher, labels=tmp_path))
