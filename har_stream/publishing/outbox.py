"""Events on disk until they are safe: numbered, in order, and bounded.

An event gets its id and its number here, and is on disk before anybody hears of it. It is `sent`
once the broker took it and `acknowledged` once a journal has it; only then may it leave first.
Nothing that a disk or a file does raises once the outbox is open.
"""

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

from har_stream.config.ids import is_id
from har_stream.core.activity import Change
from har_stream.core.errors import InputError
from har_stream.core.sqlite.running_time import RunningTime, most_at_once
from har_stream.mqtt.messages import ActivityEvent, MessageError
from har_stream.mqtt.requests import Replay
from har_stream.mqtt.signing import sign
from har_stream.publishing.outbox_file import OutboxFile
from har_stream.publishing.outbox_tables import MAX_SEQ, checksum_of, read_event, set_aside

logger = logging.getLogger(__name__)

MAX_EVENTS = 100_000
"""Some 60 MB; a busy camera needs years for as many."""
MAX_AGE_S = 30 * 24 * 3600.0
"""After this long leaves what a journal has."""
REPLAY_EVENTS = 100
_SELECT = "SELECT position, camera, seq, CAST(event AS BLOB), checksum FROM events"
_LARGEST = 2**63 - 1
"""SQLite's largest whole number; a message may hold a larger one."""

_Row = tuple[
    int, str, int, bytes, int | None
]  # as `_SELECT` gives it; a damaged file may hold anything


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that the broker does not have yet, and its place in the outbox."""

    position: int
    event: ActivityEvent


class EventStore(Protocol):
    """What keeps a node's events until they are safe: `Outbox`, or a fleet's in PostgreSQL."""

    def append(
        self,
        change: Change,
        *,
        node: str,
        camera: str,
        room: str | None,
        home: str | None = None,
    ) -> ActivityEvent | None:
        """Make an event of a change and keep it; see `Outbox`, also for all that follows."""

    def pending(self, *, after: int = 0, limit: int = 100) -> list[Pending]:
        """Events that the broker has not taken, oldest first."""

    def mark_sent(self, position: int) -> None:
        """Note that the broker took an event."""

    def acknowledge(self, camera: str, seq: int) -> None:
        """Note that a journal has every event of a camera up to ``seq``."""

    def replay(self, camera: str, from_seq: int) -> Replay:
        """Give out a camera's events again."""

    def last_seqs(self) -> dict[str, int]:
        """The newest number of every camera that ever had an event here."""

    def age_out(self) -> int:
        """Delete some of what may leave by its age; return how many."""

    def depth(self) -> int:
        """How many events the broker has not taken yet."""


class Outbox:
    """The outbox of one node; safe to use from several threads.

    Args:
        path: SQLite file; made where absent, begun anew from its rows where damaged.
        max_events: The bound: beyond it the oldest acknowledged event leaves, then the oldest.
        clock: Seconds since the epoch, for the age of what is stored.
        monotonic: Seconds that nobody can set, for the same.
        signing_key: Signs events as they are given out, whenever they were stored.

    Raises:
        InputError: The file cannot be used, or another process holds it.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_events: int = MAX_EVENTS,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        signing_key: bytes | None = None,
    ) -> None:
        self._path = path
        self._max_events = max_events
        self._clock = clock
        self._monotonic = monotonic
        self._signing_key = signing_key
        self._n_events = 0
        self._n_set_aside = 0
        self._has_doubted = False
        self._lock = threading.Lock()
        try:
            self._file = OutboxFile(path, opened=self._opened)
        except (OSError, sqlite3.Error) as error:
            is_held = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
            raise InputError(
                f"{path}: another har-stream uses this state directory; --state-dir gives each its "
                "own"
                if is_held
                else f"{path}: the outbox cannot be used: {error}"
            ) from error

    def append(
        self,
        change: Change,
        *,
        node: str,
        camera: str,
        room: str | None,
        home: str | None = None,
    ) -> ActivityEvent | None:
        """Make an event of a change; when this returns it is on disk.

        Returns:
            The event; `None` where the disk does not take it, which is said once.
        """

        def insert(db: sqlite3.Connection) -> tuple[ActivityEvent, int]:
            n_dropped = self._drop_oldest(db) if self._n_events >= self._max_events else 0
            made = partial(
                ActivityEvent.from_change, change, node=node, camera=camera, room=room, home=home
            )
            return self._insert(db, camera, made), n_dropped

        with self._lock:
            kept = self._file.attempt(insert, otherwise=None, costs="events are lost")
            if kept is None:
                return None
            event, n_dropped = kept
            self._n_events += 1 - n_dropped
            self._file.notice_loss()
            return event

    def pending(self, *, after: int = 0, limit: int = 100) -> list[Pending]:
        """Events that the broker has not taken, oldest first, beyond the position ``after``."""
        with self._lock:
            return self._read(
                f"{_SELECT} WHERE NOT sent AND position > ? ORDER BY position LIMIT ?",
                (min(after, _LARGEST), limit),
                costs="no event is sent",
            )

    def mark_sent(self, position: int) -> None:
        """Note that the broker took an event."""
        with self._lock:
            self._file.attempt(
                lambda db: db.execute("UPDATE events SET sent = 1 WHERE position = ?", (position,)),
                otherwise=None,
                costs="events may be sent twice",
            )

    def acknowledge(self, camera: str, seq: int) -> None:
        """Note that a journal has every event of a camera up to ``seq``.

        What was never sent cannot have been journalled: such a number is of an earlier outbox.
        """
        with self._lock:
            self._file.attempt(
                lambda db: db.execute(
                    "UPDATE events SET acknowledged = 1"
                    " WHERE camera = ? AND seq <= ? AND sent AND NOT acknowledged",
                    (camera, min(seq, _LARGEST)),
                ),
                otherwise=None,
                costs="events stay for longer than they need",
            )

    def replay(self, camera: str, from_seq: int) -> Replay:
        """Give out a camera's events again, from ``from_seq`` on, `REPLAY_EVENTS` at most."""
        with self._lock:
            costs = "no event is given out again"
            events = self._read(
                f"{_SELECT} WHERE camera = ? AND seq >= ? ORDER BY seq LIMIT ?",
                (camera, min(from_seq, _LARGEST), REPLAY_EVENTS),
                costs=costs,
            )
            first, last = self._file.attempt(
                lambda db: db.execute(
                    "SELECT (SELECT MIN(seq) FROM events WHERE camera = ?1"
                    " AND seq BETWEEN 1 AND ?2), (SELECT last_seq FROM cameras WHERE camera = ?1)",
                    (camera, MAX_SEQ),
                ).fetchone(),
                otherwise=(None, None),
                costs=costs,
            )
            return Replay(
                camera=camera,
                first_seq=first or (last or 0) + 1,
                last_seq=last or 0,
                events=[each.event for each in events],
            )

    def last_seqs(self) -> dict[str, int]:
        """The newest number of every camera that ever had an event here."""
        with self._lock:
            nothing: list[tuple[str, int]] = []
            rows = self._file.attempt(
                lambda db: db.execute("SELECT camera, last_seq FROM cameras").fetchall(),
                otherwise=nothing,
                costs="the cameras' numbers are not told",
            )
            return {camera: seq for camera, seq in rows if is_id(camera)}

    def age_out(self) -> int:
        """Delete some of what may leave `MAX_AGE_S` after it was stored; return how many.

        A journal has it, and it is that old by the clock on the wall and by the time that
        har-stream has run since. Where only the wall says so, all stays, which is said once. What
        no journal has leaves by the bound alone.
        """
        with self._lock:
            n_deleted = self._file.attempt(self._delete_old, otherwise=0, costs="what is old stays")
            self._n_events -= n_deleted
            self._file.tidy()
            return n_deleted

    def depth(self) -> int:
        """How many events the broker has not taken yet."""
        with self._lock:
            (count,) = self._file.attempt(
                lambda db: db.execute("SELECT COUNT(*) FROM events WHERE NOT sent").fetchone(),
                otherwise=(0,),
                costs="the number of waiting events is not told",
            )
            return int(count)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._file.attempt(self._keep_running_time, otherwise=None, costs="its age is not kept")
            self._file.close()

    def _opened(self, db: sqlite3.Connection) -> None:
        (self._n_events,) = db.execute("SELECT COUNT(*) FROM events").fetchone()
        so_far_s = [
            db.execute("SELECT so_far_s FROM running").fetchone(),
            db.execute("SELECT running_s FROM events ORDER BY position DESC LIMIT 1").fetchone(),
        ]
        self._running = RunningTime([row[0] for row in so_far_s if row], monotonic=self._monotonic)

    def _read(self, query: str, values: tuple[object, ...], *, costs: str) -> list[Pending]:
        """Read events; what cannot be read is set aside, so that it is in nobody's way."""
        rows: list[_Row] = self._file.attempt(
            lambda db: db.execute(query, values).fetchall(), otherwise=[], costs=costs
        )
        found: list[Pending] = []
        bad: list[tuple[_Row, str]] = []
        for row in rows:
            position, camera, seq, event, checksum = row
            try:
                read = read_event(camera, seq, event, checksum)
                found.append(Pending(position, self._signed(read)))
            except MessageError as error:
                bad.append((row, str(error)))
        if bad and self._set_aside(bad):
            return self._read(query, values, costs=costs)  # there may be room for more now
        return found

    def _set_aside(self, bad: list[tuple[_Row, str]]) -> bool:
        """Take rows out of the way; false where the disk does not take it."""

        def move(db: sqlite3.Connection) -> bool:
            for (position, camera, seq, event, _), why in bad:
                set_aside(db, camera=camera, seq=seq, event=event, why=why)
                db.execute("DELETE FROM events WHERE position = ?", (position,))
            return True

        if not self._file.attempt(move, otherwise=False, costs="what cannot be read stays"):
            return False
        self._n_events -= len(bad)
        self._n_set_aside += len(bad)
        (_, camera, seq, *_), why = bad[0]
        logger.error(
            "%s: event %s of camera %s (%s) cannot be read and is set aside in it, %s so far; "
            "all others go on",
            self._path,
            seq,
            camera,
            why,
            self._n_set_aside,
        )
        return True

    def _signed(self, event: ActivityEvent) -> ActivityEvent:
        return sign(event, self._signing_key, node=event.node, camera=event.camera)

    def _insert(
        self, db: sqlite3.Connection, camera: str, make: Callable[..., ActivityEvent]
    ) -> ActivityEvent:
        (seq,) = db.execute(
            "INSERT INTO cameras VALUES (?, 1)"
            " ON CONFLICT (camera) DO UPDATE SET last_seq = last_seq + 1 RETURNING last_seq",
            (camera,),
        ).fetchone()
        event = make(event_id=str(uuid.uuid4()), seq=seq)
        text = event.encode().decode()
        db.execute(
            "INSERT INTO events (camera, seq, event, stored_at, running_s, checksum)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (camera, seq, text, self._clock(), self._running.now_s(), checksum_of(text)),
        )
        return event

    def _drop_oldest(self, db: sqlite3.Connection) -> int:
        camera, seq, acknowledged = db.execute(
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
        return 1

    def _delete_old(self, db: sqlite3.Connection) -> int:
        self._keep_running_time(db)
        before = (self._clock() - MAX_AGE_S, self._running.now_s() - MAX_AGE_S)
        n_doubtful, youngest_s = db.execute(
            "SELECT COUNT(*), MAX(running_s) FROM events"
            " WHERE acknowledged AND stored_at < ? AND running_s >= ?",
            before,
        ).fetchone()
        if n_doubtful and not self._has_doubted:
            self._has_doubted = True
            logger.warning(
                "%s: by the clock %s events are older than %d days, and har-stream has not run "
                "for so long since; is the clock right? They stay until it has, for %s more",
                self._path,
                n_doubtful,
                MAX_AGE_S / 86400,
                timedelta(seconds=round(youngest_s - before[1])),
            )
        return db.execute(
            "DELETE FROM events WHERE position IN (SELECT position FROM events"
            " WHERE acknowledged AND stored_at < ? AND running_s < ? ORDER BY position LIMIT ?)",
            (*before, most_at_once(self._n_events)),
        ).rowcount

    def _keep_running_time(self, db: sqlite3.Connection) -> None:
        db.execute("INSERT OR REPLACE INTO running VALUES (1, ?)", (self._running.now_s(),))
