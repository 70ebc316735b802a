"""A journal that is only read: never made, never changed, and its version is looked at."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from support.event_builder import EIGHT, started

from har_stream.core.errors import InputError
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.journal.reader import JournalReader
from predictor.journal.records import Correction


def test_what_runs_at_the_edges_of_a_span_belongs_to_it(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    with Journal(url) as journal:
        for seq, minute in enumerate((0, 60, 120, 180), 1):
            event = started(f"a{seq}", minute=minute, seq=seq)
            journal.record(event, received_at=EIGHT)
        reader = JournalReader(url)
        since, until = (EIGHT + timedelta(minutes=minute) for minute in (90, 150))
        assert [bout.activity for bout in reader.span(since, until).bouts] == ["a2", "a3"]
        assert [bout.activity for bout in reader.span(None, None).bouts] == ["a1", "a2", "a3", "a4"]
        assert reader.cameras() == [("n1", "cam1")]
        assert reader.first_at() == EIGHT


def test_whatever_changes_a_span_changes_its_state(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    reader = JournalReader(url)
    until = EIGHT + timedelta(hours=1)
    with Journal(url) as journal:
        states = [reader.state_of(EIGHT, until)]
        journal.record(started("cooking", minute=0, seq=1), received_at=EIGHT)
        states.append(reader.state_of(EIGHT, until))
        correction = Correction("c1", ("n1", "cam1"), "washing", EIGHT, until, corrected_at=until)
        journal.corrections.record(correction)
        states.append(reader.state_of(EIGHT, until))
        assert reader.activities(EIGHT) == ["cooking", "washing"]
        assert len(set(states)) == 3
        journal.corrections.undo("c1", at=until)
        assert reader.state_of(EIGHT, until) == states[1]
        journal.record(started("later", minute=61, seq=2), received_at=EIGHT)
        assert reader.state_of(EIGHT, until) == states[1]


def test_a_journal_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    reader = JournalReader(sqlite_url(tmp_path / "journal.db"))
    with pytest.raises(InputError, match="there is no journal yet"):
        reader.cameras()
    assert not list(tmp_path.iterdir())


def test_reading_changes_nothing_and_writing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(sqlite_url(path)) as journal:
        journal.record(started("cooking", minute=0, seq=1), received_at=EIGHT)
    before = path.read_bytes()
    reader = JournalReader(sqlite_url(path))
    assert reader.span(None, None).bouts
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "remedy"), [(-1, "start har-forecast once"), (1, "update har-stream")]
)
def test_another_version_is_not_guessed_at(change: int, remedy: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    Journal(sqlite_url(path)).close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE journal SET version = version + ?", (change,))
    database.close()
    with pytest.raises(InputError, match=remedy):
        JournalReader(sqlite_url(path)).cameras()
