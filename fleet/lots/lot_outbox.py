"""A lot's events in PostgreSQL until they are safe: its numbers go on, whichever machine runs it.

It keeps what `har_stream.publishing.outbox.EventStore` promises. While the database is away, or
another owner may have taken the lot, changes wait in memory and nothing may be said.
"""

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fleet.lots.lot_tables import (
    EpochLostError,
    insert_event,
    next_seq,
    open_database,
    run,
    show_epoch,
    take_epoch,
)
from har_stream.config.ids import is_id
from har_stream.core.activity import Change
from har_stream.core.errors import InputError
from har_stream.core.log_once import LogOnce
from har_stream.mqtt.messages import ActivityEvent, MessageError
from har_stream.mqtt.requests import Replay
from har_stream.mqtt.signing import sign
from har_stream.publishing.outbox import MAX_AGE_S, MAX_EVENTS, REPLAY_EVENTS, Pending
from har_stream.publishing.outbox_tables import checksum_of, read_event

logger = logging.getLogger(__name__)

FENCE_S = 5.0
"""An epoch that was not confirmed for so long may be over: nothing is said."""
MAX_WAITING = 10_000
"""Changes that wait in memory for the database; some hours of fifty busy cameras."""
N_AT_ONCE = 100
"""Changes that are kept in one transaction."""
N_AGED_OUT = 1000
"""Events that leave by age at once."""
_LARGEST = 2**63 - 1
_READ = "SELECT position, camera, seq, event, checksum FROM fleet_events WHERE lot = :lot"

Result = TypeVar("Result")


@dataclass(slots=True)
class _Waiting:
    """A change on its way into the database; its event once it is there."""

    change: Change
    id: str
    node: str
    camera: str
    room: str | None
    home: str | None
    event: ActivityEvent | None = None


class LotOutbox:
    """The outbox of one lot, in the hands of its newest owner; safe to use from several threads.

    Args:
        url: The fleet's database.
        lot: Whose events these are.
        owner: Who we are, for the one that comes after us.
        max_events: The bound: beyond it the oldest acknowledged event leaves, then the oldest.
        monotonic: Seconds that go on while this process is stopped.
        signing_key: Signs events as they are given out.

    Attributes:
        is_lost: Whether another owner has taken the lot; then nothing comes in or goes out.

    Raises:
        InputError: The database cannot be used.
    """

    def __init__(
        self,
        url: str,
        lot: str,
        *,
        owner: str,
        max_events: int = MAX_EVENTS,
        monotonic: Callable[[], float] = time.monotonic,
        signing_key: bytes | None = None,
    ) -> None:
        self.is_lost = False
        self._lot = lot
        self._max_events = max_events
        self._monotonic = monotonic
        self._signing_key = signing_key
        self._once = LogOnce()
        self._waiting: deque[_Waiting] = deque()
        self._inserting = threading.Lock()
        self._engine = open_database(url)
        self._confirmed_s = monotonic()
        try:
            with self._engine.begin() as db:
                self._epoch = take_epoch(db, lot, owner)
                count = "SELECT count(*) FROM fleet_events WHERE lot = :lot"
                self._n_events = int(run(db, count, lot=lot).scalar_one())
        except DBAPIError as error:
            self._engine.dispose()
            raise InputError(f"lot {lot} cannot be taken: {error.orig}") from error

    @property
    def may_speak(self) -> bool:
        """Whether the lot was surely ours until just now; from any thread."""
        return not self.is_lost and self._monotonic() - self._confirmed_s < FENCE_S

    def confirm(self) -> bool:
        """Keep what waits, and ask whether the lot is still ours; to be called every second.

        Returns:
            `may_speak`, as it is now.
        """
        with self._inserting:
            self._insert_waiting()
        return self.may_speak

    def append(
        self,
        change: Change,
        *,
        node: str,
        camera: str,
        room: str | None,
        home: str | None = None,
    ) -> ActivityEvent | None:
        """Make an event of a change; what is returned is in the database.

        Returns:
            The event; `None` where it waits for the database, or the lot is lost.
        """
        waiting = _Waiting(change, str(uuid.uuid4()), node, camera, room, home)
        if self.is_lost:
            return None
        if len(self._waiting) >= MAX_WAITING:
            text = f"lot {self._lot}: the database is away for too long, events are given up"
            self._once.warn("full", text)
            return None
        self._waiting.append(waiting)
        if self.may_speak:  # or it would have to wait for a database that is away
            self.confirm()
        return waiting.event

    def pending(self, *, after: int = 0, limit: int = 100) -> list[Pending]:
        """Events that the broker has not taken, oldest first, beyond the position ``after``."""
        return self._read(
            f"{_READ} AND NOT sent AND position > :after ORDER BY position LIMIT :limit",
            costs="no event is sent",
            after=min(after, _LARGEST),
            limit=limit,
        )

    def mark_sent(self, position: int) -> None:
        """Note that the broker took an event."""
        self._attempt(
            lambda db: run(
                db,
                # A journal may have refused what a former owner sent.
                "UPDATE fleet_events SET sent = true WHERE lot = :lot AND position = :position"
                " AND EXISTS (SELECT 1 FROM fleet_lots WHERE lot = :lot AND epoch = :epoch)",
                lot=self._lot,
                position=min(position, _LARGEST),
                epoch=self._epoch,
            ),
            otherwise=None,
            costs="events may be sent twice",
        )

    def acknowledge(self, camera: str, seq: int) -> None:
        """Note that a journal has every event of a camera up to ``seq`` that was sent."""
        self._attempt(
            lambda db: run(
                db,
                "UPDATE fleet_events SET acknowledged = true WHERE lot = :lot AND camera = :camera"
                " AND seq <= :seq AND sent AND NOT acknowledged",
                lot=self._lot,
                camera=camera,
                seq=min(seq, _LARGEST),
            ),
            otherwise=None,
            costs="events stay for longer than they need",
        )

    def replay(self, camera: str, from_seq: int) -> Replay:
        """Give out a camera's events again, from ``from_seq`` on, `REPLAY_EVENTS` at most."""
        costs = "no event is given out again"
        events = self._read(
            f"{_READ} AND camera = :camera AND seq >= :seq ORDER BY seq LIMIT :limit",
            costs=costs,
            camera=camera,
            seq=min(from_seq, _LARGEST),
            limit=REPLAY_EVENTS,
        )
        first, last = self._attempt(
            lambda db: run(
                db,
                "SELECT (SELECT min(seq) FROM fleet_events WHERE lot = :lot AND camera = :camera),"
                " (SELECT last_seq FROM fleet_cameras WHERE lot = :lot AND camera = :camera)",
                lot=self._lot,
                camera=camera,
            ).one(),
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
        """The newest number of every camera that ever had an event in this lot."""
        nothing: list[tuple[str, int]] = []
        rows = self._attempt(
            lambda db: run(
                db, "SELECT camera, last_seq FROM fleet_cameras WHERE lot = :lot", lot=self._lot
            ).all(),
            otherwise=nothing,
            costs="the cameras' numbers are not told",
        )
        return {camera: seq for camera, seq in rows if is_id(camera)}

    def running(self) -> dict[str, ActivityEvent]:
        """By camera, the event of what went on there when the last owner left."""
        newest = self._read(
            "SELECT DISTINCT ON (camera) position, camera, seq, event, checksum FROM fleet_events"
            " WHERE lot = :lot ORDER BY camera, seq DESC",
            costs="what goes on begins anew",
        )
        return {each.event.camera: each.event for each in newest if each.event.ended_at is None}

    def age_out(self) -> int:
        """Delete some of what a journal has and was stored `MAX_AGE_S` ago; return how many.

        How long ago that was is told by the database's clock alone.
        """
        old = (
            "DELETE FROM fleet_events WHERE position IN (SELECT position FROM fleet_events"
            " WHERE lot = :lot AND acknowledged AND stored_at < now() - :age * interval '1 s'"
            " ORDER BY position LIMIT :limit)"
        )
        values = {"lot": self._lot, "age": MAX_AGE_S, "limit": N_AGED_OUT}
        n_deleted: int = self._attempt(
            lambda db: run(db, old, **values).rowcount, otherwise=0, costs="what is old stays"
        )
        self._n_events -= n_deleted
        return n_deleted

    def depth(self) -> int:
        """How many events the broker has not taken yet, with those that wait for the database."""
        count = "SELECT count(*) FROM fleet_events WHERE lot = :lot AND NOT sent"
        stored: int = self._attempt(
            lambda db: run(db, count, lot=self._lot).scalar_one(),
            otherwise=0,
            costs="the number of waiting events is not told",
        )
        return stored + len(self._waiting)

    def close(self) -> None:
        """Keep what waits, if that is possible, and let go of the database."""
        self.confirm()
        self._engine.dispose()

    def _insert_waiting(self) -> None:
        """Keep what waits, in order, in transactions that show our epoch."""
        while not self.is_lost:
            some = [self._waiting[n] for n in range(min(N_AT_ONCE, len(self._waiting)))]
            began_s = self._monotonic()  # we may be stopped before the answer comes
            n_events = self._n_events
            try:
                with self._engine.begin() as db:
                    show_epoch(db, self._lot, self._epoch)
                    kept = [self._insert(db, each) for each in some]
            except EpochLostError as lost:
                self._lose(str(lost))
                return
            except (DBAPIError, UnicodeError) as error:
                reason = " ".join(str(getattr(error, "orig", error)).split())
                self._once.warn("away", f"lot {self._lot}: events wait, nothing is said: {reason}")
                self._n_events = n_events
                return
            self._confirmed_s = began_s
            for each, event in zip(some, kept, strict=True):
                each.event = event
                self._waiting.popleft()
            self._once.forget(("away", "full"))
            if not self._waiting:
                return

    def _insert(self, db: Connection, waiting: _Waiting) -> ActivityEvent:
        # A commit whose answer was lost has kept it already.
        known = run(db, "SELECT event FROM fleet_events WHERE id = :id", id=waiting.id).scalar()
        if known is not None:
            return ActivityEvent.decode(known)
        if self._n_events >= self._max_events:
            self._drop_oldest(db)
        event = ActivityEvent.from_change(
            waiting.change,
            event_id=waiting.id,
            seq=next_seq(db, self._lot, waiting.camera),
            node=waiting.node,
            camera=waiting.camera,
            room=waiting.room,
            home=waiting.home,
        ).model_copy(update={"lot_epoch": self._epoch})
        encoded = event.encode().decode()
        row = {"id": event.id, "lot": self._lot, "camera": event.camera, "seq": event.seq}
        insert_event(db, row | {"event": encoded, "checksum": checksum_of(encoded)})
        self._n_events += 1
        return event

    def _drop_oldest(self, db: Connection) -> None:
        dropped = run(
            db,
            "DELETE FROM fleet_events WHERE position = COALESCE("
            "(SELECT min(position) FROM fleet_events WHERE lot = :lot AND acknowledged),"
            " (SELECT min(position) FROM fleet_events WHERE lot = :lot))"
            " RETURNING camera, seq, acknowledged",
            lot=self._lot,
        ).one_or_none()
        self._n_events -= 1
        if dropped is not None and not dropped.acknowledged:
            logger.error(
                "the outbox is full (%s events): event %s of camera %s is given up, though no "
                "journal has acknowledged it; is har-forecast running?",
                self._max_events,
                dropped.seq,
                dropped.camera,
            )

    def _lose(self, owner: str) -> None:
        self.is_lost = True
        logger.warning(
            "lot %s: %s has taken it; we say nothing more; changes that are left to it: %d",
            self._lot,
            owner,
            len(self._waiting),
        )
        self._waiting.clear()

    def _read(self, query: str, *, costs: str, **values: object) -> list[Pending]:
        """Read events; what cannot be read is named and left out from then on."""
        nothing: Sequence[Any] = []
        rows = self._attempt(
            lambda db: run(db, query, lot=self._lot, **values).all(),
            otherwise=nothing,
            costs=costs,
        )
        found = []
        bad = []
        for row in rows:
            try:
                event = read_event(row.camera, row.seq, row.event, row.checksum)
            except MessageError as error:
                bad.append(row.position)
                logger.error(
                    "lot %s: event %s of camera %s cannot be read and is left out: %s",
                    self._lot,
                    row.seq,
                    row.camera,
                    error,
                )
            else:
                # Whoever kept it, we say it: a journal takes it from the newest owner alone.
                event = event.model_copy(update={"lot_epoch": self._epoch})
                signed = sign(event, self._signing_key, node=event.node, camera=event.camera)
                found.append(Pending(row.position, signed))
        for position in bad:
            self.mark_sent(position)  # or it would be in the others' way
        return found

    def _attempt(
        self, work: Callable[[Connection], Result], *, otherwise: Result, costs: str
    ) -> Result:
        """Do some work in a transaction; what a failure costs is said once until it works again."""
        try:
            with self._engine.begin() as db:
                result = work(db)
        except (DBAPIError, UnicodeError) as error:
            reason = " ".join(str(getattr(error, "orig", error)).split())
            self._once.warn(costs, f"lot {self._lot}: {costs}, for the database fails: {reason}")
            return otherwise
        self._once.forget((costs,))
        return result
