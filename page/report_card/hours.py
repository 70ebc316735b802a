"""How the days were spent: hours a day of each activity, this week and in the four before."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from predictor.journal.records import Bout

WEEK = timedelta(days=7)
N_WEEKS_BEFORE = 4


@dataclass(frozen=True, slots=True)
class ActivityHours:
    """Hours a day of one activity.

    Attributes:
        activity: Its label.
        this_week: In the last seven days.
        before: In the four weeks before them, or as much of them as there is; ``None`` without any.
    """

    activity: str
    this_week: float
    before: float | None


def count_hours(
    bouts: Iterable[Bout], *, now: datetime, first_at: datetime | None
) -> list[ActivityHours]:
    """Count hours a day of each activity, the longest first; two cameras that agree count once.

    Args:
        bouts: Stretches of the last five weeks.
        now: The home's time.
        first_at: When the journal begins.
    """
    week = (now - WEEK, now)
    earlier = (max(now - (N_WEEKS_BEFORE + 1) * WEEK, first_at or now), now - WEEK)
    n_days = max(0.0, (earlier[1] - earlier[0]) / timedelta(days=1))
    n_days_week = min(7.0, max(1.0, (now - (first_at or now)) / timedelta(days=1)))
    stretches: defaultdict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for bout in bouts:
        stretches[bout.activity].append((bout.started_at, bout.ended_at or now))
    found = [
        ActivityHours(
            activity,
            _hours_within(each, week) / n_days_week,
            _hours_within(each, earlier) / n_days if n_days >= 1.0 else None,
        )
        for activity, each in stretches.items()
    ]
    return sorted(found, key=lambda hours: -max(hours.this_week, hours.before or 0.0))


def _hours_within(
    stretches: Iterable[tuple[datetime, datetime]], span: tuple[datetime, datetime]
) -> float:
    total, reached = timedelta(0), span[0]
    for start, end in sorted(stretches):
        start, end = max(start, reached), min(end, span[1])
        if start < end:
            total, reached = total + (end - start), end
    return total / timedelta(hours=1)
