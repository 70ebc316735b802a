"""Found means sure and in the box; a second fires if one of its frames does."""

from pathlib import Path

import pytest

from har_stream.core.errors import InputError
from har_stream.recognition.person.network import PoseNetwork
from training.fitting.keypoints.judge import (
    Look,
    interval,
    least_threshold,
    look_at_people,
    read_boxes,
    read_empty,
    share_fired,
    share_found,
)

BOXES = Path(__file__).parent / "lying_boxes.csv"


def test_150_frames_of_58_stretches_have_a_box() -> None:
    boxes = read_boxes(BOXES)
    assert sum(map(len, boxes.values())) == 150
    assert len(boxes) == 57
    assert all(
        left < right and top < bottom
        for drawn in boxes.values()
        for left, top, right, bottom in drawn.values()
    )


def test_found_is_sure_and_inside() -> None:
    looks = [Look("a", 1, 0.5, True), Look("a", 1, 0.5), Look("b", 1, 0.1, True)]
    assert share_found(looks, 0.2) == pytest.approx(1 / 3)
    assert share_found(looks, 0.1) == pytest.approx(2 / 3)
    low, high = interval(share_found, looks, 0.2)
    assert low == 0.0
    assert high == 0.5


def test_a_second_fires_with_one_of_its_frames() -> None:
    rooms = [Look("a", 0, 0.1), Look("a", 0, 0.3), Look("a", 1, 0.1), Look("b", 0, 0.1)]
    assert share_fired(rooms, 0.2) == pytest.approx(1 / 3)
    assert least_threshold(rooms, 0.0) == 0.31
    assert least_threshold(rooms, 0.4) == 0.11


def test_bad_tables_are_told_by_line(tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("clip,at_s,left_px,top_px,right_px,bottom_px\na,1,2,3,x,5\n")
    with pytest.raises(InputError, match=r"boxes\.csv:2: .*'x'"):
        read_boxes(table)
    with pytest.raises(InputError, match=r"boxes\.csv:1: expected the columns clip,start_s"):
        read_empty(table)
    with pytest.raises(InputError, match="nowhere"):
        read_boxes(tmp_path / "nowhere.csv")


def test_movenet_finds_somebody_on_the_floor_of_a_real_clip(shared: Path) -> None:
    (path,) = (shared / "weights/movenet_lightning").glob("*.tflite")
    clip = "urfd/fall-01-cam0"
    looks = list(
        look_at_people(PoseNetwork(path), shared / "data", {clip: read_boxes(BOXES)[clip]})
    )
    assert len(looks) == 3
    assert all(look.inside for look in looks)
    assert share_found(looks, 0.2) > 0
