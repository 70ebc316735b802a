"""An event as a row of the journal and back: instants in milliseconds, probabilities as JSON."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Row, text

from har_stream.mqtt.messages import ActivityEvent

_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

INSERT = text(
    "INSERT INTO events (id, node, camera, epoch, seq, event_type, activity, previous, room,"
    " confidence, probabilities, started_ms, ended_ms, happened_ms, utc_offset_s, received_ms)"
    " VALUES (:id, :node, :camera, :epoch, :seq, :event_type, :activity, :previous, :room,"
    " :confidence, :probabilities, :started_ms, :ended_ms, :happened_ms, :utc_offset_s,"
    " :received_ms)"
)


def values_of(event: ActivityEvent, epoch: int, received_at: datetime) -> dict[str, Any]:
    """The columns of an event; ``epoch`` counts how often its camera began numbering anew."""
    values = event.model_dump(exclude={"schema_version", "probabilities", "started_at", "ended_at"})
    return values | {
        "epoch": epoch,
        "probabilities": json.dumps(event.probabilities),
        "started_ms": to_ms(event.started_at),
        "ended_ms": None if event.ended_at is None else to_ms(event.ended_at),
        "happened_ms": to_ms(event.ended_at or event.started_at),
        "utc_offset_s": offset_s(event.started_at),
        "received_ms": to_ms(received_at),
    }


def event_of(row: Row[Any]) -> ActivityEvent:
    """The event that a row of ``events`` keeps."""
    return ActivityEvent(
        id=row.id,
        seq=row.seq,
        event_type=row.event_type,
        activity=row.activity,
        previous=row.previous,
        room=row.room,
        confidence=row.confidence,
        probabilities=json.loads(row.probabilities),
        started_at=from_ms(row.started_ms, row.utc_offset_s),
        ended_at=None if row.ended_ms is None else from_ms(row.ended_ms, row.utc_offset_s),
        camera=row.camera,
        node=row.node,
    )


def offset_s(instant: datetime) -> int:
    """Seconds that an instant's zone is ahead of UTC."""
    return int((instant.utcoffset() or timedelta(0)).total_seconds())


def to_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970 UTC."""
    return (instant - _1970) // _MS


def from_ms(milliseconds: int, utc_offset_s: int) -> datetime:
    """The instant again, with the offset from UTC that it was said in."""
    zone = timezone(timedelta(seconds=utc_offset_s))
    return (_1970 + milliseconds * _MS).astimezone(zone)
