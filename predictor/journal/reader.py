"""A journal that is only read: spans of it, while `har-forecast` writes it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from har_stream.core.sqlite.database_file import read_text
from har_stream.mqtt.messages import MAX_NUMBER
from predictor.journal.corrections import correct_bouts, read_corrections
from predictor.journal.database import make_engine
from predictor.journal.records import Bout, CameraKey, Correction
from predictor.journal.tables import CAMERAS, EVENTS, JOURNAL, VERSION, from_ms, to_ms

BUSY_S = 2.0
"""How long a reader waits for a writer, in seconds."""
LONGEST = timedelta(days=1)
"""What goes on for longer without a change is not looked for before a span of time."""
READ_ONLY = {"postgresql": {"postgresql_readonly": True}}
"""By database, the options by which it lets nothing be written."""
MILLISECOND = timedelta(milliseconds=1)

_OF_BOUTS = (
    *("node", "camera", "seq", "event_type", "activity", "room", "confidence"),
    *("utc_offset_s", "started_ms"),
)
"""Columns of events that say when what went on; the others need not be read."""


class NoJournalError(InputError):
    """The file is not there: nothing has been remembered yet."""


class Span(NamedTuple):
    """What a journal holds of a span of time.

    Attributes:
        said: What the recogniser said, by the start of each stretch.
        bouts: The same, corrected.
        corrections: What was corrected, the last said last.
    """

    said: list[Bout]
    bouts: list[Bout]
    corrections: list[Correction]


class JournalReader:
    """Reads a journal and never writes it; safe to use from several threads.

    Args:
        url: As of `Journal`.

    Raises:
        InputError: The URL is none of SQLite or PostgreSQL.
    """

    def __init__(self, url: str) -> None:
        self._named = redact(url)
        self._engine = _engine_of(url)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def span(self, since: datetime | None, until: datetime | None) -> Span:
        """Read what overlaps a span of time, each end of which may be open.

        Raises:
            InputError: The journal is not there, of another version, or cannot be read.
        """
        with self._reading() as connection:
            said = list(read_bouts(connection, since=since, until=until))
            corrections = read_corrections(connection, since=since, until=until)
        return Span(said, correct_bouts(said, corrections), corrections)

    def cameras(self) -> list[CameraKey]:
        """Every camera that ever had an event.

        Raises:
            InputError: As of `span`.
        """
        columns = CAMERAS.c
        query = select(columns.node, columns.camera).order_by(columns.node, columns.camera)
        with self._reading() as connection:
            return [(row.node, row.camera) for row in connection.execute(query)]

    def activities(self, since: datetime) -> list[str]:
        """Every activity that was seen, or said, from an instant on.

        Raises:
            InputError: As of `span`.
        """
        columns = EVENTS.c
        query = select(columns.activity).where(columns.happened_ms >= to_ms(since)).distinct()
        with self._reading() as connection:
            seen = set(connection.execute(query).scalars())
            said = {each.activity for each in read_corrections(connection, since=since)}
        return sorted(seen | said)

    def state_of(self, since: datetime, until: datetime) -> tuple[object, ...]:
        """Return what changes whenever `span` would read something else of a span of time.

        It takes a thousandth of the time.

        Raises:
            InputError: As of `span`.
        """
        at_ms = EVENTS.c.happened_ms
        earliest_ms = to_ms(since) - LONGEST // MILLISECOND
        counted = select(func.count()).where(at_ms >= earliest_ms, at_ms <= to_ms(until))
        with self._reading() as connection:
            n_events = connection.execute(counted).scalar_one()
            corrections = read_corrections(connection, since=since, until=until)
        return n_events, *(each.id for each in corrections)

    def first_at(self) -> datetime | None:
        """When the oldest event happened; ``None`` where there is none.

        Raises:
            InputError: As of `span`.
        """
        with self._reading() as connection:
            oldest = connection.execute(select(func.min(EVENTS.c.happened_ms))).scalar()
        return None if oldest is None else from_ms(oldest, 0)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                version = connection.execute(select(JOURNAL.c.version)).scalar()
                if version != VERSION:
                    is_newer = version is not None and version > VERSION
                    remedy = "update har-stream" if is_newer else "start har-forecast once"
                    raise InputError(
                        f"journal {self._named} has version {version}, not {VERSION}: {remedy}"
                    )
                yield connection
        except DBAPIError as error:
            raise InputError(f"journal {self._named}: {error.orig}") from error


def read_bouts(
    connection: Connection, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Bout]:
    """Yield every stretch of an activity as it was seen, ordered by its start.

    It ends where its camera's next change happens.

    Args:
        connection: Of a journal.
        since: What ended before is left out; what began more than `LONGEST` before it, too.
        until: What is dated later is left out.
    """
    columns = EVENTS.c
    earliest_ms = 0 if since is None else to_ms(since)
    next_change = func.lead(columns.happened_ms).over(
        partition_by=(columns.node, columns.camera),
        order_by=(columns.happened_ms, columns.epoch, columns.seq),
    )
    change = (
        select(*(columns[name] for name in _OF_BOUTS), next_change.label("next_ms"))
        .where(columns.happened_ms >= earliest_ms - LONGEST // MILLISECOND)
        .where(columns.happened_ms <= (MAX_NUMBER if until is None else to_ms(until)))
        .subquery()
        .c
    )
    query = (
        select(
            change.node,
            change.camera,
            change.activity,
            change.room,
            change.confidence,
            change.utc_offset_s,
            change.started_ms,
            change.next_ms,
        )
        .where(change.event_type != "activity_ended")
        .where(func.coalesce(change.next_ms, MAX_NUMBER) > earliest_ms)
        .order_by(change.started_ms, change.node, change.camera, change.seq)
    )
    for row in connection.execute(query.execution_options(yield_per=1000)):
        ended_ms = row.next_ms
        yield Bout(
            activity=row.activity,
            room=row.room,
            started_at=from_ms(row.started_ms, row.utc_offset_s),
            ended_at=None if ended_ms is None else from_ms(ended_ms, row.utc_offset_s),
            camera=(row.node, row.camera),
            confidence=row.confidence,
        )


def _engine_of(url: str) -> Engine:
    def connect() -> sqlite3.Connection:
        """A file that is not there is not made; one open for a moment never looks as if in use."""
        path = Path(engine.url.database or "").absolute()
        if not path.exists():
            raise NoJournalError(f"{path}: there is no journal yet; har-forecast begins one")
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_S, check_same_thread=False
        )
        connection.text_factory = read_text
        return connection

    engine = make_engine(url, sqlite={"creator": connect, "poolclass": NullPool})
    return engine.execution_options(**READ_ONLY.get(engine.dialect.name, {}))
