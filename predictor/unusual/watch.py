"""Follows a home as it lives and says what is unusual now; pure, like the model beside it.

`too_long`, an activity that lasts longer than it does; `quiet`, nothing seen for longer than usual
at this hour; `at_odd_hour`, an activity that begins when it seldom does: each has a bound from the
home's own past (`Budget`). `not_yet` is something of every day that is late; what that is of, is
chosen so that it was seldom left out.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal, get_args

import numpy as np

from predictor.models.online import hour_of
from predictor.unusual.budget import DAYS_PER_MONTH, N_CALIBRATED, Budget
from predictor.unusual.habits import DailyHabit, Mask, UsualHours, UsualLengths, begin_of, day_of

Kind = Literal["not_yet", "too_long", "at_odd_hour", "quiet"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ENOUGH_DAYS = 21
"""Nothing is told before so many days: three weekends."""
WARM_UP_DAYS = 7
"""Days whose probabilities say nothing, for the habits were not known."""
SHARES: Mapping[Kind, float] = {"not_yet": 0.6, "too_long": 0.15, "at_odd_hour": 0.15, "quiet": 0.1}
"""Of the false alarms that are allowed, by kind."""
LATE = 0.0005
"""Later than on all but one in two thousand days on which it is done at all."""
LEAST_STARTS = 4
"""A day with fewer activities was not watched, or nobody was at home."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something unusual.

    Attributes:
        kind: What kind of thing.
        activity: Of which activity; for ``quiet`` the one that was seen last.
        probability: Of something as far out, or further.
        since: When it began; for ``not_yet`` the median of its time.
        words: A sentence for people.
    """

    kind: Kind
    activity: str
    probability: float
    since: datetime
    words: str


@dataclass(frozen=True, slots=True)
class RunningActivity:
    """What goes on, since when, and how odd the hour was."""

    activity: str
    at: datetime
    odd: float = 1.0
    """How probable an hour as odd as its beginning was."""


@dataclass(slots=True)
class UnusualWatch:
    """What is known of one home's habits, and what goes on.

    Attributes:
        per_month: False alarms a month that all kinds together may cause.
        enough_days: Nothing is told before so many days.
        is_paused: Nothing is learnt and nothing told: guests, or a vacation.
        is_holiday: Days are like those of a weekend.
        n_days: Days that were learnt from.
        holidays: Days that were like those of a weekend.
    """

    per_month: float = 1.0
    enough_days: int = ENOUGH_DAYS
    is_paused: bool = False
    is_holiday: bool = False
    n_days: int = 0
    holidays: set[int] = field(default_factory=set)
    _lengths: dict[str, UsualLengths] = field(default_factory=dict)
    _pauses: UsualLengths = field(default_factory=UsualLengths)
    _hours: dict[str, UsualHours] = field(default_factory=dict)
    _daily: dict[str, DailyHabit] = field(default_factory=dict)
    _every_day: list[str] = field(default_factory=list)
    _alike: dict[tuple[int, str], Mask] = field(default_factory=dict)
    _told_late: deque[bool] = field(default_factory=lambda: deque(maxlen=N_CALIBRATED))
    _budgets: dict[Kind, Budget] = field(init=False)
    _running: RunningActivity | None = None
    _ended: RunningActivity | None = None
    _day: int | None = None
    _part_day: int | None = None
    _today: dict[str, float] = field(default_factory=dict)
    _lowest: dict[Kind, float] = field(default_factory=dict)
    _n_starts: int = 0

    def __post_init__(self) -> None:
        """Share the budget out."""
        self._budgets = {
            kind: Budget(self.per_month * share)
            for kind, share in SHARES.items()
            if kind != "not_yet"
        }

    def observe(self, activity: str, at: datetime) -> None:
        """Take in that an activity started."""
        if self.is_paused:
            return
        self._begin_day(at)
        if self._running and self._running.activity == activity:
            return  # it goes on, in another room perhaps
        self._close(at)
        if self._ended:
            hour, pause_s = hour_of(self._ended.at), (at - self._ended.at).total_seconds()
            self._note("quiet", self._pauses.tail(pause_s, hour))
            self._pauses.add(pause_s, hour)
        hours = self._hours.setdefault(activity, UsualHours())
        odd = hours.tail(hour_of(at))
        self._note("at_odd_hour", odd)
        hours.add(hour_of(at))
        self._today.setdefault(activity, self._minutes(at))
        self._n_starts += 1
        self._running, self._ended = RunningActivity(activity, at, odd), None

    def end(self, at: datetime) -> None:
        """Take in that the running activity ended, and nothing has followed yet."""
        if self.is_paused or self._running is None:
            return
        self._begin_day(at)
        activity = self._running.activity
        self._close(at)
        self._ended = RunningActivity(activity, at)

    def pause(self, is_paused: bool, at: datetime) -> None:
        """Stop to learn and to tell, or go on; the day of either is not learnt from."""
        if is_paused != self.is_paused:
            self.is_paused = is_paused
            self._part_day = day_of(at)
            self._running = self._ended = self._day = None
            self._forget_today()

    def set_holiday(self, is_on: bool, at: datetime) -> None:
        """Take in that from now on days are like those of a weekend, or no longer."""
        self.is_holiday = is_on
        self._alike.clear()
        if is_on and day_of(at) == self._day:
            self.holidays.add(self._day)

    def findings(self, at: datetime, *, watched_since: datetime | None = None) -> list[Finding]:
        """Say what is unusual now, the least probable first.

        Args:
            at: Now.
            watched_since: Since when cameras have spoken; what is usually done before then may have
                been done unseen. None: all the time.
        """
        if self.is_paused or self.n_days < self.enough_days:
            return []
        found = [*self._of_running(at), *self._of_quiet(at), *self._of_late(at, watched_since)]
        return sorted(found, key=lambda finding: finding.probability)

    def past(self) -> tuple[int, int]:
        """Return how many past days calibrate it, and on how many it would have told something."""
        days = list(zip(*(budget.told() for budget in self._budgets.values()), strict=True))
        late = list(self._told_late)[-len(days) :] if days else []
        told = [any(day) or was_late for day, was_late in zip(days, late, strict=True)]
        return len(days), sum(told)

    def _of_running(self, at: datetime) -> list[Finding]:
        now = self._running
        if now is None:
            return []
        found = []
        name, lengths = _plain(now.activity), self._lengths.get(now.activity)
        elapsed_s = (at - now.at).total_seconds()
        tail = lengths.tail(elapsed_s, hour_of(now.at)) if lengths else 1.0
        if lengths and tail < self._budgets["too_long"].bound:
            words = (
                f"{name} for {_length(elapsed_s)}; half of the times it took "
                f"{_length(lengths.usual(0.5))}, 95 % {_length(lengths.usual(0.95))} at most"
            )
            found.append(Finding("too_long", now.activity, tail, now.at, words))
        if now.odd < self._budgets["at_odd_hour"].bound:
            words = f"{name} at {now.at:%H:%M}, when it seldom begins"
            found.append(Finding("at_odd_hour", now.activity, now.odd, now.at, words))
        return found

    def _of_quiet(self, at: datetime) -> list[Finding]:
        last = self._ended
        if last is None:
            return []
        pause_s = (at - last.at).total_seconds()
        tail = self._pauses.tail(pause_s, hour_of(last.at))
        if tail >= self._budgets["quiet"].bound:
            return []
        words = f"nothing seen for {_length(pause_s)}, since {_plain(last.activity)} ended"
        return [Finding("quiet", last.activity, tail, last.at, words)]

    def _of_late(self, at: datetime, watched_since: datetime | None) -> list[Finding]:
        day, found = day_of(at), []
        begin = begin_of(day, at)
        today = self._today if day == self._day else {}
        for activity in self._every_day:
            if activity in today:
                continue
            habit, alike = self._daily[activity], self._days_like(day, activity)
            tail = habit.tail(self._minutes(at), alike)
            if tail < LATE:
                half, most = (begin + timedelta(minutes=habit.usual(p, alike)) for p in (0.5, 0.95))
                if watched_since is not None and half < watched_since:
                    continue
                words = f"{_plain(activity)} usually by {half:%H:%M}, 95 % by {most:%H:%M}, not yet"
                found.append(Finding("not_yet", activity, tail, half, words))
        return found

    def _find_every_day(self) -> list[str]:
        """Return what is done on every day: as much as may be left out without a false alarm."""
        left = self.per_month * SHARES["not_yet"] / DAYS_PER_MONTH
        rates = [
            (habit.breaking_rate(), habit.spread(), name)
            for name, habit in self._daily.items()
            if habit.minutes and habit.is_punctual()
        ]
        found = []
        for rate, _, name in sorted(rates):
            left -= rate
            if left < 0.0:
                break
            found.append(name)
        return found

    def _days_like(self, day: int, activity: str) -> Mask:
        """Tell which past days of a habit are like this one, shape (days,)."""
        if (day, activity) not in self._alike:
            days = np.array(self._daily[activity].days, int)
            is_weekend = (days + 6) % 7 >= 5  # as `date.fromordinal(day).weekday()` counts
            were_free = is_weekend | np.isin(days, [*self.holidays])
            self._alike[day, activity] = were_free == self._is_free(day)
        return self._alike[day, activity]

    def _is_free(self, day: int) -> bool:
        is_to_come = self._day is not None and day > self._day
        is_holiday = day in self.holidays or (self.is_holiday and is_to_come)
        return is_holiday or date.fromordinal(day).weekday() >= 5

    def _begin_day(self, at: datetime) -> None:
        day = day_of(at)
        if self._day is not None and day > self._day:
            if self._n_starts >= LEAST_STARTS and self._day != self._part_day:
                self._learn_day(self._day)
            self._forget_today()
        if self.is_holiday and day != self._day:
            self.holidays.add(day)
        self._day = day if self._day is None else max(day, self._day)

    def _learn_day(self, day: int) -> None:
        activities = self._daily.keys() | self._today.keys()
        late = {activity for activity in activities if self._is_late(day, activity)}
        self._told_late.append(not late.isdisjoint(self._every_day))
        for activity in activities:
            habit = self._daily.setdefault(activity, DailyHabit())
            habit.add(day, self._today.get(activity), was_late=activity in late)
        self._alike.clear()
        self._every_day = self._find_every_day()
        self.n_days += 1
        if self.n_days > WARM_UP_DAYS:
            for kind, budget in self._budgets.items():
                budget.add(self._lowest.get(kind, 1.0))

    def _is_late(self, day: int, activity: str) -> bool:
        if activity not in self._daily or activity not in self._today:
            return activity in self._daily
        alike = self._days_like(day, activity)
        return self._daily[activity].tail(self._today[activity], alike) < LATE

    def _forget_today(self) -> None:
        self._today, self._lowest, self._n_starts = {}, {}, 0

    def _close(self, at: datetime) -> None:
        if self._running:
            length_s, hour = (at - self._running.at).total_seconds(), hour_of(self._running.at)
            lengths = self._lengths.setdefault(self._running.activity, UsualLengths())
            self._note("too_long", lengths.tail(length_s, hour))
            lengths.add(length_s, hour)
            self._running = None

    def _note(self, kind: Kind, probability: float) -> None:
        self._lowest[kind] = min(probability, self._lowest.get(kind, 1.0))

    def _minutes(self, at: datetime) -> float:
        """Minutes since the running day began."""
        begin = begin_of(day_of(at), at)
        return (at - begin).total_seconds() / 60.0


def _plain(activity: str) -> str:
    return activity.replace("_", " ")


def _length(seconds: float) -> str:
    minutes = round(seconds / 60.0)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
