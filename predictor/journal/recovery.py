"""Begins a damaged journal anew from the rows that can be read of it; PostgreSQL needs none of it.

A row says by its types and its contents whose table's it is.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy

from har_stream.config.ids import is_id
from har_stream.core.activity import MAX_NAME_LENGTH
from har_stream.core.sqlite.database_file import read_text
from har_stream.core.sqlite.pages import StoredRow, Value
from har_stream.core.sqlite.running_time import MAX_RUNNING_S
from har_stream.mqtt.messages import MAX_NUMBER, MessageError, RuleState
from predictor.journal.tables import (
    CORRECTIONS,
    EVENTS,
    JOURNAL,
    METADATA,
    VERSION,
    event_of,
    from_ms,
    is_as_written,
    to_ms,
)

MAX_EPOCH = 10**6
"""No camera begins anew more often; a number beyond comes from a damaged file."""
MAX_VERSION = 99
"""Likewise for the version of the tables."""
_STAMP = "received_running_s"
_NEW: Mapping[str, float | None] = {_STAMP: 0.0, "checksum": None}
"""Columns that earlier journals do not have, and what stands for them."""
_COLUMNS = EVENTS.columns.keys()
_PLACES = ", ".join("?" * len(CORRECTIONS.columns))
_EVENT = f"events VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"


def strange_tables(path: Path) -> str | None:
    """Say what is wrong with a file that SQLite finds well; `None` for a journal or an empty file.

    Another program's database is none of our business, and so is a newer version's journal.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as db:
        db.text_factory = read_text
        columns = {
            table: {row[1] for row in db.execute(f"PRAGMA table_info ({table})")}
            for table in METADATA.tables
        }
        expected = {
            name: {*table.columns.keys()} - _NEW.keys() for name, table in METADATA.tables.items()
        }
        ours = [name for name in expected if columns[name] and columns[name] >= expected[name]]
        if not ours and not columns[JOURNAL.name]:
            return None
        if any(columns[name] and name not in ours for name in expected) or not (
            {"journal", "events", "cameras", "contexts", "rules"} <= {*ours}
        ):
            return "its tables are not as they were made"
        names = db.execute("SELECT id, version FROM journal").fetchall()
        if len(names) != 1 or not _is_journal(*names[0]):
            return "its version cannot be read"
        for _, *numbers in db.execute(
            "SELECT node, epoch, contiguous_seq, highest_seq FROM cameras"
        ):
            if not _are_numbers(*numbers):
                return "the numbers of its cameras make no sense"
    return None


def begin_anew(path: Path, rows: Iterable[StoredRow]) -> None:
    """Make a journal of what could be read of a damaged one; see `database_file.rebuild`."""
    engine = sqlalchemy.create_engine(sqlalchemy.URL.create("sqlite", database=str(path)))
    METADATA.create_all(engine)
    engine.dispose()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.text_factory = read_text
        db.execute("PRAGMA synchronous = OFF")  # it takes the other's place only once it is synced
        db.execute("PRAGMA journal_mode = OFF")
        with db:
            db.execute("BEGIN IMMEDIATE")
            for row in rows:
                keep(db, row, is_newer=not row.is_doubtful)
            db.execute(
                "INSERT INTO journal SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM journal)",
                (uuid.uuid4().hex, VERSION),
            )
            number_anew(db)


def keep(db: sqlite3.Connection, row: StoredRow, *, is_newer: bool) -> bool:
    """Insert a row that makes sense into its table, and tell whether it is a further event.

    Args:
        db: A journal of the newest version, in a transaction.
        row: A row of any of its tables.
        is_newer: It may replace what is there; else it only fills a gap.
    """
    verb = "REPLACE" if is_newer else "IGNORE"
    match row.values:
        case (str(), str(), str(), int(), int(), *_):
            return _keep_event(db, row.values, is_newer=is_newer)
        case (str(name), str(value), int(at_ms), int(offset_s), *stamp) if _is_context(
            name, value, at_ms, offset_s, stamp
        ):
            db.execute(
                "INSERT INTO contexts SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM"
                " contexts WHERE happened_ms = ?3 AND name = ?1 AND value = ?2)",
                (name, value, at_ms, offset_s, *(stamp or [0.0])),
            )
        case (str(), str(), int() as epoch, int() as contiguous, int() as highest) if _are_numbers(
            epoch, contiguous, highest
        ):
            db.execute(f"INSERT OR {verb} INTO cameras VALUES (?, ?, ?, ?, ?)", row.values)  # noqa: S608 -- the words are ours
        case (str(), str(), str(), str(), int(), int(), int(), int(), _) if _is_correction(
            row.values
        ):
            db.execute(f"INSERT OR {verb} INTO corrections VALUES ({_PLACES})", row.values)  # noqa: S608 -- the words are ours
        case (str(name), int(version)) if _is_journal(name, version):
            db.execute(
                "INSERT INTO journal SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM journal)",
                (name, VERSION),
            )
        case (str(), int(deletion), int(deleted_ms)) if 0 < deletion < MAX_EPOCH < deleted_ms:
            db.execute(f"INSERT OR {verb} INTO deleted VALUES (?, ?, ?)", row.values)  # noqa: S608 -- the words are ours
        case (str(), str(state)) if _is_rule_state(state):
            db.execute(f"INSERT OR {verb} INTO rules VALUES (?, ?)", row.values)  # noqa: S608 -- the words are ours
        case (None, int() | float() as so_far_s) if 0 <= so_far_s <= MAX_RUNNING_S:
            db.execute(f"INSERT OR {verb} INTO running VALUES (1, ?)", (so_far_s,))  # noqa: S608 -- the words are ours
    return False


def number_anew(db: sqlite3.Connection) -> None:
    """Count for every camera what is held, so that its node is asked for all that is not.

    That may have left by age, and then the node says that it has it no longer.
    """
    # A page that SQLite uses no longer may hold what was deleted.
    db.execute("DELETE FROM events WHERE id IN (SELECT id FROM deleted)")
    epochs = db.execute(
        "SELECT node, camera, MAX(epoch) FROM (SELECT node, camera, epoch FROM events"
        " UNION ALL SELECT node, camera, epoch FROM cameras) GROUP BY node, camera"
    ).fetchall()
    for node, camera, epoch in epochs:
        held = [
            seq
            for (seq,) in db.execute(
                "SELECT DISTINCT seq FROM events WHERE node = ? AND camera = ? AND epoch = ?"
                " ORDER BY seq",
                (node, camera, epoch),
            )
        ]
        contiguous = next((n for n, seq in enumerate(held) if seq != n + 1), len(held))
        db.execute(
            "REPLACE INTO cameras VALUES (?, ?, ?, ?, ?)",
            (node, camera, epoch, contiguous, held[-1] if held else 0),
        )


def _keep_event(db: sqlite3.Connection, values: tuple[Value, ...], *, is_newer: bool) -> bool:
    if not len(_COLUMNS) - len(_NEW) <= len(values) <= len(_COLUMNS):
        return False
    row: dict[str, Any] = {**_NEW, **dict(zip(_COLUMNS, values, strict=False))}
    if not _is_event(row):
        return False
    is_further = db.execute(f"INSERT OR IGNORE INTO {_EVENT}", row).rowcount > 0
    if is_newer and not is_further:
        db.execute(f"REPLACE INTO {_EVENT}", row)
    return is_further


def _is_event(row: Mapping[str, Any]) -> bool:
    try:
        if not (1 <= row["epoch"] <= MAX_EPOCH and 0 <= row[_STAMP] <= MAX_RUNNING_S):
            return False
        row = {**row, "probabilities": json.loads(row["probabilities"])}
        if row["checksum"] is not None:
            return is_as_written(row)
        event = event_of(SimpleNamespace(**row))
        from_ms(row["received_ms"], 0)
        numbers = (row["started_ms"], row["ended_ms"], row["happened_ms"], row["received_ms"])
        return all(type(number) in (int, type(None)) for number in numbers) and row[
            "happened_ms"
        ] == to_ms(event.ended_at or event.started_at)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False


def _is_context(name: str, value: str, at_ms: int, offset_s: int, stamp: list[Value]) -> bool:
    try:
        from_ms(at_ms, offset_s)
        read = json.loads(value)
    except (ValueError, OverflowError, RecursionError):
        return False
    return (
        is_id(name)
        and isinstance(read, int | float | str)
        and at_ms > MAX_EPOCH  # or it would be a camera's number
        and len(stamp) <= 1
        and all(isinstance(s, int | float) and 0 <= s <= MAX_RUNNING_S for s in stamp)
    )


def _is_correction(values: tuple[Value, ...]) -> bool:
    *names, started_ms, ended_ms, zone_s, corrected_ms, undone_ms = values
    try:
        for at_ms in (started_ms, ended_ms, corrected_ms, undone_ms or 0):
            from_ms(at_ms, zone_s)  # type: ignore[arg-type]  # a TypeError says so
    except (TypeError, ValueError, OverflowError):
        return False
    return all(isinstance(name, str) and 0 < len(name) <= MAX_NAME_LENGTH for name in names)


def _is_rule_state(text: str) -> bool:
    try:
        RuleState.decode(text)
    except MessageError:
        return False
    return True


def _is_journal(name: object, version: object) -> bool:
    return (
        isinstance(name, str)
        and 0 < len(name) <= 64
        and name.isalnum()
        and isinstance(version, int)
        and 1 <= version <= MAX_VERSION
    )


def _are_numbers(epoch: object, contiguous: object, highest: object) -> bool:
    match epoch, contiguous, highest:
        case int(epoch), int(contiguous), int(highest):
            return 1 <= epoch <= MAX_EPOCH and 0 <= contiguous <= highest <= MAX_NUMBER
    return False
