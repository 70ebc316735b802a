"""A backup is whole, also while another process writes, and overwrites nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.event_builder import started
from support.processes.forecast_process import har_forecast
from support.repository import ENVIRONMENT

from har_stream.core.errors import InputError
from predictor.journal.backup import back_up, restore
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal

WRITER = """
import sys
from datetime import UTC, datetime
from support.event_builder import started
from predictor.journal.journal import Journal
with Journal(sys.argv[1]) as journal:
    for seq in range(1, 100_000):
        journal.record(started("a", minute=seq, seq=seq), received_at=datetime.now(UTC))
        print(seq, flush=True)
"""


def test_a_backup_while_another_process_writes_holds_all_that_was_kept(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    command = [sys.executable, "-c", WRITER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as writer:
        assert writer.stdout is not None
        for number in range(3):
            last = [int(writer.stdout.readline()) for _ in range(10)][-1]
            copy = tmp_path / f"copy{number}.db"
            n_events = back_up(url, copy)
            with Journal(sqlite_url(copy)) as journal:
                kept = [entry.event.seq for entry in journal.entries()]
            assert kept == list(range(1, n_events + 1))
            assert n_events >= last
        writer.kill()
    assert not list(tmp_path.glob("*.part*"))


def test_a_backup_overwrites_nothing(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    with Journal(url) as journal:
        journal.record_all(
            [started("a", minute=0, seq=1)], received_at=started("a", minute=0, seq=1).started_at
        )
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        back_up(url, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"
    with pytest.raises(InputError, match="cannot be copied"):
        back_up(url, tmp_path / "nowhere" / "copy.db")


def test_a_backup_moves_a_home_to_another_machine(tmp_path: Path) -> None:
    events = [started("a", minute=minute, seq=minute + 1) for minute in range(5)]
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        journal.record_all(events, received_at=events[-1].started_at)
    assert har_forecast("--state-dir", tmp_path, "--backup", tmp_path / "copy.db").returncode == 0
    there = tmp_path / "new machine"
    done = har_forecast("--state-dir", there, "--restore", tmp_path / "copy.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert "5 events of" in done.stdout
    with Journal(sqlite_url(there / "journal.db")) as journal:
        assert [entry.event for entry in journal.entries()] == events
    again = har_forecast("--state-dir", there, "--restore", tmp_path / "copy.db")
    assert again.returncode == 2
    assert "is there already; --restore overwrites nothing, so move it away" in again.stderr


def test_what_is_no_backup_becomes_no_journal(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("mine")
    url = sqlite_url(tmp_path / "state" / "journal.db")
    for name, says in (("notes.db", "file is not a database"), ("absent.db", "no such backup")):
        with pytest.raises(InputError, match=says):
            restore(tmp_path / name, url)
    assert not list(tmp_path.glob("state/*"))


def test_a_backup_of_postgresql_is_its_own_tool_s_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pg_dump"):
        back_up("postgresql+psycopg://har@db/har", tmp_path / "copy.db")


@pytest.mark.parametrize(
    "asked", [["--export", "all.csv"], ["--backup", "copy.db"], ["--forget-before", "2026-01-01"]]
)
def test_a_mistyped_journal_is_refused_and_no_empty_one_is_made(
    tmp_path: Path, asked: list[str]
) -> None:
    ended = har_forecast("--state-dir", tmp_path / "nowhere", *asked)
    assert ended.returncode == 2
    assert ended.stderr.endswith("nowhere/journal.db: there is no such journal\n")
    assert list(tmp_path.iterdir()) == []
