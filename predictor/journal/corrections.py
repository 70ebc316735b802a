"""What people say that really happened, beside what the recogniser said.

Neither replaces the other: bouts and memories are corrected as they are read. Where corrections of
a camera overlap, the one that was said last holds.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.database import ReadConnections
from predictor.journal.records import (
    Bout,
    CameraKey,
    ContextValue,
    Correction,
    JournalEntry,
)
from predictor.journal.tables import CORRECTIONS, from_ms, offset_s, to_ms

NOBODYS = frozenset({IDLE, UNKNOWN})
"""What a correction may say that is no activity."""
Span = TypeVar("Span", Bout, Correction)
_Memory = JournalEntry | ContextValue


class Corrections:
    """The corrections that a journal keeps.

    Args:
        write: Does something in a transaction of the journal.
        reading: Where connections that only read come from.
    """

    def __init__(
        self, write: Callable[[Callable[[Connection], object]], object], reading: ReadConnections
    ) -> None:
        self._write = write
        self._reading = reading

    def record(self, correction: Correction) -> bool:
        """Keep a correction, once by its id; returns whether the one of this id is the same.

        One that was kept before may have been undone since, and stays so.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused; nothing was kept.
        """
        row = {
            "id": correction.id,
            "node": correction.camera[0],
            "camera": correction.camera[1],
            "activity": correction.activity,
            "started_ms": to_ms(correction.started_at),
            "ended_ms": to_ms(correction.ended_at),
            "utc_offset_s": offset_s(correction.started_at),
            "corrected_ms": to_ms(correction.corrected_at),
        }
        try:
            self._write(lambda connection: connection.execute(insert(CORRECTIONS).values(row)))
        except IntegrityError:
            kept = select(CORRECTIONS).where(CORRECTIONS.c.id == correction.id)
            with self._reading.connect() as connection:
                before = connection.execute(kept).mappings().one()
            said_again = row | {"corrected_ms": before["corrected_ms"]}
            return all(before[name] == value for name, value in said_again.items())
        return True

    def undo(self, name: str, *, at: datetime) -> bool:
        """Take a correction back, by its id; returns whether there is such a one."""
        known = select(CORRECTIONS.c.id).where(CORRECTIONS.c.id == name)
        taking_back = (
            update(CORRECTIONS)
            .where(CORRECTIONS.c.id == name, CORRECTIONS.c.undone_ms.is_(None))
            .values(undone_ms=to_ms(at))
        )
        with self._reading.connect() as connection:
            is_known = connection.execute(known).first() is not None
        if is_known:
            self._write(lambda connection: connection.execute(taking_back))
        return is_known

    def since(self, instant: datetime | None = None) -> list[Correction]:
        """Those in force that reach beyond an instant, the last said last."""
        with self._reading.connect() as connection:
            return read_corrections(connection, since=instant)


def read_corrections(
    connection: Connection, *, since: datetime | None = None, until: datetime | None = None
) -> list[Correction]:
    """Read the corrections in force that overlap a span of time, the last said last."""
    columns = CORRECTIONS.c
    query = select(CORRECTIONS).where(columns.undone_ms.is_(None))
    if since is not None:
        query = query.where(columns.ended_ms > to_ms(since))
    if until is not None:
        query = query.where(columns.started_ms < to_ms(until))
    rows = connection.execute(query.order_by(columns.corrected_ms, columns.id))
    return [_correction_of(row) for row in rows]


def correct_bouts(bouts: Iterable[Bout], corrections: Sequence[Correction]) -> list[Bout]:
    """Return bouts, ordered by their starts, with the corrected ones in place of what they cover.

    Where nobody was there, or nothing that has a name, nothing is left.
    """
    if not corrections:
        return list(bouts)
    rooms: dict[CameraKey, str | None] = {}
    remaining = []
    by_camera = _disjoint_by_camera(corrections)
    for bout in bouts:
        rooms[bout.camera] = bout.room
        pieces = [bout]
        for correction in by_camera.get(bout.camera, ()):
            pieces = [rest for piece in pieces for rest in _cut(piece, correction)]
        remaining += pieces
    corrected = [
        Bout(
            activity=correction.activity,
            room=rooms.get(camera),
            started_at=correction.started_at,
            ended_at=correction.ended_at,
            camera=camera,
        )
        for camera, disjoint in by_camera.items()
        for correction in disjoint
        if correction.activity not in NOBODYS
    ]
    return sorted((*remaining, *corrected), key=lambda bout: (bout.started_at, bout.camera))


@dataclass(slots=True)
class _CameraState:
    """What a camera's recogniser said last, and the correction that covers it now, if any."""

    said: JournalEntry | None = None
    correction: Correction | None = None


@dataclass(frozen=True, slots=True)
class _Edge:
    """Where a correction begins or ends."""

    correction: Correction
    happened_at: datetime


def correct_memories(
    memories: Iterable[_Memory], corrections: Sequence[Correction]
) -> Iterator[_Memory]:
    """Yield memories as they would have been had the recogniser said what the corrections say.

    Args:
        memories: In the order in which they happened.
        corrections: The last said last.
    """
    disjoint = [each for some in _disjoint_by_camera(corrections).values() for each in some]
    starts = sorted((_Edge(each, each.started_at) for each in disjoint), key=_happened_at)
    ends = sorted((_Edge(each, each.ended_at) for each in disjoint), key=_happened_at)
    states: defaultdict[CameraKey, _CameraState] = defaultdict(_CameraState)
    # At one instant a start hides what is said there, and an end lets it count.
    streams: tuple[Iterable[_Memory | _Edge], ...] = (starts, memories, ends)
    for item in heapq.merge(*streams, key=_happened_at):
        if isinstance(item, _Edge):
            yield from _pass_edge(states[item.correction.camera], item)
        elif isinstance(item, ContextValue):
            yield item
        else:
            state = states[item.event.node, item.event.camera]
            state.said = item
            if state.correction is None:
                yield item


def _happened_at(item: _Memory | _Edge) -> datetime:
    return item.happened_at


def _pass_edge(state: _CameraState, edge: _Edge) -> Iterator[JournalEntry]:
    """A correction begins, or ends and the recogniser's word counts again."""
    correction, at = edge.correction, edge.happened_at
    said = state.said
    is_running = said is not None and said.event.event_type != "activity_ended"
    if at == correction.started_at:
        state.correction = correction
        if correction.activity not in NOBODYS:
            sure = {correction.activity: 1.0}
            yield _change(correction, at, said, correction.activity, probabilities=sure)
        elif said and is_running:
            yield _end(correction, at, said, said.event.activity)
    elif state.correction is correction:  # or another has begun at this very instant
        state.correction = None
        if said and is_running:
            again = said.event.probabilities
            yield _change(correction, at, said, said.event.activity, probabilities=again)
        elif correction.activity not in NOBODYS:
            yield _end(correction, at, said, correction.activity)


def _change(
    correction: Correction,
    at: datetime,
    said: JournalEntry | None,
    activity: str,
    *,
    probabilities: Mapping[str, float],
) -> JournalEntry:
    event = _event(correction, at, said, activity)
    changed = {"probabilities": dict(probabilities), "event_type": "activity_changed"}
    return JournalEntry(event.model_copy(update=changed), said.received_at if said else at)


def _end(
    correction: Correction, at: datetime, said: JournalEntry | None, activity: str
) -> JournalEntry:
    event = _event(correction, at, said, activity)
    return JournalEntry(event.model_copy(update={"ended_at": at}), said.received_at if said else at)


def _event(
    correction: Correction, at: datetime, said: JournalEntry | None, activity: str
) -> ActivityEvent:
    """Make the end of an activity, numbered as the camera's event before it."""
    return ActivityEvent(
        id=f"{correction.id} {at.isoformat()}",
        seq=said.event.seq if said else 1,
        event_type="activity_ended",
        activity=activity,
        room=said.event.room if said else None,
        confidence=1.0,
        started_at=at,
        node=correction.camera[0],
        camera=correction.camera[1],
    )


def _disjoint_by_camera(corrections: Sequence[Correction]) -> dict[CameraKey, list[Correction]]:
    """Return each camera's corrections, cut by those that were said later, in order of time."""
    found: defaultdict[CameraKey, list[Correction]] = defaultdict(list)
    for later in corrections:
        before = found[later.camera]
        found[later.camera] = [rest for each in before for rest in _cut(each, later)]
        found[later.camera].append(later)
    return {
        camera: sorted(each, key=lambda correction: correction.started_at)
        for camera, each in found.items()
    }


def _cut(span: Span, away: Correction) -> list[Span]:
    """Return what is left of a span of time outside a correction: none, one or two pieces."""
    if away.ended_at <= span.started_at or (
        span.ended_at is not None and span.ended_at <= away.started_at
    ):
        return [span]
    left = []
    if span.started_at < away.started_at:
        left.append(replace(span, ended_at=away.started_at))
    if span.ended_at is None or span.ended_at > away.ended_at:
        left.append(replace(span, started_at=away.ended_at))
    return left


def _correction_of(row: Row[tuple[object, ...]]) -> Correction:
    zone = row.utc_offset_s
    return Correction(
        id=row.id,
        camera=(row.node, row.camera),
        activity=row.activity,
        started_at=from_ms(row.started_ms, zone),
        ended_at=from_ms(row.ended_ms, zone),
        corrected_at=from_ms(row.corrected_ms, 0),
        undone_at=None,
    )
