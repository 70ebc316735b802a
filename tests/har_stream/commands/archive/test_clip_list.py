"""An archive's recordings are listed whole: what is left out is named or counted."""

import os
from pathlib import Path

import pytest

from har_stream.commands.archive.clip_list import camera_of, list_clips
from har_stream.core.errors import InputError


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_a_folder_is_listed_in_all_its_levels(tmp_path: Path) -> None:
    _touch(
        tmp_path, "b/2.MTS", "a/1.wmv", "3.mp4", "a/1.jpg", "a/notes", ".trash/4.mp4", "a/.5.mp4"
    )
    found = list_clips(tmp_path)
    assert [clip.name for clip in found.clips] == ["3.mp4", "a/1.wmv", "b/2.MTS"]
    assert found.passed_over == {".jpg": 1, "no suffix": 1}
    assert not found.unread


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    _touch(tmp_path, "a.mp4")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.mp4")
    found = list_clips(tmp_path)
    assert [clip.name for clip in found.clips] == ["a.mp4"]
    assert sorted(line.partition(": ")[2] for line in found.unread) == [
        "cannot be read: No such file or directory",
        "its name is not UTF-8; rename it",
    ]


def test_a_list_names_files_beside_it(tmp_path: Path) -> None:
    _touch(tmp_path, "films/a.dat", "films/b, c.mp4")
    listed = tmp_path / "list.txt"
    listed.write_text(
        f"# mine\nfilms/a.dat\n\n{tmp_path}/films/b, c.mp4\r\nfilms/a.dat\nnone.mp4\nfilms\n"
    )
    found = list_clips(listed)
    assert [clip.name for clip in found.clips] == ["films/a.dat", "films/b, c.mp4"]
    assert [line.removeprefix(f"{tmp_path}/") for line in found.unread] == [
        "list.txt:5: films/a.dat is named a second time, and read once",
        "none.mp4: cannot be read: No such file or directory",
        "list.txt:7: films is no file; name files, or give a folder",
    ]


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "a.jpg")
    with pytest.raises(InputError, match=r"no recording in it; it has 1 x \.jpg"):
        list_clips(tmp_path)
    with pytest.raises(InputError, match="give a folder of recordings"):
        list_clips(tmp_path / "absent")
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(InputError, match="no list of recordings"):
        list_clips(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("kitchen/2026/11/22/x.mp4", "kitchen"),
        ("2026-11-22/18/Front Door/05.30.mp4", "front_door"),
        ("2026/11/x.mp4", "footage"),
        ("x.mp4", "footage"),
    ],
)
def test_a_folder_names_the_camera(name: str, camera: str) -> None:
    assert camera_of(name, Path("/mnt/Footage")) == camera
