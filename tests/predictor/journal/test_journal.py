"""The journal keeps every event once, by its id, knows what is missing, and survives kill -9."""

import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.event_builder import BERLIN, event, started
from support.files.old_journal import write_old_journal
from support.repository import ENVIRONMENT

from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.database import sqlite_url
from predictor.journal.deletion import Selection
from predictor.journal.journal import Journal
from predictor.journal.records import Forgotten

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(sqlite_url(tmp_path / "state" / "journal.db")) as journal:
        yield journal


def _events_of(journal: Journal) -> list[ActivityEvent]:
    return [entry.event for entry in journal.entries()]


def test_an_event_comes_back_as_it_was(journal: Journal) -> None:
    kept = event(
        seq=7,
        event_type="activity_changed",
        activity="eating",
        previous="cooking",
        room="kitchen",
        confidence=0.88,
        probabilities={"eating": 0.88, "cooking": 0.12},
        started_at=datetime(2026, 1, 2, 18, 2, 11, 120_000, tzinfo=BERLIN),
    )
    journal.record(kept, received_at=NOW)
    (entry,) = journal.entries()
    assert entry.event == kept
    assert entry.event.started_at.utcoffset() == kept.started_at.utcoffset()
    assert entry.received_at == NOW


def test_a_duplicate_changes_nothing(journal: Journal) -> None:
    first = started("eating", minute=0, seq=1)
    assert journal.record(first, received_at=NOW).is_new
    again = journal.record(first, received_at=NOW + timedelta(hours=1))
    assert (again.is_new, again.contiguous_seq, again.has_gap) == (False, 1, False)
    assert journal.count() == 1


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(range(1, 9)), twice=st.lists(st.integers(1, 8), max_size=8))
def test_any_order_with_any_duplicates_ends_complete(order: list[int], twice: list[int]) -> None:
    events = {seq: started(f"activity{seq}", minute=seq, seq=seq) for seq in order}
    arrivals = [*order[:4], *twice, *order[4:]]
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal(sqlite_url(Path(folder, "j.db"))) as journal,
    ):
        held: set[int] = set()
        for seq in arrivals:
            recorded = journal.record(events[seq], received_at=NOW)
            assert recorded.is_new == (seq not in held)
            held.add(seq)
            contiguous = next(n for n in range(9) if n + 1 not in held)
            assert recorded.contiguous_seq == contiguous
            assert recorded.has_gap == (max(held) > contiguous)
        complete = [events[seq] for seq in sorted(held)]
        assert _events_of(journal) == complete


def test_cameras_are_numbered_apart(journal: Journal) -> None:
    journal.record(started("a", minute=0, seq=1, camera="cam1"), received_at=NOW)
    journal.record(started("b", minute=1, seq=4, camera="cam2"), received_at=NOW)
    progress = journal.progress()
    assert not progress["n1", "cam1"].has_gap
    assert progress["n1", "cam2"].has_gap
    assert progress["n1", "cam2"].contiguous_seq == 0


def test_what_a_node_no_longer_holds_is_given_up(journal: Journal) -> None:
    for seq in (1, 5, 6, 9):
        journal.record(started("a", minute=seq, seq=seq), received_at=NOW)
    assert journal.give_up_before("n1", "cam1", 5).contiguous_seq == 6
    assert journal.progress()["n1", "cam1"].has_gap
    late = journal.record(started("late", minute=3, seq=3), received_at=NOW)
    assert late.is_new
    assert late.contiguous_seq == 6


def test_a_node_that_lost_its_state_counts_anew(journal: Journal) -> None:
    for seq in (1, 2, 3):
        journal.record(started("old", minute=seq, seq=seq), received_at=NOW)
    anew = journal.record(started("new", minute=10, seq=2), received_at=NOW)
    assert (anew.contiguous_seq, anew.has_gap) == (0, True)
    filled = journal.record(started("new", minute=9, seq=1), received_at=NOW)
    assert (filled.contiguous_seq, filled.has_gap) == (2, False)
    assert journal.count() == 5


def test_bouts_end_where_the_next_change_happens(journal: Journal) -> None:
    journal.record(started("cooking", minute=0, seq=1, room="kitchen"), received_at=NOW)
    changed = event(
        seq=2, event_type="activity_changed", activity="eating", previous="cooking", minute=20
    )
    ended = event(seq=3, event_type="activity_ended", activity="eating", minute=20, ended_minute=45)
    for one in (changed, ended):
        journal.record(one, received_at=NOW)
    journal.record(started("relaxing", minute=50, seq=4), received_at=NOW)
    bouts = list(journal.bouts())
    assert [bout.activity for bout in bouts] == ["cooking", "eating", "relaxing"]
    lengths = [bout.ended_at and (bout.ended_at - bout.started_at) for bout in bouts]
    assert lengths == [timedelta(minutes=20), timedelta(minutes=25), None]
    assert bouts[0].room == "kitchen"


def test_retention_forgets_old_events_but_not_the_numbering(journal: Journal) -> None:
    for seq in range(1, 11):
        journal.record(started("a", minute=seq, seq=seq), received_at=NOW)
    kept_from = started("a", minute=8, seq=8).started_at
    assert journal.delete(Selection(until=kept_from)) == 7
    assert [one.seq for one in _events_of(journal)] == [8, 9, 10]
    assert journal.record(started("a", minute=11, seq=11), received_at=NOW).contiguous_seq == 11


def test_no_more_than_a_part_leaves_by_age_at_once(tmp_path: Path) -> None:
    seconds = 0.0
    with Journal(sqlite_url(tmp_path / "j.db"), monotonic=lambda: seconds) as journal:
        journal.record_all(
            (started("a", minute=seq, seq=seq) for seq in range(1, 2001)), received_at=NOW
        )
        age = timedelta(days=30)
        assert journal.age_out(NOW, age) == Forgotten(n_deleted=0, n_doubtful=2000)
        seconds = age.total_seconds() + 1
        assert journal.age_out(NOW, age) == Forgotten(n_deleted=200, n_doubtful=0)
        assert journal.age_out(NOW, age) == Forgotten(n_deleted=180, n_doubtful=0)
    with Journal(sqlite_url(tmp_path / "j.db"), monotonic=lambda: 5.0) as journal:
        assert journal.age_out(NOW, age).n_deleted == 162, "running time goes on over restarts"


def test_rows_of_an_older_journal_count_as_received_when_it_was_brought_up_to_date(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    write_old_journal(path, [started("a", minute=0, seq=1)], received_at=NOW, version=2)
    seconds = 0.0
    with Journal(sqlite_url(path), monotonic=lambda: seconds) as journal:
        later = NOW + timedelta(days=4000)
        assert journal.age_out(later, timedelta(days=1)) == Forgotten(n_deleted=0, n_doubtful=1)
        seconds = 90_000.0
        assert journal.age_out(later, timedelta(days=1)) == Forgotten(n_deleted=1, n_doubtful=0)


@pytest.mark.parametrize(
    "damage",
    [
        "probabilities = 'x'",
        "probabilities = X'ff00'",
        "confidence = 'much'",
        "started_ms = 'soon'",
        "started_ms = 9e18",
        "received_ms = NULL",
        "utc_offset_s = 999999999",
        "activity = CAST(X'fffe' AS TEXT), event_type = 'x'",
        "event_type = 7",
        "activity = 'b', checksum = checksum",
    ],
)
def test_a_row_that_makes_no_sense_is_left_out_and_named_once(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.db"
    events = [started("a", minute=seq, seq=seq) for seq in range(1, 6)]
    with Journal(sqlite_url(path)) as journal:
        journal.record_all(events, received_at=NOW)
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("PRAGMA writable_schema = ON")
            db.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '')")
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(f"UPDATE events SET checksum = NULL, {damage} WHERE seq = 3")  # noqa: S608 -- ours
    with Journal(sqlite_url(path)) as journal:
        for _ in range(2):
            assert [e for e in _events_of(journal) if e.seq != 3] == [*events[:2], *events[3:]]
            assert len(list(journal.arrivals())) in (4, 5)
            assert len(list(journal.memories())) == 4
    (record,) = caplog.records
    assert f"event '{events[2].id}' cannot be read" in record.getMessage()


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


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, url],
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(25)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().splitlines()]
        writer.wait()
        with Journal(url) as journal:
            held = [one.seq for one in _events_of(journal)]
            assert acknowledged[-1] in held
            assert journal.progress()["n1", "cam1"].contiguous_seq >= acknowledged[-1]
            assert not journal.progress()["n1", "cam1"].has_gap


def test_two_writers_and_a_reader_share_one_file(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    with Journal(url) as one, Journal(url) as other:
        for seq in range(1, 51):
            one.record(started("a", minute=seq, seq=seq), received_at=NOW)
            reading = one.entries()
            next(reading)
            other.record(started("a", minute=seq, seq=seq, camera="cam2"), received_at=NOW)
            reading.close()
        assert one.count() == other.count() == 100
