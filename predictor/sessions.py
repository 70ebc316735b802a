"""Sessions: stretches of activity in order, raw or merged, and the days that they fall on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from predictor.outlook import MERGE_GAP_S

TRAIN_SHARE = 0.7
"""Share of the days with data that come before the test days."""


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


@dataclass(frozen=True, slots=True)
class Case:
    """A question with its answer: what follows session `current`? Session `target` does."""

    current: int
    target: int


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


def cases(sessions: Sequence[Session], *, repeats: bool) -> list[Case]:
    """Pair each session with the one that it is asked for.

    Args:
        sessions: In the order of their starts.
        repeats: Whether the target is simply the next one; otherwise the next different one.
    """
    found = []
    target = len(sessions)
    for current in range(len(sessions) - 2, -1, -1):
        if repeats or sessions[current].activity != sessions[current + 1].activity:
            target = current + 1
        if target < len(sessions):
            found.append(Case(current, target))
    return found[::-1]


def first_test_day(sessions: Sequence[Session]) -> date:
    """Return the first of the last 30 % of the days on which a session starts."""
    days = sorted({session.started_at.date() for session in sessions})
    return days[int(TRAIN_SHARE * len(days))]


def asked_at(sessions: Sequence[Session], case: Case, *, at: str) -> datetime:
    """Return the instant of the question: the start or the end of the current session.

    Sessions may overlap: an end after the start of the next one is not yet known when that starts.
    """
    current = sessions[case.current]
    if at == "start":
        return current.started_at
    return min(current.ended_at, sessions[case.current + 1].started_at)
