"""Events on disk until they are safe: numbered, in order, and bounded.

An event gets its id and its number here, and is on disk before anybody hears of it. It is `sent`
once the broker took it and `acknowledged` once a journal has it; only then may it leave first.
"""

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from har_stream.core.activity import Change
from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent, Replay

logger = logging.getLogger(__name__)

MAX_EVENTS = 100_000
"""Some 60 MB; a busy camera needs years for as many."""
MAX_AGE_S = 30 * 24 * 3600.0
"""After this long leaves what a journal has and, where there is no journal, what was sent."""
REPLAY_EVENTS = 100
_SCHEMA = """
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


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that the broker does not have yet, and its place in the outbox."""

    position: int
    event: ActivityEvent


class Outbox:
    """The outbox of one node; safe to use from several threads.

    Args:
        path: SQLite file; made where absent.
        max_events: The bound: beyond it the oldest acknowledged event leaves, then the oldest.
        clock: Seconds since the epoch, for the age of what is stored.

    Raises:
        InputError: The file cannot be used, or another process holds it.
    """

    def __init__(
        self, path: Path, *, max_events: int = MAX_EVENTS, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._max_events = max_events
        self._clock = clock
        self._failed = False
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"{path}: the outbox cannot be used ({error}); does another har-stream use this "
                "state directory? --state-dir gives each its own"
            ) from error
        (self._n_events,) = self._db.execute("SELECT COUNT(*) FROM events").fetchone()

    def append(
        self, change: Change, *, node: str, camera: str, room: str | None
    ) -> ActivityEvent | None:
        """Make an event of a change; when this returns it is on disk.

        Returns:
            The event; `None` where the disk does not take it, which is said once.
        """
        with self._lock:
            is_full = self._n_events >= self._max_events
            try:
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    if is_full:
                        self._drop_oldest()
                    event = self._insert(change, node=node, camera=camera, room=room)
            except sqlite3.Error as error:
                if not self._failed:
                    logger.error("%s: events are lost, for the outbox fails: %s", self._path, error)
                self._failed = True
                return None
            self._failed = False
            self._n_events += 0 if is_full else 1
            return event

    def pending(self, *, after: int = 0, limit: int = 100) -> list[Pending]:
        """Events that the broker has not taken, oldest first, beyond the position ``after``."""
        with self._lock:
            rows = self._db.execute(
                "SELECT position, event FROM events WHERE NOT sent AND position > ?"
                " ORDER BY position LIMIT ?",
                (after, limit),
            ).fetchall()
        return [Pending(position, ActivityEvent.decode(event)) for position, event in rows]

    def mark_sent(self, position: int) -> None:
        """Note that the broker took an event."""
        with self._lock:
            self._db.execute("UPDATE events SET sent = 1 WHERE position = ?", (position,))

    def acknowledge(self, camera: str, seq: int) -> None:
        """Note that a journal has every event of a camera up to ``seq``.

        What was never sent cannot have been journalled: such a number is of an earlier outbox.
        """
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            n_acknowledged = self._db.execute(
                "UPDATE events SET acknowledged = 1"
                " WHERE camera = ? AND seq <= ? AND sent AND NOT acknowledged",
                (camera, seq),
            ).rowcount
            if n_acknowledged:
                self._db.execute("INSERT OR IGNORE INTO journalled VALUES (?)", (camera,))

    def replay(self, camera: str, from_seq: int) -> Replay:
        """Give out a camera's events again, from ``from_seq`` on, `REPLAY_EVENTS` at most."""
        with self._lock:
            rows = self._db.execute(
                "SELECT event FROM events WHERE camera = ? AND seq >= ? ORDER BY seq LIMIT ?",
                (camera, from_seq, REPLAY_EVENTS),
            ).fetchall()
            first, last = self._db.execute(
                "SELECT (SELECT MIN(seq) FROM events WHERE camera = ?1),"
                " (SELECT last_seq FROM cameras WHERE camera = ?1)",
                (camera,),
            ).fetchone()
        return Replay(
            camera=camera,
            first_seq=first or (last or 0) + 1,
            last_seq=last or 0,
            events=[ActivityEvent.decode(event) for (event,) in rows],
        )

    def last_seqs(self) -> dict[str, int]:
        """The newest number of every camera that ever had an event here."""
        with self._lock:
            return dict(self._db.execute("SELECT camera, last_seq FROM cameras").fetchall())

    def age_out(self) -> int:
        """Delete what may leave `MAX_AGE_S` after it was stored; return how many.

        A camera's events that a journal has may leave and, where no journal ever had any of its
        events, those that were sent. What waits for a journal leaves by the bound alone.
        """
        with self._lock:
            n_deleted = self._db.execute(
                "DELETE FROM events WHERE stored_at < ? AND (acknowledged OR"
                " sent AND camera NOT IN (SELECT camera FROM journalled))",
                (self._clock() - MAX_AGE_S,),
            ).rowcount
            self._n_events -= n_deleted
        return n_deleted

    def depth(self) -> int:
        """How many events the broker has not taken yet."""
        with self._lock:
            (count,) = self._db.execute("SELECT COUNT(*) FROM events WHERE NOT sent").fetchone()
        return int(count)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _insert(self, change: Change, *, node: str, camera: str, room: str | None) -> ActivityEvent:
        (seq,) = self._db.execute(
            "INSERT INTO cameras VALUES (?, 1)"
            " ON CONFLICT (camera) DO UPDATE SET last_seq = last_seq + 1 RETURNING last_seq",
            (camera,),
        ).fetchone()
        event = ActivityEvent(
            id=str(uuid.uuid4()),
            seq=seq,
            event_type=change.event_type,
            activity=change.activity,
            previous=change.previous,
            room=room,
            confidence=change.confidence,
            probabilities=dict(change.probabilities),
            started_at=change.started_at,
            ended_at=change.ended_at,
            camera=camera,
            node=node,
        )
        self._db.execute(
            "INSERT INTO events (camera, seq, event, stored_at) VALUES (?, ?, ?, ?)",
            (camera, seq, event.encode().decode(), self._clock()),
        )
        return event

    def _drop_oldest(self) -> None:
        camera, seq, acknowledged = self._db.execute(
            "DELETE FROM events WHERE position = COALESCE("
            "(SELECT MIN(position) FROM events WHERE acknowledged = 1),"
            " (SELECT MIN(position) FROM events)) RETURNING camera, seq, acknowledged"
        ).fetchone()
        if not acknowledged:
            logger.error(
                "the outbox is full (%s events): event %s of camera %s is given up, though no "
                "journal has acknowledged it; is har-forecast running?",
                self._max_events,
                seq,
                camera,
            )
