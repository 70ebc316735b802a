"""What is unusual is told and cleared, each kind of it; what is usual is not."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from predictor.unusual.watch import ENOUGH_DAYS, WARM_UP_DAYS, Finding, UnusualWatch

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
DAY = (
    # activity, hour, length in minutes
    ("breakfast", 8.0, 20.0),
    ("bathroom", 8.5, 10.0),
    ("lunch", 12.5, 30.0),
    ("bathroom", 15.0, 8.0),
    ("dinner", 18.5, 40.0),
    ("tv", 20.0, 90.0),
    ("sleeping", 23.0, 450.0),
)


def _day(
    day: int, *, weekend_h: float = 0.0, seed: int = 0
) -> Iterator[tuple[str, datetime, datetime]]:
    """What is done on a day, from when to when; days are alike but for some minutes."""
    random = np.random.default_rng([seed, day])
    at = free_at = START + timedelta(days=day)
    later_h = weekend_h if at.weekday() >= 5 else 0.0
    for activity, hour, minutes in DAY:
        start = at + timedelta(hours=hour + later_h, minutes=float(random.normal(0, 8)))
        start = max(start, free_at)
        noise = float(random.normal(0, 0.2 if minutes < 120 else 0.02))
        free_at = start + timedelta(minutes=minutes * float(np.exp(noise)))
        yield activity, start, free_at


def _live(watch: UnusualWatch, days: range, *, weekend_h: float = 0.0, seed: int = 0) -> None:
    for day in days:
        for activity, start, end in _day(day, weekend_h=weekend_h, seed=seed):
            watch.observe(activity, start)
            watch.end(end)


@pytest.fixture(scope="module")
def grown() -> UnusualWatch:
    watch = UnusualWatch()
    _live(watch, range(60))
    return watch


@pytest.fixture
def watch(grown: UnusualWatch) -> UnusualWatch:
    """After sixty days; the sixty-first begins, and all are asleep."""
    return copy.deepcopy(grown)


def _at(hour: float, day: int = 60) -> datetime:
    return START + timedelta(days=day, hours=hour)


def _told(watch: UnusualWatch, at: datetime) -> list[tuple[str, str]]:
    return [(finding.kind, finding.activity) for finding in watch.findings(at)]


def _finding(watch: UnusualWatch, at: datetime) -> Finding:
    (finding,) = watch.findings(at)
    return finding


def test_a_breakfast_that_does_not_begin_is_told_and_cleared(watch: UnusualWatch) -> None:
    watch.observe("bathroom", _at(7.9))
    watch.end(_at(8.0))
    assert _told(watch, _at(8.3)) == []
    late = _finding(watch, _at(9.5))
    assert (late.kind, late.activity) == ("not_yet", "breakfast")
    assert late.words == "breakfast usually by 07:59, 95 % by 08:07, not yet"
    assert late.probability < 0.0005
    watch.observe("breakfast", _at(9.6))
    assert _told(watch, _at(9.7)) == []


def test_a_long_visit_is_told_within_an_hour_and_ends(watch: UnusualWatch) -> None:
    watch.observe("breakfast", _at(8.0))
    watch.observe("bathroom", _at(8.5))
    assert _told(watch, _at(8.7)) == []
    long = _finding(watch, _at(9.5))
    assert (long.kind, long.activity) == ("too_long", "bathroom")
    assert long.words.startswith("bathroom for 60 min; half of the times it took ")
    watch.end(_at(9.6))
    assert _told(watch, _at(9.7)) == []


def test_what_begins_at_an_odd_hour_is_told_at_once(watch: UnusualWatch) -> None:
    watch.observe("tv", _at(6.75))
    odd = _finding(watch, _at(6.75))
    assert (odd.kind, odd.activity) == ("at_odd_hour", "tv")
    assert odd.words == "tv at 06:45, when it seldom begins"
    watch.end(_at(6.8))
    assert _told(watch, _at(6.9)) == []


def test_nothing_seen_for_long_is_told(watch: UnusualWatch) -> None:
    watch.observe("breakfast", _at(8.0))
    watch.observe("bathroom", _at(8.5))
    watch.observe("lunch", _at(12.5))
    watch.end(_at(13.0))
    assert ("quiet", "lunch") not in _told(watch, _at(15.2))
    told = {each.kind: each for each in watch.findings(_at(22.5))}
    assert told["quiet"].words == "nothing seen for 9.5 h, since lunch ended"
    watch.observe("dinner", _at(22.6))
    assert ("quiet", "lunch") not in _told(watch, _at(22.7))


def test_usual_days_are_seldom_told() -> None:
    n_told, n_days = 0, 60
    for seed in range(2):
        watch = UnusualWatch()
        _live(watch, range(ENOUGH_DAYS), seed=seed)
        for day in range(ENOUGH_DAYS, ENOUGH_DAYS + n_days):
            told = set()
            for activity, start, end in _day(day, seed=seed):
                told.update(_told(watch, start - timedelta(minutes=1)))
                watch.observe(activity, start)
                told.update(_told(watch, end))
                watch.end(end)
            n_told += bool(told)
    assert n_told / (2 * n_days / 30) < 1.5, "a month, where one is allowed"


def test_weekends_are_learnt() -> None:
    watch = UnusualWatch()
    _live(watch, range(61), weekend_h=2.0)
    for day, hour, is_late in ((61, 9.7, False), (63, 9.7, True)):
        lived = copy.deepcopy(watch)
        is_told = ("not_yet", "breakfast") in _told(lived, _at(hour, day))
        assert is_told == is_late, day


def test_a_holiday_is_like_a_weekend() -> None:
    watch = UnusualWatch()
    _live(watch, range(64), weekend_h=2.0)
    assert ("not_yet", "breakfast") in _told(watch, _at(9.7, 64))
    watch.set_holiday(True, _at(7.0, 64))
    assert ("not_yet", "breakfast") not in _told(watch, _at(9.7, 64))


def test_nothing_is_told_before_three_weeks_or_without_a_budget() -> None:
    young, silent = UnusualWatch(), UnusualWatch(per_month=0.0)
    _live(young, range(ENOUGH_DAYS - 1))
    _live(silent, range(60))
    for watch, day in ((young, ENOUGH_DAYS - 1), (silent, 60)):
        watch.observe("bathroom", _at(7.0, day))
        assert _told(watch, _at(11.0, day)) == []


def test_while_it_is_paused_nothing_is_told_or_learnt(watch: UnusualWatch) -> None:
    n_days = watch.n_days
    watch.pause(True, _at(7.0))
    _live(watch, range(60, 70), seed=1)
    watch.observe("tv", _at(3.0, 70))
    assert watch.findings(_at(12.0, 70)) == []
    assert watch.n_days == n_days
    watch.pause(False, _at(7.4, 71))
    assert watch.findings(_at(7.5, 71)) == []
    watch.observe("tv", _at(3.0, 72))
    assert ("at_odd_hour", "tv") in _told(watch, _at(3.1, 72))


def test_what_may_have_been_done_unseen_is_not_said_to_be_late(watch: UnusualWatch) -> None:
    watch.observe("bathroom", _at(9.4))
    watch.end(_at(9.5))
    assert ("not_yet", "breakfast") in _told(watch, _at(9.6))
    assert watch.findings(_at(9.6), watched_since=_at(9.3)) == []
    late = watch.findings(_at(15.0), watched_since=_at(9.3))
    assert [finding.activity for finding in late if finding.kind == "not_yet"] == ["lunch"]


def test_a_day_that_was_paused_breaks_no_habit(watch: UnusualWatch) -> None:
    n_days = watch.n_days
    watch.pause(True, _at(7.0))
    watch.pause(False, _at(12.0))
    for hour, activity in enumerate(("lunch", "bathroom", "dinner", "tv", "bathroom", "tv")):
        watch.observe(activity, _at(12.5 + hour))
    watch.observe("bathroom", _at(7.0, 61))
    assert watch.n_days == n_days
    assert ("not_yet", "breakfast") in _told(watch, _at(9.7, 61))


def test_it_says_how_often_its_past_would_have_been_told(watch: UnusualWatch) -> None:
    n_days, n_told = watch.past()
    assert n_days == watch.n_days - WARM_UP_DAYS
    assert n_told <= 3
