"""Clips are listed with their class and video; footage that groups share keeps them together."""

import shutil
from pathlib import Path

import pytest
from clip_maker import write_clip

from har_stream.errors import InputError
from training import datasets
from training.config import DataConfig
from training.datasets import Clip


def _touch(root: Path, *names: str) -> None:
    for n, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"clip %d" % n)


def test_clips_carry_class_and_group(tmp_path: Path) -> None:
    _touch(tmp_path, "Walk/v_Walk_g01_c01.avi", "Walk/v_Walk_g10_c02.avi", "Walk/notes.txt")
    _touch(tmp_path, "Run/a.mp4", "Run/b.mp4", "Empty/readme.md")
    dataset = datasets.read(DataConfig(path=tmp_path, classes=("Walk", "Run")))
    assert dataset.labels == ("Walk", "Run")
    assert [clip.source for clip in dataset.clips] == ["Walk/1", "Walk/10", "Run/a", "Run/b"]


def test_every_folder_is_a_class_unless_it_is_none_of_them(tmp_path: Path) -> None:
    for label in ("A", "B", "Other"):
        _touch(tmp_path, f"{label}/{label}1.mp4", f"{label}/x{label}.mp4")
    dataset = datasets.read(DataConfig(path=tmp_path, others=("Other",)))
    assert dataset.labels == ("A", "B")
    assert {clip.label for clip in dataset.others} == {"Other"}
    rest = datasets.read(DataConfig(path=tmp_path, classes=("B", "A"), others=("*",)))
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
    clips = datasets.read(DataConfig(kind="hmdb51", path=tmp_path)).clips
    assert [clip.group for clip in clips] == [
        *("April_09_brush_hair", "April_09_brush_hair", "Torwart_wave", "x")
    ]


def test_identical_clips_link_their_groups(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "A/v_A_g01_c01.avi", seed=1)
    write_clip(tmp_path / "A/v_A_g02_c01.avi", seed=2)
    shutil.copy(first, tmp_path / "A/v_A_g03_c05.avi")
    _touch(tmp_path, "B/v_B_g01_c01.avi", "B/v_B_g03_c01.avi")
    config = DataConfig(path=tmp_path, linked={"A": (("2", "7"), ("07", "3"))})
    groups = [clip.group for clip in datasets.read(config).clips]
    assert groups == ["1+2+3+7", "1+2+3+7", "1+2+3+7", "1", "3"]


def test_groups_are_linked_through_a_third() -> None:
    clips = [Clip(Path(f"{n}.avi"), "A", str(n)) for n in range(6)]
    linked = datasets.link(clips, [("0", "1"), ("3", "4"), ("1", "3")])
    assert [clip.group for clip in linked] == ["0+1+3+4", "0+1+3+4", "2", *["0+1+3+4"] * 2, "5"]
    assert linked[4].is_of(["01"])
    assert not linked[2].is_of(["1"])


def test_excluded_groups_take_their_linked_groups_along(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"A/v_A_g{n:02}_c01.avi" for n in range(1, 6)), "B/x.avi", "B/y.avi")
    config = DataConfig(path=tmp_path, linked={"A": (("2", "4"),)}, exclude={"A": ("02",)})
    assert [clip.source for clip in datasets.read(config).clips][:3] == ["A/1", "A/3", "A/5"]


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (("A", "Jump"), "no clips of class 'Jump'; it has A, Lonely"),
        (("A", "Lonely"), "Lonely: one clip cannot be split"),
        (("A",), "one class, 'A'; at least two are needed"),
    ],
)
def test_unusable_classes_are_named(tmp_path: Path, classes: tuple[str, ...], said: str) -> None:
    _touch(tmp_path, "A/1.avi", "A/2.avi", "Lonely/1.avi")
    with pytest.raises(InputError, match=said):
        datasets.read(DataConfig(path=tmp_path, classes=classes))


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give one with --data"):
        datasets.read(DataConfig(path=tmp_path / "nowhere"))


def test_the_duplicates_of_the_real_footage_are_found(shared: Path) -> None:
    clips = datasets.read(
        DataConfig(path=shared / "data/ucf", classes=("WalkingWithDog", "TennisSwing"))
    ).clips
    groups = {clip.source for clip in clips if datasets.LINK in clip.group}
    assert groups == {"WalkingWithDog/16+18", "WalkingWithDog/19+23", "TennisSwing/19+9"}
