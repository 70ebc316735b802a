"""Sessions: stretches of activity in order, raw or merged, and the days that they fall on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

MERGE_GAP_S = 1800.0
"""An activity that is taken up again within this time (30 min) is one session."""


@dataclass(frozen=True, slots=True)
class Session:
    """One stretch of an activity.

    Attributes:
        activity: Its label.
        started_at: Its start, timezone-aware, in the home's zone.
        ended_at: Its end, not before its start.
        room: Where; ``None`` where the log has no rooms.
    """

    activity: str
    started_at: datetime
    ended_at: datetime
    room: str | None = None


def merge(sessions: Sequence[Session]) -> list[Session]:
    """Merge consecutive sessions of one activity with a gap under 30 minutes; a view, no loss."""
    merged: list[Session] = []
    for session in sessions:
        if merged and merged[-1].activity == session.activity:
            gap = session.started_at - merged[-1].ended_at
            if gap.total_seconds() < MERGE_GAP_S:
                ended_at = max(merged[-1].ended_at, session.ended_at)
                merged[-1] = replace(merged[-1], ended_at=ended_at)
                continue
        merged.append(session)
    return merged
