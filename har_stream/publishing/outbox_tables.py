"""The outbox's tables: made in numbered steps, judged row by row, filled from a damaged file.

A step is never edited once released; a change is a further step.
"""

import math
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from zlib import crc32

from har_stream.core.errors import InputError
from har_stream.core.sqlite.database_file import read_text
from har_stream.core.sqlite.pages import StoredRow, Value
from har_stream.mqtt.messages import ActivityEvent, MessageError

MAX_SEQ = 2**53
"""The largest whole number that every reader of JSON reads exactly."""
_MAX_LAST_SEQ = MAX_SEQ - 2**32
"""Leaves numbers for longer than a camera lasts."""
STEPS: tuple[tuple[str, ...], ...] = (
    (  # as it was before files had a version
        """CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    camera TEXT NOT NULL,
    seq INTEGER NOT NULL,
    event TEXT NOT NULL,
    stored_at REAL NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0,
    acknowledged INTEGER NOT NULL DEFAULT 0,
    UNIQUE (camera, seq)
)""",
        "CREATE INDEX unsent ON events (position) WHERE NOT sent",
        "CREATE INDEX leaving ON events (acknowledged, position)",
        "CREATE TABLE cameras (camera TEXT PRIMARY KEY, last_seq INTEGER NOT NULL)",
    ),
    (
        "ALTER TABLE events ADD COLUMN running_s REAL NOT NULL DEFAULT 0",
        """CREATE TABLE set_aside (
    number INTEGER PRIMARY KEY,
    camera,
    seq,
    event,
    why TEXT NOT NULL,
    set_aside_at REAL NOT NULL
)""",
        "CREATE TABLE running (number INTEGER PRIMARY KEY, so_far_s REAL NOT NULL)",
        "DROP TABLE IF EXISTS journalled",
    ),
    ("ALTER TABLE events ADD COLUMN checksum INTEGER",),  # events before it have none
)
MAX_VERSIONS = 99
"""A higher version comes from a damaged file, not from a newer program."""


def migrate(db: sqlite3.Connection) -> None:
    """Bring an outbox, empty or of an earlier version, to the newest; in a transaction.

    Raises:
        InputError: A newer version of this program has made it.
        sqlite3.Error: It cannot be written.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(STEPS):
        raise InputError(
            f"the outbox has version {version}, this har-stream knows up to {len(STEPS)}; "
            "update har-stream, or give another --state-dir"
        )
    if version == 0 and db.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone():
        version = 1
    for step in STEPS[version:]:
        for statement in step:
            db.execute(statement)
    if version < len(STEPS):
        db.execute(f"PRAGMA user_version = {len(STEPS)}")


@cache
def schema_of(version: int) -> frozenset[str] | None:
    """Return the SQL that a file of some version holds; `None` where there is no such version."""
    if not 0 <= version <= MAX_VERSIONS:
        return None
    if version > len(STEPS):
        return frozenset()
    with closing(sqlite3.connect(":memory:")) as db:
        for step in STEPS[: max(version, 1)]:
            for statement in step:
                db.execute(statement)
        return frozenset(sql for (sql,) in db.execute("SELECT sql FROM sqlite_master") if sql)


def checksum_of(event: str | bytes) -> int:
    """Return the checksum that a row keeps of its event's text."""
    return crc32(event.encode() if isinstance(event, str) else event)


def read_event(camera: Value, seq: Value, event: Value, checksum: Value = None) -> ActivityEvent:
    """Read a row's event.

    Raises:
        MessageError: It cannot be read, was changed, or its row says otherwise.
    """
    if not isinstance(event, str | bytes):
        raise MessageError("ActivityEvent: no text")
    if checksum not in (None, checksum_of(event)):
        raise MessageError("ActivityEvent: it was changed, its checksum is another")
    read = ActivityEvent.decode(event)
    if (read.camera, read.seq) != (camera, seq) or read.seq > MAX_SEQ:
        raise MessageError(f"ActivityEvent: it says {read.camera} {read.seq}")
    return read


def set_aside(db: sqlite3.Connection, *, camera: Value, seq: Value, event: Value, why: str) -> None:
    """Keep what cannot be sent, with the reason; once."""
    db.execute(
        "INSERT INTO set_aside (camera, seq, event, why, set_aside_at) SELECT ?1, ?2, ?3, ?4, ?5"
        " WHERE NOT EXISTS (SELECT 1 FROM set_aside WHERE camera IS ?1 AND seq IS ?2"
        " AND event IS ?3)",
        (camera, seq, event, why, time.time()),
    )


def begin_anew(path: Path, rows: Iterable[StoredRow]) -> None:
    """Make an outbox of what could be read of a damaged one; see `database_file.rebuild`."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.text_factory = read_text
        db.execute("PRAGMA synchronous = OFF")  # it takes the other's place only once it is synced
        db.execute("PRAGMA journal_mode = OFF")
        with db:
            db.execute("BEGIN IMMEDIATE")
            migrate(db)
            for row in rows:
                _take(db, row)
            mend_last_seqs(db)


def events_in(rows: Iterable[StoredRow]) -> Iterator[tuple[StoredRow, ActivityEvent]]:
    """Yield the rows that are events, and the event of each."""
    for row in rows:
        match row.values:
            case (None, str(camera), int(seq), str(event), *_) if _is_event(row):
                try:
                    yield row, read_event(camera, seq, event, *row.values[8:])
                except MessageError:
                    continue


def keep_event(db: sqlite3.Connection, row: StoredRow, event: ActivityEvent) -> bool:
    """Insert a row of events that is not there, and tell whether it was not.

    Where it is there, what was sent or acknowledged stays so. Where another event has its number,
    it is set aside.
    """
    # An earlier version's row ends sooner.
    values = (*row.values, *(0, None)[len(row.values) - 7 :])
    _, camera, seq, text, _, sent, acknowledged, *_ = values
    known = db.execute(
        "SELECT position, CAST(event AS BLOB) FROM events WHERE camera = ? AND seq = ?",
        (camera, seq),
    ).fetchone()
    if known is None:
        db.execute(
            "INSERT INTO events (position, camera, seq, event, stored_at, sent, acknowledged,"
            " running_s, checksum) SELECT CASE WHEN ?1 BETWEEN 1 AND ?2 AND NOT EXISTS"
            " (SELECT 1 FROM events WHERE position = ?1) THEN ?1 END, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
            " ?10",
            (row.rowid, MAX_SEQ, *values[1:]),
        )
        return True
    position, held = known
    if f'"{event.id}"'.encode() in held:
        db.execute(
            "UPDATE events SET sent = MAX(sent, ?2), acknowledged = MAX(acknowledged, ?3)"
            " WHERE position = ?1 AND (sent < ?2 OR acknowledged < ?3)",  # a full disk takes none
            (position, sent, acknowledged),
        )
    else:
        set_aside(db, camera=camera, seq=seq, event=text, why="another event has its number")
    return False


def _take(db: sqlite3.Connection, row: StoredRow) -> None:
    """Insert a row that was read from a damaged file, whichever table's it is."""
    match row.values:
        case (None, camera, seq, event, *_) if _is_event(row):
            try:
                keep_event(db, row, read_event(camera, seq, event, *row.values[8:]))
            except MessageError as error:
                set_aside(db, camera=camera, seq=seq, event=event, why=str(error))
        case (None, camera, seq, event, str(why), int() | float()):
            set_aside(db, camera=camera, seq=seq, event=event, why=why)
        case (str(camera), int(last_seq)):
            db.execute(
                "INSERT INTO cameras VALUES (?1, ?2) ON CONFLICT (camera)"
                " DO UPDATE SET last_seq = MAX(last_seq, ?2)",
                (camera, last_seq),
            )
        case (None, int() | float() as so_far_s) if math.isfinite(so_far_s):
            db.execute("INSERT OR REPLACE INTO running VALUES (1, ?)", (so_far_s,))


def _is_event(row: StoredRow) -> bool:
    """Tell by the types; a number that is none would be NULL in a database."""
    return (
        len(row.values) in (7, 8, 9)
        and all(isinstance(checksum, int | None) for checksum in row.values[8:])
        and all(flag in (0, 1) for flag in row.values[5:7])
        and all(isinstance(at, int | float) and math.isfinite(at) for at in row.values[4::3])
    )


def mend_last_seqs(db: sqlite3.Connection) -> None:
    """Let no camera's last number be one that cannot be counted on, or below that of an event."""
    db.execute(
        "DELETE FROM cameras WHERE typeof(camera) <> 'text' OR typeof(last_seq) <> 'integer'"
        " OR last_seq NOT BETWEEN 0 AND ?",
        (_MAX_LAST_SEQ,),
    )
    db.execute(
        "INSERT INTO cameras SELECT camera, MAX(seq) FROM events WHERE typeof(camera) = 'text'"
        " AND typeof(seq) = 'integer' AND seq BETWEEN 1 AND ? GROUP BY camera"
        " ON CONFLICT (camera) DO UPDATE SET last_seq = MAX(last_seq, excluded.last_seq)"
        " WHERE excluded.last_seq > last_seq",
        (_MAX_LAST_SEQ,),
    )
