"""A backup is whole, also while another process writes, and overwrites nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.event_builder import started
from support.processes.forecast_process import har_forecast
from support.repository import ENVIRONMENT

from har_stream.core.errors import InputError
from predictor.journal.backup import back_up
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
    with pytest.raises(InputError, match="cannot be written"):
        back_up(url, tmp_path / "nowhere" / "copy.db")


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
