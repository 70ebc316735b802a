"""`har-fleet archive` says mistakes before it begins, and does without Ray where there is none."""

import sys
from pathlib import Path

import pytest
from support.processes.stream_process import eager_copy, write_video

from fleet.commands.fleet import main
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    folder = tmp_path / "footage" / "hall"
    folder.mkdir(parents=True)
    write_video(folder / "20261122T180000Z.mp4", 60)
    return folder


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--journal", "postgresql://nobody@localhost:1/har"], "har-fleet: journal postgresql://"),
        (["--wokers", "3"], "har-fleet archive: unrecognized arguments: --wokers 3"),
    ],
)
def test_a_mistake_is_said_before_anything_is_made(
    more: list[str], said: str, footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    try:
        status = main(["archive", str(footage), "--out", str(out), *more])
    except SystemExit as ended:
        status = int(ended.code or 0)
    assert status == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_without_ray_this_machine_s_processes_do_it_and_it_is_said(
    footage: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    journal = sqlite_url(tmp_path / "journal.db")
    arguments = ["archive", str(footage), "--out", str(tmp_path / "out"), "--journal", journal]
    bundle = eager_copy(tmp_path / "eager")
    assert main([*arguments, "--bundle", str(bundle), "--workers", "1"]) == 0
    said = capsys.readouterr()
    assert "ray is not installed" in said.err
    assert "of 1 recording, 0 not read" in said.out
    with Journal(journal) as kept:
        assert kept.count() > 0
