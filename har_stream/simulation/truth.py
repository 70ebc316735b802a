"""What really happens in the simulated home: its timeline, and the same as a log on disk."""

import csv
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from har_stream.core.atomic_file import replacing
from har_stream.simulation.routine import PlannedActivity, plan

LOG_COLUMNS = ("start", "end", "activity", "room")


@dataclass(frozen=True, slots=True)
class Stay:
    """One true activity.

    Attributes:
        activity: What the resident does; ``idle``: nobody is at home.
        room: The part of the flat.
        started_at: Its first instant.
        ended_at: The next one's first instant.
    """

    activity: str
    room: str
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Course:
    """A stretch of the resident's life, and how its seconds relate to instants.

    Attributes:
        midnight: The instant from which the activities count.
        activities: In order, without gap; the first covers ``start_s`` and the last ``end_s``.
        start_s: First second that is looked at.
        end_s: Where looking ends.
    """

    midnight: datetime
    activities: tuple[PlannedActivity, ...]
    start_s: float
    end_s: float

    def instant(self, at_s: float) -> datetime:
        """Turn seconds since midnight into an instant."""
        return self.midnight + timedelta(seconds=at_s)

    def around(self, from_s: float, to_s: float) -> Sequence[PlannedActivity]:
        """Return the activities from the one before ``from_s``'s to the one of ``to_s``."""
        first, last = (bisect_right(self.activities, at, key=_end_s) for at in (from_s, to_s))
        return self.activities[max(0, first - 1) : last + 1]


def course(
    seed: int, *, start_at: datetime, days: float, past_days: int = 0, resident: int = 0
) -> Course:
    """Draw what a resident of a home does from an instant on.

    The hours are those of ``start_at``'s own zone; its days start at midnight there, and life began
    ``past_days`` before.
    """
    today = start_at.replace(hour=0, minute=0, second=0, microsecond=0)
    midnight = today - timedelta(days=past_days)
    start_s = (start_at - midnight).total_seconds()
    end_s = start_s + days * 86_400
    activities = plan(seed, end_s + 60.0, first_day=midnight.toordinal(), resident=resident)
    return Course(midnight, tuple(activities), start_s, end_s)


def truth(seed: int, *, start_at: datetime, days: float, resident: int = 0) -> list[Stay]:
    """Return the ground-truth timeline of one resident: no gap, no overlap, in order.

    Neighbours differ in activity; changes of room alone are merged under the first one's room.
    """
    made = course(seed, start_at=start_at, days=days, resident=resident)
    stays: list[Stay] = []
    for planned in made.activities:
        begins, ends = max(planned.start_s, made.start_s), min(planned.end_s, made.end_s)
        if begins >= ends:
            continue
        stay = Stay(planned.activity, planned.room, made.instant(begins), made.instant(ends))
        if stays and stays[-1].activity == stay.activity:
            last = stays.pop()
            stay = Stay(last.activity, last.room, last.started_at, stay.ended_at)
        stays.append(stay)
    return stays


def stay_at(stays: Sequence[Stay], at: datetime) -> Stay:
    """Return what happens at an instant."""
    return stays[max(0, bisect_right(stays, at, key=lambda stay: stay.started_at) - 1)]


def write_log(path: Path, stays: Iterable[Stay]) -> None:
    """Write a timeline as CSV (`start,end,activity,room`, local time), whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(LOG_COLUMNS)
        for stay in stays:
            times = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (stay.started_at, stay.ended_at))
            writer.writerow([*times, stay.activity, stay.room])


def _end_s(planned: PlannedActivity) -> float:
    return planned.end_s
