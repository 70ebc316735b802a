"""Clips to teach from lie where teaching reads them, within their bounds, and go when asked."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from har_stream.config.settings import ClipSettings
from har_stream.core.errors import InputError
from har_stream.preview.clip_folder import ClipFolder, Kind, name_clip

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY_S = 24 * 3600.0


def put(folder: ClipFolder, minute: int, kind: Kind = "unsure", *, n_bytes: int = 10) -> str:
    """Put a clip there, as old as its name says; returns its name."""
    at = NOON + timedelta(minutes=minute)
    path = folder.unlabelled_file(name_clip(at, "cam_1", kind))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(n_bytes))
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path.stem


def folder_of(path: Path, **bounds: float) -> ClipFolder:
    wall = NOON.timestamp() + 3600
    return ClipFolder(path, ClipSettings.model_validate(bounds), wall_s=lambda: wall)


def test_a_label_moves_a_clip_to_where_teaching_reads_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clips")
    assert (tmp_path / "clips").stat().st_mode & 0o777 == 0o700
    name = put(folder, 0)
    folder.label(name, "ironing shirts")
    (clip,) = folder.clips()
    assert clip.path == folder.path / "labelled/ironing shirts/2026-11-22" / f"{name}.mp4"
    assert (clip.label, clip.session, clip.camera) == ("ironing shirts", "2026-11-22", "cam_1")
    folder.label(name, None)
    (clip,) = folder.clips()
    assert clip.path == folder.path / "ordinary/2026-11-22" / f"{name}.mp4"
    assert [each.name for each in folder.path.iterdir()] == ["ordinary"], "no empty folder is left"


@pytest.mark.parametrize("label", ["", " a", "a/b", "..", ".git", "a\\b", "a\n", "x" * 61])
def test_what_can_name_no_folder_is_refused(label: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    name = put(folder, 0)
    with pytest.raises(InputError, match="is no name of an activity"):
        folder.label(name, label)
    assert [clip.place for clip in folder.clips()] == ["unlabelled"]


def test_clips_go_one_by_one_and_all_at_once_and_nothing_else_does(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    foreign = tmp_path / "unlabelled" / "holiday.mp4"
    names = [put(folder, minute) for minute in range(3)]
    foreign.touch()
    assert folder.delete([names[1]]) == 1
    assert [clip.path.stem for clip in folder.clips()] == [names[2], names[0]]
    with pytest.raises(InputError, match="there is no clip"):
        folder.delete(["../../etc/passwd"])
    assert folder.delete() == 2
    assert list(tmp_path.rglob("*.mp4")) == [foreign]


def test_what_is_too_much_goes_and_what_has_a_label_goes_last(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, max_clips=2)
    oldest, older, newest = (put(folder, minute) for minute in range(3))
    folder.label(oldest, "ironing")
    folder.make_room()
    assert {clip.path.stem for clip in folder.clips()} == {oldest, newest}
    put(folder, 3, n_bytes=900_000)
    assert {clip.path.stem for clip in folder_of(tmp_path, max_mb=0.5).clips()} == {oldest}
    assert older not in {clip.path.stem for clip in folder.clips()}


def test_what_is_too_old_goes_a_stretch_after_a_day(tmp_path: Path) -> None:
    now_s = [NOON.timestamp()]
    folder = ClipFolder(tmp_path, ClipSettings(), wall_s=lambda: now_s[0])
    unsure, _stretch, labelled = (
        put(folder, minute, kind)
        for minute, kind in enumerate(("unsure", "stretch", "recorded"))
    )  # fmt: skip
    folder.label(labelled, "ironing")
    for days, left in ((0.9, 3), (1.1, 2), (14.1, 1), (181.0, 0)):
        now_s[0] = NOON.timestamp() + days * DAY_S
        folder.make_room()
        assert len(folder.clips()) == left, days
        if left == 2:
            assert {clip.path.stem for clip in folder.clips()} == {unsure, labelled}


def test_what_was_torn_by_a_crash_is_swept_away(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    name = put(folder, 0)
    torn = tmp_path / "unlabelled" / f".{name}.part.mp4"
    torn.touch()
    assert len(folder.clips()) == 1
    folder_of(tmp_path)
    assert not torn.exists()
