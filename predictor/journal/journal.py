"""The durable activity journal: every event once, by its id, in SQLite or PostgreSQL.

What `record` returned from is on disk: SQLite runs in WAL mode with a sync at every commit.
"""

import heapq
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from threading import Lock
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Row, Select, func, insert, select
from sqlalchemy.exc import DBAPIError, OperationalError

from har_stream.core.log_once import LogOnce
from har_stream.core.sqlite.file_in_use import FileInUse
from har_stream.core.sqlite.running_time import RunningTime
from har_stream.mqtt.messages import ActivityEvent, MessageError, RuleState
from predictor.journal.corrections import Corrections, correct_bouts, read_corrections
from predictor.journal.database import Database, ReadConnections, connect, driver_connection
from predictor.journal.deletion import (
    Selection,
    age_out,
    count_events,
    delete_events,
    last_deletion,
)
from predictor.journal.reader import read_bouts
from predictor.journal.records import (
    Bout,
    ContextValue,
    Forgotten,
    JournalEntry,
    Progress,
    ReceivedEvent,
)
from predictor.journal.sequence import Recorder, progress_of
from predictor.journal.tables import (
    CAMERAS,
    CONTEXTS,
    EVENTS,
    RULES,
    RUNNING,
    event_of,
    from_ms,
    noted,
    offset_s,
    to_ms,
    upsert,
)

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class Journal:
    """The journal of one home; safe to use from several threads.

    Args:
        database: SQLAlchemy URL, for example ``sqlite:////var/lib/har/journal.db`` or
            ``postgresql+psycopg://user@host/har``; or one that is open.
        monotonic: Seconds that nobody can set, for the age of what it holds.

    Attributes:
        corrections: What people said that really happened.
        reading: Where connections that only read come from.

    Raises:
        InputError: The URL is no URL, its driver is absent, or the database does not answer.
    """

    def __init__(
        self, database: str | Database, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        opened = connect(database) if isinstance(database, str) else database
        self._engine, self.id, running_s, self._file = opened
        self._writing = Lock()
        self.reading = ReadConnections(self._engine)
        self.corrections = Corrections(self._write, self.reading)
        self._once = LogOnce()
        self._n_left_out = 0
        self._running = RunningTime(running_s, monotonic=monotonic)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        with suppress(DBAPIError):  # it may be gone; rows then seem younger than they are
            self._keep_running_s()
        self._engine.dispose()
        if self._file:
            self._file.close()

    @property
    def is_damaged(self) -> bool:
        """Its file was found damaged while in use; `close` begins it anew."""
        return self._file is not None and self._file.is_damaged

    def look_for_damage(self) -> None:
        """Have a SQLite file looked at while it is in use: 0.1 s for 100,000 events."""
        if self._file:
            self._file.look()

    def when_damaged(self, act: Callable[[], None]) -> None:
        """Have something done, in any thread, once its file is found damaged."""
        if self._file:
            self._file.when_damaged(act)

    def record(self, event: ActivityEvent, *, received_at: datetime) -> Progress:
        """Keep an event, once; when this returns it is on disk.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused; nothing was kept.
        """
        return self.record_together([JournalEntry(event, received_at)])[0]

    def record_together(self, entries: Sequence[JournalEntry]) -> list[Progress]:
        """Keep events in one commit, as `record` does; returns how far their cameras are known."""

        def record(connection: Connection) -> list[Progress]:
            recorder = Recorder(connection, running_s=self._running.now_s())
            progress = recorder.record(entries)
            recorder.finish()
            refused.extend(recorder.refused)
            return progress

        refused: list[tuple[ActivityEvent, int]] = []
        recorded = self._write(record)
        for event, newest in refused:
            self._once.warn(
                (event.node, event.lot_epoch),
                f"lot {event.node}: a former owner (epoch {event.lot_epoch}, the newest is"
                f" {newest}) still speaks; its event {event.seq} of camera {event.camera} is"
                " refused, further ones silently; the newest owner is asked for what is missing",
            )
        return recorded

    def record_all(self, events: Iterable[ActivityEvent], *, received_at: datetime) -> int:
        """Keep many events in one transaction; returns how many were new.

        What was deleted comes back with them: somebody wants it.
        """
        entries = (JournalEntry(event, received_at) for event in events)
        n_new = 0
        with self._engine.begin() as connection:
            recorder = Recorder(connection, running_s=self._running.now_s())
            while some := list(islice(entries, 500)):
                recorder.take_back([entry.event.id for entry in some])
                n_new += sum(each.is_new for each in recorder.record(some))
            recorder.finish()
        return n_new

    def progress(self) -> dict[tuple[str, str], Progress]:
        """How far each (node, camera) is known without a gap."""
        with self.reading.connect() as connection:
            rows = connection.execute(select(CAMERAS).order_by(CAMERAS.c.node, CAMERAS.c.camera))
            return {(row.node, row.camera): progress_of(row) for row in rows}

    def give_up_before(self, node: str, camera: str, first_seq: int) -> Progress:
        """Stop waiting for events before ``first_seq``, as far as later ones are held.

        A node that no longer holds them says so in its answer to ``replay``.
        """

        def give_up(connection: Connection) -> Progress:
            recorder = Recorder(connection, running_s=self._running.now_s())
            progress = recorder.give_up_before((node, camera), first_seq)
            recorder.finish()
            return progress

        return self._write(give_up)

    def running_s(self) -> float:
        """The journal's running time; what it keeps from now on was received later than that."""
        return self._running.now_s()

    def entries(
        self, *, since: datetime | None = None, received_after_s: float = -1.0
    ) -> Iterator[JournalEntry]:
        """Every event from an instant on, in the order in which they happened.

        Args:
            since: When it happened, at the earliest.
            received_after_s: Only what was received after that by the journal's running time.
        """
        query = (
            select(EVENTS)
            .where(*noted(EVENTS, since, received_after_s))
            .order_by(*EVENTS.c["happened_ms", "node", "camera", "epoch", "seq"])
        )
        for row in self._rows(query, are_few=received_after_s >= 0.0):
            try:
                entry = JournalEntry(event_of(row), from_ms(row.received_ms, 0))
            except (TypeError, ValueError, OverflowError) as error:
                self._leave_out("event", row.id, error)
            else:
                yield entry

    def arrivals(
        self, *, since: datetime | None = None, received_after_s: float = -1.0
    ) -> Iterator[ReceivedEvent]:
        """What happened from an instant on, in the order in which it arrived; see `entries`."""
        columns = EVENTS.c
        query = (
            select(*columns["id", "node", "camera", "seq", "happened_ms", "received_ms"])
            .where(*noted(EVENTS, since, received_after_s))
            .order_by(columns.received_ms, columns.happened_ms, columns.seq)
        )
        for row in self._rows(query, are_few=received_after_s >= 0.0):
            try:
                at, wall = from_ms(row.happened_ms, 0), from_ms(row.received_ms, 0)
                seq = int(row.seq)
            except (TypeError, ValueError, OverflowError) as error:
                self._leave_out("event", row.id, error)
            else:
                yield ReceivedEvent(row.id, (row.node, row.camera), seq, at=at, wall=wall)

    def record_context(self, context: ContextValue) -> None:
        """Keep a context topic's new value."""
        row = insert(CONTEXTS).values(
            name=context.name,
            value=context.value,
            happened_ms=to_ms(context.happened_at),
            utc_offset_s=offset_s(context.happened_at),
            received_running_s=self._running.now_s(),
        )
        self._write(lambda connection: connection.execute(row))

    def contexts(
        self, *, since: datetime | None = None, received_after_s: float = -1.0
    ) -> Iterator[ContextValue]:
        """Every context value from an instant on, in order; see `entries`."""
        query = (
            select(CONTEXTS)
            .where(*noted(CONTEXTS, since, received_after_s))
            .order_by(CONTEXTS.c.happened_ms, CONTEXTS.c.name)
        )
        for row in self._rows(query, are_few=received_after_s >= 0.0):
            try:
                at = from_ms(row.happened_ms, row.utc_offset_s)
                if not isinstance(row.value, float | int | str):
                    raise TypeError("no number and no word")
            except (TypeError, ValueError, OverflowError) as error:
                self._leave_out("context", row.name, error)
            else:
                yield ContextValue(row.name, row.value, at)

    def memories(
        self, *, since: datetime | None = None, received_after_s: float = -1.0
    ) -> Iterator[JournalEntry | ContextValue]:
        """Events and context values, in the order in which they happened; see `entries`."""
        streams: tuple[Iterator[JournalEntry | ContextValue], ...] = (
            self.entries(since=since, received_after_s=received_after_s),
            self.contexts(since=since, received_after_s=received_after_s),
        )
        return heapq.merge(*streams, key=lambda memory: memory.happened_at)

    def instant_of(self, n_newest: int) -> datetime | None:
        """Since when there are so many events; ``None`` where there are fewer."""
        newest = EVENTS.c.happened_ms.desc()
        query = select(EVENTS.c.happened_ms).order_by(newest).limit(1).offset(n_newest - 1)
        with self.reading.connect() as connection:
            happened_ms = connection.execute(query).scalar()
        return None if happened_ms is None else from_ms(happened_ms, 0)

    def rule_states(self) -> Mapping[str, RuleState]:
        """The state of every rule that ever changed, by its name."""
        with self.reading.connect() as connection:
            rows = connection.execute(select(RULES))
            states = {}
            for row in rows:
                try:
                    states[row.name] = RuleState.decode(row.state)
                except MessageError as error:
                    self._leave_out("rule", row.name, error)
            return states

    def keep_rule_state(self, name: str, state: RuleState) -> None:
        """Keep a rule's new state."""
        row = {"name": name, "state": state.encode().decode()}
        self._write(lambda connection: upsert(connection, RULES, row))

    def bouts(self, *, until: datetime | None = None) -> list[Bout]:
        """Every stretch of an activity as it was seen, or as somebody corrected it.

        They are ordered by their starts; one ends where its camera's next change happens. What is
        dated after `until` is left out.
        """
        with self.reading.connect() as connection:
            said = read_bouts(connection, until=until)
            return correct_bouts(said, read_corrections(connection))

    def count(self) -> int:
        """How many events it holds."""
        with self.reading.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(EVENTS)).scalar_one())

    def delete(self, which: Selection) -> int:
        """Delete events for good; returns how many that were. They do not come again from a node.

        An import of a file brings them back.
        """
        return self._write(lambda connection: delete_events(connection, which))

    def count_selected(self, which: Selection) -> int:
        """How many events `delete` would delete."""
        with self.reading.connect() as connection:
            return count_events(connection, which)

    def last_deletion(self) -> int | None:
        """The number of the last deletion, by this process or another; ``None`` before any."""
        with self.reading.connect() as connection:
            return last_deletion(connection)

    def age_out(self, now: datetime, age: timedelta) -> Forgotten:
        """Delete some of what happened longer ago than ``age`` and was received as long ago.

        How long ago it was received is told by running time, which no clock on a wall can change.

        Args:
            now: The home's time.
            age: What is younger stays.
        """
        self._keep_running_s()
        running_s = self._running.now_s() - age.total_seconds()
        happened_ms = to_ms(now - age)
        return self._write(partial(age_out, happened_ms=happened_ms, running_s=running_s))

    def _write(self, work: Callable[[Connection], Result]) -> Result:
        """Do some work in a transaction; on a full disk once more, with the reserve given up.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused; nothing was kept.
        """
        with self._writing:
            file = self._file.in_use if self._file else None
            if file is None:
                return self._transact(work)
            self._see_to_file(file)
            try:
                return self._transact(work)
            except DBAPIError as error:
                if not self._make_room(file, error):
                    raise
            try:
                result = self._transact(work)
            except DBAPIError as error:
                self._make_room(file, error)  # or what failed would lie in the log
                raise
            file.hold_reserve()
            return result

    def _make_room(self, file: FileInUse, error: DBAPIError) -> bool:
        with self.reading.connect() as connection:
            return file.make_room(driver_connection(connection), error.orig)

    def _transact(self, work: Callable[[Connection], Result]) -> Result:
        with self._engine.begin() as connection:
            return work(connection)

    def _see_to_file(self, file: FileInUse) -> None:
        """Let nothing be kept in a file that somebody has deleted."""
        try:
            with self.reading.connect() as connection:
                is_new = file.bring_back(driver_connection(connection))
        except (OSError, sqlite3.Error) as error:
            raise OperationalError(None, None, error) from error
        if is_new:
            self._engine.dispose()

    def _keep_running_s(self) -> None:
        row = {"number": 1, "so_far_s": self._running.now_s()}
        self._write(lambda connection: upsert(connection, RUNNING, row))

    def _leave_out(self, kind: str, name: object, error: Exception) -> None:
        if self._once.is_news((kind, name)):
            self._n_left_out += 1
            logger.error(
                "the journal's %s %.60r cannot be read and is left out, %s so far: %.100r",
                kind,
                name,
                self._n_left_out,
                str(error),
            )

    def _rows(self, query: Select[Any], *, are_few: bool) -> Iterator[Row[Any]]:
        """Read row by row, however many there are; a few come at once, which is faster."""
        options = {} if are_few else {"yield_per": 1000}
        with self.reading.connect() as connection:
            yield from connection.execute(query, execution_options=options)
