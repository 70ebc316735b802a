"""Events for tests: one home, one morning, minutes counted from eight o'clock."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from har_stream.core.activity import Change
from har_stream.mqtt.messages import ActivityEvent

BERLIN = timezone(timedelta(hours=1))
EIGHT = datetime(2026, 1, 5, 8, tzinfo=BERLIN)


def event(
    *, minute: float = 0.0, ended_minute: float | None = None, **fields: Any
) -> ActivityEvent:
    """An event that starts at ``minute`` and ends at ``ended_minute``; any field may be given."""
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "seq": 1,
        "event_type": "activity_started",
        "activity": "cooking",
        "confidence": 0.9,
        "started_at": EIGHT + timedelta(minutes=minute),
        "ended_at": None if ended_minute is None else EIGHT + timedelta(minutes=ended_minute),
        "camera": "cam1",
        "node": "n1",
    }
    return ActivityEvent(**(values | fields))


def started(activity: str, *, minute: float, seq: int, **fields: Any) -> ActivityEvent:
    """An activity that started."""
    return event(activity=activity, minute=minute, seq=seq, **fields)


ROUTINE = (
    ("sleeping", 0, "bedroom"),
    ("cooking", 20, "kitchen"),
    ("eating", 50, "kitchen"),
    ("relaxing", 90, "lounge"),
    ("walking", 240, "lounge"),
    ("cooking", 300, "kitchen"),
    ("eating", 330, "kitchen"),
    ("relaxing", 400, "lounge"),
    ("exercising", 600, "lounge"),
    ("eating", 660, "kitchen"),
    ("sleeping", 840, "bedroom"),
)
"""A day from eight o'clock: activity, its start in minutes, its room."""


def living(*, days: int, first_seq: int = 1) -> Iterator[ActivityEvent]:
    """The events of a regular life, with a little disorder that is the same every time."""
    seq = first_seq
    previous: str | None = None
    for day in range(days):
        for number, (activity, minute, room) in enumerate(ROUTINE):
            if (day + number) % 7 == 3:  # left out today
                continue
            jitter = (37 * day + 11 * number) % 13
            yield event(
                id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seq}")),
                event_type="activity_changed" if previous else "activity_started",
                activity=activity,
                previous=previous,
                room=room,
                minute=24 * 60 * day + minute + jitter,
                seq=seq,
                probabilities={activity: 0.9, "unknown": 0.1},
            )
            previous = activity
            seq += 1


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
COOKING = Change(
    camera="cam1",
    event_type="activity_started",
    activity="cooking",
    previous=None,
    probabilities={"cooking": 0.9, "eating": 0.1},
    confidence=0.9,
    started_at=NOON,
    ended_at=None,
)
