"""Clips are listed with their class and video; footage that groups share keeps them together."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.repository import ROOT
from support.video.clip_maker import write_clip

from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from training.config import DataConfig, read_config
from training.data import cache, folders, splits
from training.data.clip import LINK, Sampling, VideoClip
from training.data.dataset import read_dataset


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_clips_carry_class_and_group(tmp_path: Path) -> None:
    _touch(tmp_path, "Walk/v_Walk_g01_c01.avi", "Walk/v_Walk_g10_c02.avi", "Walk/notes.txt")
    _touch(tmp_path, "Run/a.mp4", "Run/b.mp4", "Empty/readme.md")
    dataset = read_dataset(DataConfig(path=tmp_path, classes=("Walk", "Run")))
    assert dataset.labels == ("Walk", "Run")
    assert [clip.source for clip in dataset.clips] == ["Walk/1", "Walk/10", "Run/a", "Run/b"]


def test_whatever_cameras_and_telephones_write_is_a_clip(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["a.wmv", "b.MTS", "c.3gp", "d.TS", "e.mpg", "f.Mp4"]
    _touch(tmp_path, *(f"Walk/{name}" for name in names), "Walk/g.jpg", "Walk/h", "Walk/.i.mp4")
    clips = read_dataset(DataConfig(path=tmp_path)).clips
    assert [clip.path.name for clip in clips] == names
    assert "2 files are no videos by their names, and are left out: 1 x .jpg, 1 x without" in (
        caplog.text
    )


def test_every_folder_is_a_class_unless_it_is_none_of_them(tmp_path: Path) -> None:
    for label in ("A", "B", "Other"):
        _touch(tmp_path, f"{label}/{label}1.mp4", f"{label}/x{label}.mp4")
    dataset = read_dataset(DataConfig(path=tmp_path, others=("Other",)))
    assert dataset.labels == ("A", "B")
    assert {clip.label for clip in dataset.others} == {"Other"}
    rest = read_dataset(DataConfig(path=tmp_path, classes=("B", "A"), others=("*",)))
    assert rest.labels == ("B", "A")
    assert {clip.label for clip in rest.others} == {"Other"}


def test_hmdb51_names_give_the_film_that_a_clip_was_cut_from(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi",
        "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_1.avi",
        "wave/Torwart_wave_f_cm_np1_fr_med_3.avi",
        "wave/x.avi",
    )
    clips = read_dataset(DataConfig(kind="hmdb51", path=tmp_path)).clips
    assert [clip.group for clip in clips] == [
        *("April_09_brush_hair", "April_09_brush_hair", "Torwart_wave", "x")
    ]


def test_identical_clips_link_their_groups(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "A/v_A_g01_c01.avi", seed=1)
    write_clip(tmp_path / "A/v_A_g02_c01.avi", seed=2)
    shutil.copy(first, tmp_path / "A/v_A_g03_c05.avi")
    _touch(tmp_path, "B/v_B_g01_c01.avi", "B/v_B_g03_c01.avi")
    config = DataConfig(path=tmp_path, linked={"A": (("2", "7"), ("07", "3"))})
    groups = [clip.group for clip in read_dataset(config).clips]
    assert groups == ["1+2+3+7", "1+2+3+7", "1+2+3+7", "1", "3"]


def test_groups_are_linked_through_a_third() -> None:
    clips = [VideoClip(Path(f"{n}.avi"), "A", str(n)) for n in range(6)]
    linked = folders.link_groups(clips, [("0", "1"), ("3", "4"), ("1", "3")])
    assert [clip.group for clip in linked] == ["0+1+3+4", "0+1+3+4", "2", *["0+1+3+4"] * 2, "5"]
    assert linked[4].is_of(["01"])
    assert not linked[2].is_of(["1"])


@given(st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=3), max_size=6))
def test_linking_is_the_transitive_closure(linked: list[list[int]]) -> None:
    clips = [VideoClip(Path(f"{n}.avi"), "A", str(n)) for n in range(8)]
    made = folders.link_groups(clips, [[str(n) for n in names] for names in linked])
    reached = np.eye(8, dtype=bool)
    for names in linked:
        reached[np.ix_(names, names)] = True
    for _ in range(3):  # paths of up to eight steps
        reached = reached @ reached
    alike = np.array([[a.group == b.group for b in made] for a in made])
    np.testing.assert_array_equal(alike, reached)


def test_one_file_in_two_classes_is_left_out_of_both(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _touch(tmp_path, *(f"{c}/{c}_g{n}_c1.avi" for c in ("A", "B") for n in (1, 2, 3)))
    shutil.copy(tmp_path / "A/A_g1_c1.avi", tmp_path / "B/B_g3_c1.avi")
    apart = read_dataset(DataConfig(path=tmp_path)).clips
    assert "A/A_g1_c1.avi, B/B_g3_c1.avi are one and the same file; left out" in caplog.text
    assert [clip.source for clip in apart] == ["A/2", "A/3", "B/1", "B/2"]
    spanning = read_dataset(DataConfig(path=tmp_path, groups_span_classes=True)).clips
    assert [clip.source for clip in spanning] == ["*/2", "*/1+3", "*/1+3", "*/2"]


def test_clips_whose_names_hold_no_group_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _touch(tmp_path, "A/v_A_g01_c01.avi", "A/x1.avi", "B/y1.avi", "B/y2.avi")
    clips = read_dataset(DataConfig(path=tmp_path)).clips
    assert [clip.ungrouped for clip in clips] == [False, True, True, True]
    (warned,) = caplog.messages
    assert "the names of 3 of 4 clips do not say which video" in warned
    assert "give a group pattern" in warned
    caplog.clear()
    known = read_dataset(DataConfig(path=tmp_path, group_pattern=r"^(\w+)\d")).clips
    assert not any(clip.ungrouped for clip in known)
    assert not caplog.messages


def test_a_name_that_says_group_and_cut_alone_is_taken_for_one() -> None:
    pattern = re.compile(folders.UCF_PATTERN)
    for name, group in (("v_Run_g08_c03.avi", "8"), ("x_gmonday-2_c1.mp4", "monday-2")):
        assert folders._group_of(Path(name), pattern) == group
    assert folders._group_of(Path("my_great_day.mp4"), pattern) == "my_great_day"


def test_a_config_says_how_names_tell_the_video(tmp_path: Path) -> None:
    _touch(tmp_path, "A/monday 1.mp4", "A/monday 2.mp4", "A/07 1.mp4", "B/monday 3.mp4", "B/x.mp4")
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: mine\nabout: two\nnetwork: lrcn\n"
        "clip: {n_frames: 3, height_px: 64, width_px: 64, sample_hz: 5.0}\n"
        f"data: {{path: '{tmp_path}', group_pattern: '^(\\w+) \\d+', exclude: {{A: ['7']}}}}\n"
    )
    clips = read_dataset(read_config(path).data).clips
    assert [clip.source for clip in clips] == ["A/monday", "A/monday", "B/monday", "B/x"]


def test_a_pattern_whose_group_stays_empty_names_no_group(tmp_path: Path) -> None:
    _touch(tmp_path, "A/a_g1.avi", "A/a_x.avi", "B/b_g.avi", "B/b_g2.avi")
    pattern = r"_g(\d*)|_x"
    clips = read_dataset(DataConfig(path=tmp_path, group_pattern=pattern)).clips
    assert [clip.source for clip in clips] == ["A/1", "A/a_x", "B/b_g", "B/2"]


def test_excluded_groups_take_their_linked_groups_along(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"A/v_A_g{n:02}_c01.avi" for n in range(1, 6)), "B/x.avi", "B/y.avi")
    config = DataConfig(path=tmp_path, linked={"A": (("2", "4"),)}, exclude={"A": ("02",)})
    assert [clip.source for clip in read_dataset(config).clips][:3] == ["A/1", "A/3", "A/5"]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"classes": ("A", "Jump")}, "no clips of class 'Jump'; it has A, Lonely"),
        ({"classes": ("A", "Lonely"), "others": ("A",)}, "^A: named among the classes and the oth"),
        ({"others": ("A", "Lonely")}, "every folder is named among the others"),
        ({"linked": {"a": (("1", "2"),)}}, "^data.linked: no such class: a; there are A, Lonely$"),
        ({"exclude": {"*": ("1",)}}, r"^data.exclude: no such class: \*; there are A, Lonely$"),
        (
            {"groups_span_classes": True, "linked": {"*": (("1", "2"),), "A": (("1", "2"),)}},
            r"^data.linked: with groups_span_classes '\*' alone counts, not A$",
        ),
        (
            {"groups_span_classes": True, "exclude": {"A": ("1",)}},
            r"^data.exclude: with groups_span_classes '\*' alone counts, not A$",
        ),
    ],
)
def test_unusable_classes_are_named(tmp_path: Path, named: dict[str, object], said: str) -> None:
    _touch(tmp_path, "A/1.avi", "A/2.avi", "Lonely/1.avi")
    with pytest.raises(InputError, match=said):
        read_dataset(DataConfig.model_validate({"path": tmp_path} | named))


def test_a_config_may_link_groups_of_a_folder_that_it_does_not_ask_for(tmp_path: Path) -> None:
    _touch(tmp_path, "A/1.avi", "A/2.avi", "B/1.avi", "B/2.avi", "C/1.avi")
    linked = {"C": (("1", "2"),)}
    dataset = read_dataset(DataConfig(path=tmp_path, classes=("A", "B"), linked=linked))
    assert [clip.source for clip in dataset.clips] == ["A/1", "A/2", "B/1", "B/2"]


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give one with --data"):
        read_dataset(DataConfig(path=tmp_path / "nowhere"))
    _touch(tmp_path, "1.avi", "Empty/readme.md")
    with pytest.raises(InputError, match=f"^{tmp_path}: no folders of clips in it; give the fol"):
        read_dataset(DataConfig(path=tmp_path))
    assert folders.count_clips(tmp_path / "nowhere") == []


def test_clips_that_cannot_be_opened_are_left_to_the_cache_which_names_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = write_clip(tmp_path / "A/v_A_g01_c01.avi", seed=1, n_frames=12)
    shutil.copy(first, tmp_path / "A/v_A_g02_c01.avi")
    dangling = tmp_path / "A/v_A_g03_c01.avi"
    dangling.symlink_to(tmp_path / "gone.avi")
    unopened = [tmp_path / f"B/v_B_g0{n}_c01.avi" for n in (1, 2)]  # folders: alike in size
    for path in unopened:
        path.mkdir(parents=True)
    clips = read_dataset(DataConfig(path=tmp_path)).clips
    assert [clip.source for clip in clips] == ["A/1+2", "A/1+2", "A/3", "B/1", "B/2"]
    spec = ClipSpec(n_frames=3, height_px=64, width_px=64, sample_hz=5.0)
    cached = cache.read_clips(clips, Sampling(spec), folder=tmp_path / "cache")
    assert [clip.path for clip in cached.unreadable] == [dangling, *unopened]
    for path in (dangling, *unopened):
        assert f"left out: {path}: cannot be read: " in caplog.text


@pytest.mark.parametrize(
    "name", sorted(path.name for path in (ROOT / "configs").glob("*-ucf.yaml"))
)
def test_shipped_configs_name_classes_that_there_are(shared: Path, name: str) -> None:
    config = read_config(ROOT / "configs" / name)
    data = config.data.model_copy(update={"path": shared / "data/ucf"})
    made = splits.make_splits(read_dataset(data), split=config.split, data=data, seed=config.seed)
    assert all(split.test for split in made)


def test_the_duplicates_of_the_real_footage_are_found(shared: Path) -> None:
    clips = read_dataset(
        DataConfig(path=shared / "data/ucf", classes=("WalkingWithDog", "TennisSwing"))
    ).clips
    groups = {clip.source for clip in clips if LINK in clip.group}
    assert groups == {"WalkingWithDog/16+18", "WalkingWithDog/19+23", "TennisSwing/19+9"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Sit/anna/a.mp4", r"Sit: would be no class: its clips lie in folders below it .anna/a"),
        ("Sit/a.gif", r"Sit: would be no class: none of its files is a video .* .1 x \.gif"),
        ("unknown/a.mp4", "'unknown' is said where no class fits"),
    ],
)
def test_a_folder_that_would_be_lost_as_a_class_is_refused(
    tmp_path: Path, name: str, says: str
) -> None:
    _touch(tmp_path, "Walk/a.mp4", "Run/b.mp4", name)
    with pytest.raises(InputError, match=says):
        read_dataset(DataConfig(path=tmp_path))
    assert read_dataset(DataConfig(path=tmp_path, classes=("Walk", "Run"))).labels


def test_what_is_passed_over_beside_clips_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _touch(tmp_path, "Walk/a.mp4", "Walk/more/b.mp4", "Run/c.mp4", "lists/train.txt")
    _touch(tmp_path, ".trash/d.mp4", "e.mp4")
    assert len(read_dataset(DataConfig(path=tmp_path)).clips) == 2
    assert "1 videos lie in no class folder, and are left out, as e.mp4" in caplog.text
    assert "lists: is no class: it holds no clip, but 1 x .txt" in caplog.text
    assert "1 videos in folders below the classes' are left out, the first is Walk/more/b.mp4" in (
        caplog.text
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("walk ", "'walk ' and 'Walk' are one name|'Walk' and 'walk ' are one name"),
        ("a\u2028b", r"'a\\u2028b' is no name for a class; rename the folder"),
    ],
)
def test_a_folder_that_can_be_no_label_is_refused_before_anything_is_learned(
    tmp_path: Path, name: str, says: str
) -> None:
    _touch(tmp_path, "Walk/a.mp4", f"{name}/b.mp4")
    with pytest.raises(InputError, match=says):
        read_dataset(DataConfig(path=tmp_path))
