"""Which events leave the journal for good, by hand or by their age, and do not come again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)

from har_stream.core.sqlite.running_time import most_at_once
from predictor.journal.records import CameraKey, Forgotten
from predictor.journal.tables import (
    CAMERAS,
    CONTEXTS,
    CORRECTIONS,
    DELETED,
    EVENTS,
    ended_at_row,
    to_ms,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is to be deleted: all that meets every condition.

    Attributes:
        since: What began or happened from then on.
        until: What happened before then.
        camera: What this camera saw.
    """

    since: datetime | None = None
    until: datetime | None = None
    camera: CameraKey | None = None

    def events(self) -> ColumnElement[bool]:
        """Return the condition on ``events``."""
        columns = EVENTS.c
        in_span = self._in_span(columns.happened_ms)
        if self.since:  # what began in the span is of it, though it may have ended later
            in_span = or_(in_span, self._in_span(columns.started_ms))
        if self.camera is None:
            return in_span
        return and_(in_span, columns.node == self.camera[0], columns.camera == self.camera[1])

    def contexts(self) -> ColumnElement[bool]:
        """Return the condition on ``contexts``; they are of no camera."""
        return false() if self.camera else self._in_span(CONTEXTS.c.happened_ms)

    def corrections(self) -> ColumnElement[bool]:
        """Return the condition on ``corrections``: they leave with any part of what they cover."""
        columns = CORRECTIONS.c
        begins = true() if self.until is None else columns.started_ms < to_ms(self.until)
        ends = true() if self.since is None else columns.ended_ms > to_ms(self.since)
        if self.camera is None:
            return and_(begins, ends)
        of_camera = and_(columns.node == self.camera[0], columns.camera == self.camera[1])
        return and_(begins, ends, of_camera)

    def _in_span(self, at_ms: ColumnElement[int]) -> ColumnElement[bool]:
        since = true() if self.since is None else at_ms >= to_ms(self.since)
        until = true() if self.until is None else at_ms < to_ms(self.until)
        return and_(since, until)


def count_events(connection: Connection, which: Selection) -> int:
    """Return how many events `delete_events` would delete."""
    query = select(func.count()).select_from(EVENTS).where(which.events())
    return int(connection.execute(query).scalar_one())


def delete_events(connection: Connection, which: Selection) -> int:
    """Delete events, context values and corrections; returns how many events that were.

    The ids of the events stay, for a node may hold them still, and give them out again. A camera
    that is deleted altogether is asked for nothing that it has said so far.
    """
    number = (last_deletion(connection) or 0) + 1
    now_ms = to_ms(datetime.now(UTC))
    leaving = select(EVENTS.c.id, literal(number), literal(now_ms)).where(which.events())
    names = ["id", "deletion", "deleted_ms"]
    connection.execute(insert(DELETED).from_select(names, leaving))
    n_changed = _end_what_began_before(connection, which) if which.since else 0
    n_events = n_changed + connection.execute(delete(EVENTS).where(which.events())).rowcount
    connection.execute(delete(CONTEXTS).where(which.contexts()))
    connection.execute(delete(CORRECTIONS).where(which.corrections()))
    if which.camera and which.since is None and which.until is None:
        is_camera = and_(CAMERAS.c.node == which.camera[0], CAMERAS.c.camera == which.camera[1])
        held = {"contiguous_seq": CAMERAS.c.highest_seq}
        connection.execute(update(CAMERAS).where(is_camera).values(held))
    return n_events


def _end_what_began_before(connection: Connection, which: Selection) -> int:
    """Let what began before the span and ended in it end just before the span begins.

    The first event of each camera in the span, which ended it, is made to say no more than that.
    """
    columns = EVENTS.c
    since_ms = to_ms(which.since) if which.since else 0
    order = (columns.happened_ms, columns.epoch, columns.seq)
    leaving = select(EVENTS).where(which.events(), columns.happened_ms >= since_ms).order_by(*order)
    first: dict[CameraKey, dict[str, Any]] = {}
    for row in connection.execute(leaving).mappings():
        first.setdefault((row["node"], row["camera"]), dict(row))
    n_changed = 0
    for (node, camera), ending in first.items():
        before = (
            select(EVENTS)
            .where(columns.node == node, columns.camera == camera, columns.happened_ms < since_ms)
            .order_by(*(column.desc() for column in order))
            .limit(1)
        )
        begun = connection.execute(before).mappings().first()
        is_end = ending["event_type"] != "activity_started"
        if is_end and begun is not None and begun["event_type"] != "activity_ended":
            changed = ended_at_row(ending, dict(begun), since_ms - 1)
            connection.execute(update(EVENTS).where(columns.id == ending["id"]).values(changed))
            n_changed += 1
    return n_changed


def last_deletion(connection: Connection) -> int | None:
    """Return the number of the last deletion by hand; ``None`` where there was none."""
    number: int | None = connection.execute(select(func.max(DELETED.c.deletion))).scalar()
    return number


def age_out(connection: Connection, *, happened_ms: int, running_s: float) -> Forgotten:
    """Delete some of what happened before one instant and was received before another.

    Args:
        connection: In a transaction.
        happened_ms: What happened later stays.
        running_s: What was received later by the journal's running time stays.
    """
    columns = EVENTS.c
    is_old = columns.happened_ms < happened_ms
    doubtful = select(func.count()).where(is_old, columns.received_running_s >= running_s)
    n_doubtful = connection.execute(doubtful).scalar_one()
    n_events = connection.execute(select(func.count()).select_from(EVENTS)).scalar_one()
    leaving = (
        select(columns.id)
        .where(is_old, columns.received_running_s < running_s)
        .order_by(columns.happened_ms)
        .limit(most_at_once(n_events))
    )
    n_deleted = connection.execute(delete(EVENTS).where(columns.id.in_(leaving))).rowcount
    connection.execute(
        delete(CONTEXTS).where(
            CONTEXTS.c.happened_ms < happened_ms,
            CONTEXTS.c.received_running_s < running_s,
        )
    )
    if not n_doubtful:
        connection.execute(delete(CORRECTIONS).where(CORRECTIONS.c.ended_ms < happened_ms))
    return Forgotten(n_deleted, n_doubtful)
