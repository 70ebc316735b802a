"""Labelled stretches of recordings become class folders; GMDCSA24's own lists are read."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.video.video_source import clock_s, write_clock_clip

from har_stream.cameras.video_file import VideoFile, read_file
from har_stream.core.errors import InputError
from training.collect import labels
from training.collect.cut import cut_clips
from training.collect.labels import LabelledStretch
from training.commands.train_har import main
from training.config import DataConfig
from training.data.clip import EPOCH
from training.data.dataset import read_dataset


def _seconds(path: Path) -> tuple[float, float]:
    """First and last second of the clock clip that a cut shows."""
    frames = list(read_file(path, sample_hz=25, start_at=EPOCH))
    return clock_s(frames[0].image), clock_s(frames[-1].image)


def test_stretches_are_cut_where_the_table_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clock_clip(tmp_path / "evening.mp4", seconds=30)
    write_clock_clip(tmp_path / "morning.mp4", seconds=20)
    table = tmp_path / "labels.csv"
    table.write_text(
        "file,start_s,end_s,label,group\n"
        "evening.mp4,2,6,cooking,monday\n"
        "evening.mp4,5,12.5,eating,monday\n"
        "morning.mp4, 10 , 14 ,cooking, 3rd day\n"
        "morning.mp4,15,99,eating,3rd day\n\n"
    )
    assert main(["cut", str(table), "--out", str(tmp_path / "clips")]) == 0
    said = capsys.readouterr().out
    assert "next: gather cooking from 1 more, eating from 1 more (" in said
    assert "train-har fit" not in said
    found = {
        str(path.relative_to(tmp_path / "clips")): _seconds(path)
        for path in (tmp_path / "clips").glob("*/*")
    }
    expected = {
        "cooking/cooking_gmonday_c01.mp4": (2, 6),
        "eating/eating_gmonday_c01.mp4": (5, 12.5),
        "cooking/cooking_g3rd-day_c01.mp4": (10, 14),
        "eating/eating_g3rd-day_c01.mp4": (15, 20),
    }
    assert found.keys() == expected.keys()
    for name, (start_s, end_s) in expected.items():
        shown_s = found[name]  # the codec darkens every frame by a level, or 0.25 s
        assert shown_s == pytest.approx((start_s - 0.25, end_s - 0.3), abs=0.5), name
    config = DataConfig(path=tmp_path / "clips", groups_span_classes=True)
    clips = read_dataset(config).clips
    assert {clip.source for clip in clips} == {"*/monday", "*/3rd-day"}
    assert main(["cut", str(table), "--labels", "cooking", "--out", str(tmp_path / "some")]) == 0
    assert [path.name for path in (tmp_path / "some").iterdir()] == ["cooking"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.mp4,1,2,", ":3: no label"),
        ("a.mp4,one,2,cooking", ":3: start_s and end_s are seconds"),
        ("a.mp4,1", ":3: start_s and end_s are seconds"),
        ("a.mp4,2,2,cooking", ":3: 2 to 2 s is no stretch of time"),
        ("b.mp4,1,2,cooking", "b.mp4: no such recording"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "a.mp4").touch()
    table = tmp_path / "labels.csv"
    table.write_text(f"file,start_s,end_s,label\na.mp4,0,1,cooking\n{line}\n")
    with pytest.raises(InputError, match=said):
        labels.read_labels(table)


def test_a_wrong_table_is_said(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    for text, said in (
        ("path,from,to\n", ":1: no column file, start_s, end_s, label"),
        ("file,start_s,end_s,label\n", "no labelled stretch"),
        ("file;start_s;end_s;label\n", "no labelled stretch"),
        ("file,start_s,end_s,label,label\n", ":1: two columns are named label"),
        ('file,start_s,end_s,label\na.mp4,0,1,"cook\nb.mp4,0,1,eat\n', ":2: a quote opens here"),
    ):
        table.write_text(text)
        with pytest.raises(InputError, match=said):
            labels.read_labels(table)
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read"):
        labels.read_labels(tmp_path / "nowhere.csv")
    (tmp_path / "a.mp4").write_text("this is no video")
    with pytest.raises(InputError, match="no clip could be cut out of 1 recordings"):
        cut_clips([LabelledStretch(tmp_path / "a.mp4", 0, 1, "cooking", "1")], tmp_path / "clips")


def test_the_lists_of_gmdcsa24_are_read(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = labels.read_labels(shared / "data/home")
    assert len({segment.path for segment in found}) == 23
    assert {segment.group for segment in found} == {f"Subject_{n}" for n in range(1, 5)}
    assert {segment.label for segment in found} >= {"Falling", "Sitting", "Standing", "Walking"}
    of_one = [
        (segment.label, segment.start_s, segment.end_s)
        for segment in found
        if segment.path.parts[-3:] == ("Subject_3", "ADL", "07.mp4")
    ]
    assert of_one == [("Exercising", 0, 3), ("Standing", 0, 0.3), ("Standing", 1.5, 2.2)]
    assert "137 recordings of its lists are not there" in caplog.text


def test_a_wrong_time_of_gmdcsa24_is_named(tmp_path: Path) -> None:
    recording = tmp_path / "Subject_1/ADL/01.mp4"
    recording.parent.mkdir(parents=True)
    recording.touch()
    table = tmp_path / "Subject_1/ADL.csv"
    table.write_text("File,Classes\n01.mp4,Sitting [0 to 5]\n01.mp4,Walking [5 to 5.5.]\n")
    said = re.escape(f"{table}:3: 5 to 5.5.: no times in seconds")
    with pytest.raises(InputError, match=f"^{said}$"):
        labels.read_labels(tmp_path)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (("Anna M.", "Anna M"), "groups 'Anna M' and 'Anna M.' are both Anna-M in file names"),
        (("Anna", "Анна"), "group 'Анна': file names hold A-Z, a-z and 0-9 of it"),
    ],
)
def test_groups_that_file_names_cannot_tell_apart_are_refused(
    tmp_path: Path, groups: tuple[str, str], said: str
) -> None:
    recording = write_clock_clip(tmp_path / "evening.mp4", seconds=4)
    wanted = [
        LabelledStretch(recording, n, n + 1, "cooking", group) for n, group in enumerate(groups)
    ]
    with pytest.raises(InputError, match=said):
        cut_clips(wanted, tmp_path / "clips")
    assert not (tmp_path / "clips").exists()


def test_a_stretch_without_a_frame_is_said_and_not_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = write_clock_clip(tmp_path / "evening.mp4", seconds=4)
    clips = tmp_path / "clips"
    stretches = [LabelledStretch(recording, at_s, at_s + 2, "cooking", "1") for at_s in (1.0, 99.0)]
    (clips / "cooking").mkdir(parents=True)
    (clips / "cooking/cooking_g1_c02.mp4").write_text("of an earlier day")
    assert cut_clips(stretches, clips) == {"cooking": 1}
    (warned,) = caplog.messages
    assert warned.startswith(f"{recording}: no frame from 99 to 101 s, so no clip of cooking")


def test_a_recording_opened_for_its_rate_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[VideoFile] = []
    closed: list[VideoFile] = []

    class Watched(VideoFile):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            opened.append(self)

        def close(self) -> None:
            super().close()
            closed.append(self)

    monkeypatch.setattr("training.collect.cut.VideoFile", Watched)
    recording = write_clock_clip(tmp_path / "evening.mp4", seconds=2)
    cut_clips([LabelledStretch(recording, 0, 1, "cooking", "1")], tmp_path / "clips")
    assert len(opened) == 1
    assert closed == opened


def test_an_endless_table_is_refused() -> None:
    with pytest.raises(InputError, match="/dev/zero: more than 10 MB"):
        labels.read_labels(Path("/dev/zero"))


def test_a_label_of_which_no_clip_comes_is_an_error_and_the_others_are_kept(tmp_path: Path) -> None:
    recording = write_clock_clip(tmp_path / "evening.mp4", seconds=3)
    wanted = [
        LabelledStretch(recording, 0.0, 1.0, "cooking", "1"),
        LabelledStretch(recording, 9.0, 10.0, "eating", "1"),
    ]
    with pytest.raises(InputError, match="no clip of eating could be cut"):
        cut_clips(wanted, tmp_path / "clips")
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["cooking"]
