"""The durable activity journal: every event once, by its id, in SQLite or PostgreSQL.

What `record` returned from is on disk: SQLite runs in WAL mode with a sync at every commit.
"""

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Self

from sqlalchemy import text

from har_stream.mqtt.messages import ActivityEvent, RuleState
from predictor.journal import sequence
from predictor.journal.database import connect
from predictor.journal.event_rows import event_of, from_ms, offset_s, to_ms
from predictor.journal.records import Bout, Context, JournalEntry, Recorded


class Journal:
    """The journal of one home; safe to use from several threads.

    Args:
        url: SQLAlchemy URL, for example ``sqlite:////var/lib/har/journal.db`` or
            ``postgresql+psycopg://user@host/har``.

    Raises:
        InputError: The URL is no URL, its driver is absent, or the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self._engine, self.id = connect(url)
        self._reading = self._engine.execution_options(reading=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def record(self, event: ActivityEvent, *, received_at: datetime) -> Recorded:
        """Keep an event, once; when this returns it is on disk.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused; nothing was kept.
        """
        with self._engine.begin() as connection:
            return sequence.record(connection, event, received_at)

    def record_all(self, events: Iterable[ActivityEvent], *, received_at: datetime) -> int:
        """Keep many events in one transaction; returns how many were new."""
        with self._engine.begin() as connection:
            return sum(sequence.record(connection, event, received_at).is_new for event in events)

    def progress(self) -> dict[tuple[str, str], Recorded]:
        """How far each (node, camera) is known without a gap."""
        with self._reading.connect() as connection:
            rows = connection.execute(text("SELECT * FROM cameras ORDER BY node, camera"))
            return {(row.node, row.camera): sequence.recorded(row, is_new=False) for row in rows}

    def give_up_before(self, node: str, camera: str, first_seq: int) -> int:
        """Stop waiting for events before ``first_seq``; returns the new contiguous ``seq``.

        A node that no longer holds them says so in its answer to ``replay``.
        """
        with self._engine.begin() as connection:
            return sequence.give_up_before(connection, node, camera, first_seq)

    def entries(self, *, since: datetime | None = None) -> Iterator[JournalEntry]:
        """Every event from an instant on, in the order in which they happened."""
        query = text(
            "SELECT * FROM events WHERE happened_ms >= :since"
            " ORDER BY happened_ms, node, camera, epoch, seq"
        ).execution_options(yield_per=1000)
        with self._reading.connect() as connection:
            for row in connection.execute(query, {"since": to_ms(since) if since else 0}):
                yield JournalEntry(event_of(row), from_ms(row.received_ms, 0))

    def record_context(self, context: Context) -> None:
        """Keep a context topic's new value."""
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO contexts (name, value, happened_ms, utc_offset_s)"
                    " VALUES (:name, :value, :happened_ms, :utc_offset_s)"
                ),
                {
                    "name": context.name,
                    "value": json.dumps(context.value),
                    "happened_ms": to_ms(context.happened_at),
                    "utc_offset_s": offset_s(context.happened_at),
                },
            )

    def contexts(self, *, since: datetime | None = None) -> Iterator[Context]:
        """Every context value from an instant on, in order."""
        query = text(
            "SELECT * FROM contexts WHERE happened_ms >= :since ORDER BY happened_ms, name"
        ).execution_options(yield_per=1000)
        with self._reading.connect() as connection:
            for row in connection.execute(query, {"since": to_ms(since) if since else 0}):
                happened_at = from_ms(row.happened_ms, row.utc_offset_s)
                yield Context(row.name, json.loads(row.value), happened_at)

    def memories(self, *, since: datetime | None = None) -> Iterator[JournalEntry | Context]:
        """Events and context values from an instant on, in the order in which they happened."""
        streams: tuple[Iterator[JournalEntry | Context], ...] = (
            self.entries(since=since),
            self.contexts(since=since),
        )
        return heapq.merge(*streams, key=lambda memory: memory.happened_at)

    def instant_of(self, n_newest: int) -> datetime | None:
        """Since when there are so many events; ``None`` where there are fewer."""
        query = text("SELECT happened_ms FROM events ORDER BY happened_ms DESC LIMIT 1 OFFSET :n")
        with self._reading.connect() as connection:
            happened_ms = connection.execute(query, {"n": n_newest - 1}).scalar()
        return None if happened_ms is None else from_ms(happened_ms, 0)

    def rule_states(self) -> Mapping[str, RuleState]:
        """The state of every rule that ever changed, by its name."""
        with self._reading.connect() as connection:
            rows = connection.execute(text("SELECT name, state FROM rules"))
            return {row.name: RuleState.decode(row.state) for row in rows}

    def keep_rule_state(self, name: str, state: RuleState) -> None:
        """Keep a rule's new state."""
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO rules (name, state) VALUES (:name, :state)"
                    " ON CONFLICT (name) DO UPDATE SET state = excluded.state"
                ),
                {"name": name, "state": state.encode().decode()},
            )

    def bouts(self) -> Iterator[Bout]:
        """Every stretch of an activity as it was seen, ordered by its start."""
        return self._stretches(
            "SELECT activity, room, utc_offset_s, started_ms, ended_ms, 1 AS n_bouts FROM bouts"
            " ORDER BY started_ms, node, camera, seq"
        )

    def sessions(self) -> Iterator[Bout]:
        """Bouts with consecutive ones of an activity merged where less than 30 min lie between."""
        return self._stretches("SELECT * FROM sessions ORDER BY started_ms")

    def _stretches(self, query: str) -> Iterator[Bout]:
        with self._reading.connect() as connection:
            for row in connection.execute(text(query).execution_options(yield_per=1000)):
                yield Bout(
                    activity=row.activity,
                    room=row.room,
                    started_at=from_ms(row.started_ms, row.utc_offset_s),
                    ended_at=None
                    if row.ended_ms is None
                    else from_ms(row.ended_ms, row.utc_offset_s),
                    n_bouts=row.n_bouts,
                )

    def count(self) -> int:
        """How many events it holds."""
        with self._reading.connect() as connection:
            return int(connection.execute(text("SELECT COUNT(*) FROM events")).scalar_one())

    def forget_before(self, instant: datetime) -> int:
        """Delete what happened before an instant; returns how many events that were."""
        before = {"before": to_ms(instant)}
        with self._engine.begin() as connection:
            connection.execute(text("DELETE FROM contexts WHERE happened_ms < :before"), before)
            deleted = connection.execute(
                text("DELETE FROM events WHERE happened_ms < :before"), before
            )
            return deleted.rowcount
