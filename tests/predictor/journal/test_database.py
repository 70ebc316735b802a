"""A journal is brought up to date, refused where it cannot be used, and the same on PostgreSQL."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy
from support.event_builder import BERLIN, event, started
from support.files.old_journal import ID, write_old_journal
from support.processes.postgresql import running_postgresql

from har_stream.core.errors import InputError
from predictor.journal.database import require_journal, sqlite_url
from predictor.journal.deletion import Selection
from predictor.journal.journal import Journal
from predictor.journal.reader import JournalReader
from predictor.journal.records import Correction
from predictor.journal.tables import JOURNAL, VERSION

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_id_survives_reopening(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    with Journal(url) as first, Journal(url) as second:
        assert first.id == second.id


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_journal_opens_and_keeps_all(tmp_path: Path, version: int) -> None:
    """Written by the statements of earlier versions; whatever they held comes back as it was."""
    kept = [
        event(
            seq=1,
            event_type="activity_started",
            activity="cooking",
            room="kitchen",
            confidence=0.88,
            probabilities={"cooking": 0.88, "eating": 0.12},
            started_at=datetime(2026, 1, 2, 18, 2, 11, 120_000, tzinfo=BERLIN),
        ),
        event(seq=2, event_type="activity_ended", activity="cooking", minute=0, ended_minute=9),
        started("eating", minute=10, seq=3),
    ]
    write_old_journal(tmp_path / "journal.db", kept, received_at=NOW, version=version)
    for _ in range(2):
        with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
            assert journal.id == ID
            assert [entry.event for entry in journal.entries()] == kept
            assert {entry.received_at for entry in journal.entries()} == {NOW}
            (context,) = journal.contexts()
            assert (context.name, context.value, context.happened_at) == ("temperature", 21.5, NOW)
            assert [bout.activity for bout in journal.bouts()] == ["cooking", "eating"]
            assert not journal.record(kept[0], received_at=NOW).is_new
            assert journal.progress()["n1", "cam1"].contiguous_seq == 3
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        assert journal.record(started("a", minute=20, seq=4), received_at=NOW).contiguous_seq == 4


def test_an_older_journal_ends_with_the_tables_of_a_new_one(tmp_path: Path) -> None:
    write_old_journal(
        tmp_path / "old.db", [started("a", minute=0, seq=1)], received_at=NOW, version=2
    )
    schemas = []
    for name in ("old.db", "new.db"):
        Journal(sqlite_url(tmp_path / name)).close()
        schema = sqlalchemy.inspect(sqlalchemy.create_engine(sqlite_url(tmp_path / name)))
        columns = {
            table: [each["name"] for each in schema.get_columns(table)]
            for table in schema.get_table_names()
        }
        indexes = {
            table: {(each["name"], *each["column_names"]) for each in schema.get_indexes(table)}
            for table in columns
        }
        schemas.append((columns, indexes, schema.get_view_names()))
    assert schemas[0] == schemas[1]


def test_a_journal_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    Journal(url).close()
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.update(JOURNAL).values(version=VERSION + 1))
    engine.dispose()
    with pytest.raises(InputError, match="update har-stream"):
        Journal(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "no database URL"),
        ("nosuchdb://host/x", "no database URL"),
        ("sqlite:////proc/nowhere/journal.db", "journal"),
        ("mysql+nodriver://host/x", "no database URL"),
        ("sqlite+nodriver:///x", "no database URL"),
        ("postgresql+psycopg://har@host:port/x", "no database URL"),
    ],
)
def test_a_wrong_url_is_one_clear_line(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as raised:
        Journal(url)
    assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match=f"{words}|no such journal"):
        require_journal(url)


def test_postgresql_holds_the_same(tmp_path: Path) -> None:
    events = [started(f"a{n % 3}", minute=7 * n, seq=n) for n in (1, 2, 4, 3, 6, 5)]
    arrivals = [*events, events[0], started("anew", minute=60, seq=2)]
    with (
        running_postgresql() as server,
        Journal(server.url) as there,
        Journal(sqlite_url(tmp_path / "journal.db")) as here,
    ):
        for one in arrivals:
            assert there.record(one, received_at=NOW) == here.record(one, received_at=NOW)
        kept_there, kept_here = (
            [entry.event for entry in each.entries()] for each in (there, here)
        )
        assert kept_there == kept_here
        assert list(there.bouts()) == list(here.bouts())
        first, last = events[0].started_at, events[3].started_at
        correction = Correction("c1", ("n1", "cam1"), "washing", first, last, corrected_at=NOW)
        for journal in (there, here):
            for _ in range(2):
                journal.corrections.record(correction)
        assert there.bouts() == here.bouts()
        readers = JournalReader(server.url), JournalReader(sqlite_url(tmp_path / "journal.db"))
        spans = [reader.span(first, last) for reader in readers]
        assert spans[0] == spans[1]
        assert spans[0].corrections == [correction]
        assert readers[0].state_of(first, last) == readers[1].state_of(first, last)
        assert readers[0].cameras() == readers[1].cameras()
        assert readers[0].first_at() == readers[1].first_at()
        assert readers[0].activities(first) == readers[1].activities(first)
        readers[0].close()
        assert there.corrections.undo("c1", at=NOW)
        assert there.progress() == here.progress()
        old = Selection(until=events[0].started_at + timedelta(minutes=8))
        assert there.delete(old) == here.delete(old) == 2
        assert not there.record(events[0], received_at=NOW).is_new
        camera = Selection(camera=("n1", "cam1"))
        assert there.count_selected(camera) == there.delete(camera) == here.delete(camera) == 5
        assert there.last_deletion() == here.last_deletion() == 2
        assert there.progress() == here.progress()


def test_a_text_that_is_given_as_a_journal_to_read_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("start,end,activity\n2026-03-01 07:00,2026-03-01 08:00,Tee für Zwei\n" * 9)
    with pytest.raises(InputError, match="that is a text and no journal; give another --journal"):
        require_journal(sqlite_url(path))
    url = sqlite_url(tmp_path / "journal.db")
    Journal(url).close()
    require_journal(url)
    assert {each.name for each in tmp_path.iterdir()} == {"log.csv", "journal.db"}


def test_what_a_thread_reads_together_goes_over_one_connection(tmp_path: Path) -> None:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        taken: list[int] = []
        sqlalchemy.event.listen(
            journal._engine, "checkout", lambda *_: taken.append(threading.get_ident())
        )
        journal.record(event(seq=1), received_at=NOW)
        taken.clear()
        with journal.reading.together():
            assert journal.count() == len([*journal.memories()]) == 1
            other = threading.Thread(target=journal.count)
            other.start()
            other.join()
        here = threading.get_ident()
        assert [each == here for each in taken] == [True, False]
        journal.count()
        assert taken[2:] == [here]
