"""How well the unusual is found: changes planted into a log's days, and what it tells of the rest.

A home is lived through once. On some days a copy of what is known lives through the day once more,
with one change: something of every day is left out, a short visit lasts hours, somebody is up at
night. Each must be told within an hour; what is told of days as they were is a false alarm.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
from scipy.stats import chi2

from predictor.sessions import Session
from predictor.unusual.budget import DAYS_PER_MONTH
from predictor.unusual.habits import ENOUGH, N_RECENT, begin_of, day_of
from predictor.unusual.watch import ENOUGH_DAYS, KINDS, Finding, UnusualWatch

STEP = timedelta(minutes=5)
"""So often it is asked what is unusual."""
FOUND_WITHIN = timedelta(hours=1)
EVERY_DAYS = 3
"""Changes are planted on every third day, so that the days between are as they were."""
LONG = timedelta(hours=3)
"""How long a planted visit lasts, and somebody is up at night."""
SHORT_S = 30 * 60.0
"""A visit is something that takes no longer than this on most occasions."""
BREAKFAST = "breakfast"
_NIGHT_H = (0.0, 5.0)
Day = Sequence[Session]


@dataclass(slots=True)
class Judgement:
    """What was found of one home.

    Attributes:
        n_days: Days that were judged, beginning with the first on which anything may be told.
        false_alarms: What was told of days as they were, with the instant.
        planted: Per kind of change, whether each one was found within an hour.
    """

    n_days: int = 0
    false_alarms: list[tuple[datetime, Finding]] = field(default_factory=list)
    planted: dict[str, list[bool]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlantedChange:
    """A day with a change, and what must be told of it.

    Attributes:
        day: The day's sessions.
        since: From when on it can be told.
        activity: Of which activity; none: any.
    """

    day: Day
    since: datetime
    activity: str | None


def judge(
    sessions: Sequence[Session],
    *,
    enough_days: int = ENOUGH_DAYS,
    per_month: float = 1.0,
    seed: int = 0,
) -> Judgement:
    """Live through a log, with changes planted into copies of some days.

    Args:
        sessions: In the order of their starts.
        enough_days: Days to learn from before anything is told.
        per_month: False alarms a month that are allowed.
        seed: For what is planted where.
    """
    random = np.random.default_rng(seed)
    watch, verdict = UnusualWatch(per_month=per_month, enough_days=enough_days), Judgement()
    told: set[tuple[str, str, datetime]] = set()
    days = [
        list(day) for _, day in groupby(sessions, key=lambda session: day_of(session.started_at))
    ]
    for number, day in enumerate(days):
        past, until = days[:number], _until(days, number)
        if watch.n_days >= enough_days:
            verdict.n_days += 1
            for name, plant in PLANTS.items() if number % EVERY_DAYS == 0 else ():
                change = plant(past, day, random)
                if change:
                    found = _is_found(copy.deepcopy(watch), change, until)
                    verdict.planted.setdefault(name, []).append(found)
        for at, findings in live(watch, day, until):
            for finding in findings:
                key = (finding.kind, finding.activity, finding.since)
                if key not in told:
                    told.add(key)
                    verdict.false_alarms.append((at, finding))
    return verdict


def live(
    watch: UnusualWatch, day: Day, until: datetime
) -> Iterator[tuple[datetime, list[Finding]]]:
    """Let a watch live through a day; yields what is unusual every five minutes.

    Args:
        watch: What is known so far.
        day: Sessions in their order.
        until: When the next one starts.
    """
    for number, session in enumerate(day):
        watch.observe(session.activity, session.started_at)
        yield session.started_at, watch.findings(session.started_at)
        following = day[number + 1].started_at if number + 1 < len(day) else until
        ends = min(session.ended_at, following)
        yield from _ask(watch, session.started_at, ends)
        if session.ended_at < following:
            watch.end(ends)
            yield from _ask(watch, ends, following)


def _until(days: Sequence[Day], number: int) -> datetime:
    if number + 1 < len(days):
        return days[number + 1][0].started_at
    return days[number][-1].ended_at


def _ask(
    watch: UnusualWatch, since: datetime, until: datetime
) -> Iterator[tuple[datetime, list[Finding]]]:
    at = since + STEP
    while at < until:
        yield at, watch.findings(at)
        at += STEP


def _is_found(watch: UnusualWatch, change: PlantedChange, until: datetime) -> bool:
    for at, findings in live(watch, change.day, until):
        if change.since <= at <= change.since + FOUND_WITHIN and any(
            change.activity in (None, finding.activity) for finding in findings
        ):
            return True
    return False


def leave_out(past: Sequence[Day], today: Day, random: np.random.Generator) -> PlantedChange | None:
    """Leave out breakfast; it may be told once it is later than ever on such a day.

    Where no activity is called so, the most punctual one of those that are done every day goes.
    """
    del random
    weekday = today[0].started_at.weekday()
    firsts = [_firsts(day) for day in past[-N_RECENT:]]
    alike = [
        first
        for first, day in zip(firsts, past[-N_RECENT:], strict=True)
        if (day[0].started_at.weekday() >= 5) == (weekday >= 5)
    ]
    spread = {}
    for activity in _firsts(today):
        done = [first[activity] for first in firsts if activity in first]
        if len(done) == len(firsts) or (BREAKFAST in activity.lower() and len(done) >= ENOUGH):
            spread[activity] = float(np.subtract(*np.quantile(done, (0.84, 0.16))))
    if not spread or not alike:
        return None
    activity = min(spread, key=lambda each: (BREAKFAST not in each.lower(), spread[each]))
    latest = max(first.get(activity, 0.0) for first in alike)
    left = [session for session in today if session.activity != activity]
    begin = begin_of(day_of(today[0].started_at), today[0].started_at)
    return PlantedChange(left, begin + timedelta(minutes=latest), activity) if left else None


def lengthen(past: Sequence[Day], today: Day, random: np.random.Generator) -> PlantedChange | None:
    """Let a short visit last for hours; it may be told once it is longer than 95 % of them."""
    lengths: dict[str, list[float]] = {}
    for session in (each for day in past for each in day):
        length_s = (session.ended_at - session.started_at).total_seconds()
        lengths.setdefault(session.activity, []).append(length_s)
    short = {
        activity: float(np.quantile(found, 0.95))
        for activity, found in lengths.items()
        if len(found) >= ENOUGH and np.quantile(found, 0.9) <= SHORT_S
    }
    visits = [number for number, session in enumerate(today) if session.activity in short]
    if not visits:
        return None
    chosen = today[visits[int(random.integers(len(visits)))]]
    longer = replace(chosen, ended_at=chosen.started_at + LONG)
    since = chosen.started_at + timedelta(seconds=short[chosen.activity])
    return PlantedChange(_put_in(today, longer), since, chosen.activity)


def wake(past: Sequence[Day], today: Day, random: np.random.Generator) -> PlantedChange | None:
    """Let somebody do at night what is never done then; it may be told at once."""
    hours: dict[str, list[float]] = {}
    for session in (each for day in past for each in day):
        at = session.started_at
        hours.setdefault(session.activity, []).append(at.hour + at.minute / 60.0)
    by_day = [
        activity
        for activity, found in sorted(hours.items())
        if len(found) >= ENOUGH
        and not any(_NIGHT_H[0] - 1.0 <= hour - 24.0 * (hour > 23.0) <= 6.0 for hour in found)
    ]
    if not by_day:
        return None
    activity = by_day[int(random.integers(len(by_day)))]
    begin = begin_of(day_of(today[0].started_at), today[0].started_at)
    since = begin + timedelta(hours=21.0 + float(random.uniform(0.0, 2.0)))  # from one to three
    return PlantedChange(_put_in(today, Session(activity, since, since + LONG)), since, None)


PLANTS: dict[str, Callable[[Sequence[Day], Day, np.random.Generator], PlantedChange | None]] = {
    "left out": leave_out,
    "hours long": lengthen,
    "up at night": wake,
}
"""Changes by what they are called in a table."""


def _put_in(day: Day, session: Session) -> Day:
    """Put a session into a day; what it overlaps is cut short, or goes."""
    before = [
        replace(each, ended_at=min(each.ended_at, session.started_at))
        for each in day
        if each.started_at < session.started_at
    ]
    return [*before, session, *(each for each in day if each.started_at >= session.ended_at)]


def _firsts(day: Day) -> dict[str, float]:
    """Return when each activity first began, in minutes since the day did."""
    begin = begin_of(day_of(day[0].started_at), day[0].started_at)
    firsts: dict[str, float] = {}
    for session in day:
        minutes = (session.started_at - begin).total_seconds() / 60.0
        firsts.setdefault(session.activity, minutes)
    return firsts


def per_month(n_alarms: int, n_days: int) -> tuple[float, float, float]:
    """Return alarms a month, and the exact Poisson interval of 95 % (Garwood 1936)."""
    months = n_days / DAYS_PER_MONTH
    low = chi2.ppf(0.025, 2 * n_alarms) / 2 if n_alarms else 0.0
    high = chi2.ppf(0.975, 2 * n_alarms + 2) / 2
    return n_alarms / months, float(low / months), float(high / months)


def table(verdicts: Sequence[Judgement]) -> list[tuple[str, str]]:
    """Return the rows of a table over homes: what was planted and found, what was told falsely."""
    n_days = sum(verdict.n_days for verdict in verdicts)
    rows = []
    for name in PLANTS:
        found = [each for verdict in verdicts for each in verdict.planted.get(name, ())]
        share = f"{sum(found)} of {len(found)}" + (f", {np.mean(found):.0%}" if found else "")
        rows.append((f"{name}: found within an hour", share))
    for kind in (None, *KINDS):
        n_alarms = sum(
            kind in (None, finding.kind)
            for verdict in verdicts
            for _, finding in verdict.false_alarms
        )
        if n_days:
            rate, low, high = per_month(n_alarms, n_days)
            told = f"{n_alarms} on {n_days} days, {rate:.2f} a month ({low:.2f} to {high:.2f})"
            rows.append((f"false alarms{f', {kind}' if kind else ''}", told))
    return rows
