"""An outbox of an earlier program is taken over as it is, and two events never share a number."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.event_builder import COOKING, event

from har_stream.core.sqlite.pages import StoredRow
from har_stream.publishing import outbox_tables as tables
from har_stream.publishing.outbox import MAX_AGE_S, Outbox

UNVERSIONED = """
CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY,
    camera TEXT NOT NULL,
    seq INTEGER NOT NULL,
    event TEXT NOT NULL,
    stored_at REAL NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0,
    acknowledged INTEGER NOT NULL DEFAULT 0,
    UNIQUE (camera, seq)
);
CREATE INDEX IF NOT EXISTS unsent ON events (position) WHERE NOT sent;
CREATE INDEX IF NOT EXISTS leaving ON events (acknowledged, position);
CREATE TABLE IF NOT EXISTS cameras (camera TEXT PRIMARY KEY, last_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS journalled (camera TEXT PRIMARY KEY);
"""
"""Word for word what har-stream made before outboxes had a version."""


def _write_unversioned(path: Path, *, n_events: int = 9) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(UNVERSIONED)
        for seq in range(1, n_events + 1):
            db.execute(
                "INSERT INTO events (camera, seq, event, stored_at, sent, acknowledged)"
                " VALUES ('cam1', ?, ?, 1000.0, ?, ?)",
                (seq, event(seq=seq).encode().decode(), seq <= 6, seq <= 3),
            )
        db.execute("INSERT INTO cameras VALUES ('cam1', ?)", (n_events,))
        db.execute("INSERT INTO journalled VALUES ('cam1')")


def test_an_outbox_without_a_version_is_taken_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox.db"
    _write_unversioned(path)
    outbox = Outbox(path)
    assert [p.event.seq for p in outbox.pending()] == [7, 8, 9]
    assert [e.seq for e in outbox.replay("cam1", 1).events] == list(range(1, 10))
    assert outbox.last_seqs() == {"cam1": 9}
    appended = outbox.append(COOKING, node="n1", camera="cam1", room=None)
    assert appended is not None
    assert appended.seq == 10
    outbox.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(tables.STEPS),)
    Outbox(path).close()
    assert not caplog.records


def test_what_an_earlier_program_kept_counts_as_stored_when_it_was_taken_over(
    tmp_path: Path,
) -> None:
    path = tmp_path / "outbox.db"
    _write_unversioned(path)
    uptime_s = 50.0
    outbox = Outbox(path, monotonic=lambda: uptime_s)
    assert outbox.age_out() == 0, "though the wall says that it is decades old"
    uptime_s += MAX_AGE_S - 1
    assert outbox.age_out() == 0
    uptime_s += 2
    assert outbox.age_out() == 3


def test_a_damaged_outbox_without_a_version_is_recovered(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    _write_unversioned(path)
    content = path.read_bytes()
    path.write_bytes(b"\0" * 4096 + content[4096:])
    outbox = Outbox(path)
    assert [p.event.seq for p in outbox.pending()] == [7, 8, 9]
    assert outbox.last_seqs() == {"cam1": 9}


def test_an_earlier_program_can_still_use_it(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    Outbox(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(UNVERSIONED)
        db.execute(
            "INSERT INTO events (camera, seq, event, stored_at) VALUES ('cam1', 1, ?, 1000.0)",
            (event(seq=1).encode().decode(),),
        )
        db.execute("INSERT INTO cameras VALUES ('cam1', 1)")
        db.commit()
    assert [p.event.seq for p in Outbox(path).pending()] == [1]


def test_of_two_events_with_one_number_the_later_is_set_aside(tmp_path: Path) -> None:
    first, second = event(seq=4), event(seq=4)
    rows = [
        StoredRow(position, (None, "cam1", 4, each.encode().decode(), 1000, 0, 0, 0))
        for position, each in ((1, first), (2, second), (1, first))
    ]
    tables.begin_anew(tmp_path / "outbox.db", rows)
    outbox = Outbox(tmp_path / "outbox.db")
    assert outbox.replay("cam1", 1).events == [first]
    outbox.close()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        ((text, why),) = db.execute("SELECT event, why FROM set_aside")
    assert text == second.encode().decode()
    assert why == "another event has its number"


def test_of_two_versions_of_an_event_what_was_done_with_it_stays_done(tmp_path: Path) -> None:
    kept = event(seq=1)
    rows = [
        StoredRow(7, (None, "cam1", 1, kept.encode().decode(), 1000.0, sent, acknowledged, 5.0))
        for sent, acknowledged in ((1, 0), (1, 1), (0, 0))
    ]
    tables.begin_anew(tmp_path / "outbox.db", rows)
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        assert db.execute("SELECT position, sent, acknowledged FROM events").fetchall() == [
            (7, 1, 1)
        ]


@pytest.mark.parametrize(
    "values",
    [
        (None, "cam1", 1, "{}", 1000.0, 2, 0),
        (None, "cam1", 1, "{}", float("nan"), 0, 0),
        (None, "cam1", 1, "{}", 1000.0, 0, 0, float("inf")),
        (None, "cam1", 1),
        (None, float("nan")),
        ("cam1", "many"),
        ("table", "events", "events", 2, "CREATE TABLE"),
        (),
    ],
)
def test_what_no_table_of_ours_can_hold_is_left_out(tmp_path: Path, values: tuple) -> None:
    tables.begin_anew(tmp_path / "outbox.db", [StoredRow(1, values)])
    outbox = Outbox(tmp_path / "outbox.db")
    assert (outbox.pending(), outbox.last_seqs()) == ([], {})


def test_the_steps_are_released_and_stay_as_they_are() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(UNVERSIONED.replace("CREATE TABLE IF NOT EXISTS journalled", "--"))
        made = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master") if sql}
    assert tables.schema_of(0) == tables.schema_of(1) == made
    assert tables.schema_of(len(tables.STEPS) + 1) == frozenset()
    assert tables.schema_of(-5) is tables.schema_of(10**6) is None
