"""The journal's tables, the rows of events, and how an older journal is brought up to date.

Instants are whole milliseconds since 1970 UTC, with the offset of the zone that they were said in
beside them.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from zlib import crc32

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite

from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent

VERSION = 8
"""Of the tables below."""
_STEPS: Mapping[int, tuple[str, ...]] = {
    3: ("DROP VIEW IF EXISTS sessions", "DROP VIEW IF EXISTS bouts"),  # views of version 2
    4: tuple(
        f"ALTER TABLE {table} ADD COLUMN received_running_s DOUBLE PRECISION NOT NULL DEFAULT 0"
        for table in ("events", "contexts")
    ),
    5: ("ALTER TABLE events ADD COLUMN checksum BIGINT",),
}
"""What else than new tables brings a journal to a version; never edited once released."""
_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Json(TypeDecorator[Any]):
    """A value as JSON text, the same in every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: object) -> str:
        """Write it."""
        return json.dumps(value)

    def process_result_value(self, value: Any, _dialect: object) -> Any:
        """Read it; `None` where it is damaged, which no row may hold."""
        try:
            return json.loads(value)
        except (TypeError, ValueError):
            return None


METADATA = MetaData()
JOURNAL = Table(
    "journal",
    METADATA,
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
)
EVENTS = Table(
    "events",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("camera", Text, nullable=False),
    Column("epoch", Integer, nullable=False),  # how often the camera began to count anew
    Column("seq", BigInteger, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("activity", Text, nullable=False),
    Column("previous", Text),
    Column("room", Text),
    Column("confidence", Double, nullable=False),
    Column("probabilities", Json, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("happened_ms", BigInteger, nullable=False),  # its end if it reports one, or its start
    Column("utc_offset_s", Integer, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("received_running_s", Double, nullable=False, server_default="0"),
    Column("checksum", BigInteger),  # of what never changes; journals before version 5 had none
    Index("events_by_seq", "node", "camera", "epoch", "seq"),
    Index("events_by_time", "happened_ms"),
)
CAMERAS = Table(
    "cameras",
    METADATA,
    Column("node", Text, primary_key=True),
    Column("camera", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("contiguous_seq", BigInteger, nullable=False),
    Column("highest_seq", BigInteger, nullable=False),
)
LOTS = Table(
    "lots",
    METADATA,
    Column("node", Text, primary_key=True),  # a fleet's lot
    Column("epoch", BigInteger, nullable=False),  # of its newest owner that was heard
)
CONTEXTS = Table(
    "contexts",
    METADATA,
    Column("name", Text, nullable=False),
    Column("value", Json, nullable=False),
    Column("happened_ms", BigInteger, nullable=False),
    Column("utc_offset_s", Integer, nullable=False),
    Column("received_running_s", Double, nullable=False, server_default="0"),
    Index("contexts_by_time", "happened_ms"),
)
CORRECTIONS = Table(
    "corrections",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("camera", Text, nullable=False),
    Column("activity", Text, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    Column("utc_offset_s", Integer, nullable=False),
    Column("corrected_ms", BigInteger, nullable=False),
    Column("undone_ms", BigInteger),
)
RULES = Table(
    "rules",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
)
RUNNING = Table(
    "running",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("so_far_s", Double, nullable=False),  # see `RunningTime`
)
DELETED = Table(
    "deleted",
    METADATA,
    Column("id", Text, primary_key=True),  # of an event; nothing else is left of it
    Column("deletion", BigInteger, nullable=False, index=True),
    Column("deleted_ms", BigInteger, nullable=False),
)
_AS_ON_THE_WIRE = [name for name in EVENTS.columns.keys() if name in ActivityEvent.model_fields]  # noqa: SIM118 -- columns iterate as columns
_CHECKED = [
    *_AS_ON_THE_WIRE,
    *("started_ms", "ended_ms", "happened_ms", "utc_offset_s", "received_ms"),
]


def migrate(connection: Connection) -> str:
    """Bring a journal, empty or of an earlier version, to the newest; returns its id.

    Raises:
        InputError: A newer version of this program has made it.
    """
    if not inspect(connection).has_table(JOURNAL.name):
        METADATA.create_all(connection)
        name = uuid.uuid4().hex
        connection.execute(insert(JOURNAL).values(id=name, version=VERSION))
        return name
    name, version = connection.execute(select(JOURNAL)).one()
    if version > VERSION:
        raise InputError(
            f"the journal has version {version}, this har-stream knows up to {VERSION}; "
            "update har-stream or give another --journal"
        )
    METADATA.create_all(connection)  # only those that are absent
    for step in range(version + 1, VERSION + 1):
        for statement in _STEPS.get(step, ()):
            connection.execute(text(statement))
    if version < VERSION:
        connection.execute(update(JOURNAL).values(version=VERSION))
    return str(name)


def insert_or(connection: Connection, table: Table) -> Any:
    """An insert that can say what is to happen with a row that is there already."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # 2 MB that a SQLite file does without

        return postgresql.insert(table)
    return sqlite.insert(table)


def upsert(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert a row, or change the one that has the same primary key."""
    statement = insert_or(connection, table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in values if name not in keys}
    statement = statement.on_conflict_do_update(set_=changed, **key_of(connection, table))
    connection.execute(statement, values)


def key_of(connection: Connection, table: Table) -> dict[str, Any]:
    """Name the primary key, as SQLAlchemy's `on_conflict_do_update` takes it.

    A fleet's tables have the home in their keys, beside what ours name.
    """
    if connection.dialect.name == "postgresql":
        return {"constraint": f"{table.name}_pkey"}
    return {"index_elements": list(table.primary_key)}


def noted(
    table: Table, since: datetime | None, received_after_s: float
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on what happened from an instant on and was received after another.

    Args:
        table: `EVENTS` or `CONTEXTS`.
        since: When it happened, at the earliest.
        received_after_s: By the journal's running time; negative: whenever.
    """
    yield table.c.happened_ms >= (to_ms(since) if since else 0)
    if received_after_s >= 0.0:
        yield table.c.received_running_s > received_after_s


def row_of(
    event: ActivityEvent, *, epoch: int, received_at: datetime, running_s: float
) -> dict[str, Any]:
    """Return the columns of an event; ``epoch`` counts how often its camera began anew."""
    row = {name: getattr(event, name) for name in _AS_ON_THE_WIRE} | {
        "epoch": epoch,
        "started_ms": to_ms(event.started_at),
        "ended_ms": event.ended_at and to_ms(event.ended_at),
        "happened_ms": to_ms(event.ended_at or event.started_at),
        "utc_offset_s": offset_s(event.started_at),
        "received_ms": to_ms(received_at),
        "received_running_s": running_s,
    }
    return row | {"checksum": _checksum_of(row)}


def ended_at_row(row: Mapping[str, Any], begun: Mapping[str, Any], at_ms: int) -> dict[str, Any]:
    """Return the columns of an event that now ends what began before it, at an earlier instant.

    Args:
        row: All columns of the event.
        begun: Those of the event that began the activity.
        at_ms: When it ends.
    """
    kept = ("activity", "room", "confidence", "probabilities", "started_ms", "utc_offset_s")
    changed = {name: begun[name] for name in kept}
    ended = {"event_type": "activity_ended", "ended_ms": at_ms, "happened_ms": at_ms}
    row = {**row, **changed, **ended, "previous": None}
    return row | {"checksum": _checksum_of(row)}


def event_of(row: Any) -> ActivityEvent:
    """Return the event that a row of ``events`` keeps; its columns are attributes.

    Raises:
        TypeError, ValueError, OverflowError: It makes no sense, or was changed.
    """
    if row.checksum is not None and not is_as_written(row._mapping):
        raise ValueError("it was changed, its checksum is another")
    return ActivityEvent(
        **{name: getattr(row, name) for name in _AS_ON_THE_WIRE},
        started_at=from_ms(row.started_ms, row.utc_offset_s),
        ended_at=None if row.ended_ms is None else from_ms(row.ended_ms, row.utc_offset_s),
    )


def is_as_written(row: Mapping[str, Any]) -> bool:
    """Tell by its checksum whether a row of ``events`` is as it was inserted; old ones have none.

    Raises:
        TypeError, ValueError: It makes no sense.
    """
    return row["checksum"] is not None and _checksum_of(row) == row["checksum"]


def _checksum_of(row: Mapping[str, Any]) -> int:
    # A page of SQLite may hold a whole number as an integer.
    values = [float(row[name]) if name == "confidence" else row[name] for name in _CHECKED]
    return crc32(json.dumps(values).encode())


def offset_s(instant: datetime) -> int:
    """Return the seconds that an instant's zone is ahead of UTC."""
    return int((instant.utcoffset() or timedelta(0)).total_seconds())


def to_ms(instant: datetime) -> int:
    """Return whole milliseconds since 1970 UTC."""
    return (instant - _1970) // _MS


def from_ms(milliseconds: int, utc_offset_s: int) -> datetime:
    """Return the instant again, with the offset from UTC that it was said in."""
    return _1970_at(utc_offset_s) + timedelta(milliseconds=milliseconds)


@lru_cache
def _1970_at(utc_offset_s: int) -> datetime:
    return _1970.astimezone(timezone(timedelta(seconds=utc_offset_s)))
