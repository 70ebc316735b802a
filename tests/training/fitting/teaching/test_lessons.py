"""Sessions are told by folder, name or day, and too little is refused with what is missing."""

from pathlib import Path

import pytest
from support.bundles.manifest_builder import manifest

from har_stream.core.errors import InputError
from training.fitting.teaching.lessons import list_lessons, list_ordinary, session_of

KNOWN = manifest(labels=("idle", "sitting"))


def clips(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("name", "session"),
    [
        ("monday/a.mp4", "monday"),
        ("2026/monday/cooking_g7_c01.mp4", "2026/monday"),
        ("cooking_g20261127183000_c01.mp4", "20261127183000"),
        ("v_TaiChi_g08_c03.avi", "08"),
        ("VID_20261127_183000.mp4", "2026-11-27"),
        ("2026-11-27 18.30.mp4", "2026-11-27"),
        ("120261127.mp4", "untold"),
        ("20261399.mp4", "untold"),
        ("a.mp4", "untold"),
    ],
)
def test_a_session_is_told_by_folder_name_or_day(name: str, session: str) -> None:
    assert session_of(Path("cooking") / name, within=Path("cooking")) == session


def test_clips_are_listed_with_their_activity_and_session(tmp_path: Path) -> None:
    clips(tmp_path, "tea/mon/a.mp4", "tea/mon/b.MP4", "tea/tue/a.mkv", "tea/notes.txt", "x.mp4")
    lessons = list_lessons(tmp_path, KNOWN)
    assert [(each.path.name, each.activity, each.session) for each in lessons] == [
        ("a.mp4", "tea", "mon"),
        ("b.MP4", "tea", "mon"),
        ("a.mkv", "tea", "tue"),
    ]


def test_one_clip_in_the_folders_of_two_activities_is_refused(tmp_path: Path) -> None:
    names = [f"{activity}/{day}/1.mp4" for activity in ("iron", "tea") for day in ("m", "t", "w")]
    for n, name in enumerate(names):
        clips(tmp_path, name)
        (tmp_path / name).write_bytes(bytes([n]) * 9)
    assert len(list_lessons(tmp_path, KNOWN)) == 6
    (tmp_path / "tea/w/1.mp4").write_bytes(bytes(9))
    with pytest.raises(InputError, match=r"tea/w/1.mp4: the same clip as .*iron/m/1.mp4, which"):
        list_lessons(tmp_path, KNOWN)


def test_a_name_that_no_bundle_can_hold_is_refused_before_any_clip_is_seen(tmp_path: Path) -> None:
    clips(tmp_path, *(f"green\ntea/{clip}.mp4" for clip in ("m/1", "m/2", "t/1")))
    with pytest.raises(InputError, match=r"an activity is called .* which cannot be shown"):
        list_lessons(tmp_path, KNOWN)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ((), "no clips in folders there, such as "),
        (("tea/m/1.mp4", "tea/t/1.mp4"), "tea lacks 1 more of 3 clips$"),
        (("tea/m/1.mp4", "tea/m/2.mp4", "tea/m/3.mp4"), "tea lacks clips of 1 more session$"),
        (
            ("tea/1.mp4", "tea/2.mp4", "tea/3.mp4"),
            r"clips of 1 more session \(their names tell none: tea/DAY/CLIP.mp4 does\)$",
        ),
        (("tea/m/1.mp4",), "tea lacks 2 more of 3 clips and clips of 1 more session$"),
        (("sitting/m/1.mp4",), "home says 'sitting' already; give the folder another name"),
        (("fallen/m/1.mp4",), "says 'fallen' already"),
        (("unknown/m/1.mp4",), "says 'unknown' already"),
    ],
)
def test_too_little_is_refused_with_what_is_missing(
    tmp_path: Path, names: tuple[str, ...], missing: str
) -> None:
    with pytest.raises(InputError, match=missing):
        list_lessons(clips(tmp_path, *names), KNOWN)


def test_ordinary_footage_has_the_session_of_its_folder_or_file(tmp_path: Path) -> None:
    clips(tmp_path, "mon/1.mp4", "mon/2.mp4", "a.mp4", "b.mp4")
    assert {each.session for each in list_ordinary(tmp_path)} == {"mon", "a", "b"}
    assert {each.activity for each in list_ordinary(tmp_path)} == {None}
    with pytest.raises(InputError, match="without it, everything would be one of the activities"):
        list_ordinary(tmp_path / "mon" / "none")
