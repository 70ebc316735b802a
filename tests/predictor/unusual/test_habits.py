"""Tails of lengths, hours and daily times: against scipy, and against what a person would say."""

import numpy as np
import pytest
from scipy.stats import t

from predictor.unusual.habits import ENOUGH, DailyHabit, UsualHours, UsualLengths

DAYS = 40


def _habit(minutes: list[float]) -> tuple[DailyHabit, np.ndarray]:
    habit = DailyHabit()
    for day, at in enumerate(minutes):
        habit.add(day, at, was_late=False)
    return habit, np.ones(len(minutes), bool)


def test_a_length_has_the_tail_of_a_students_t() -> None:
    random = np.random.default_rng(0)
    logs = random.normal(6.0, 0.5, 80)
    lengths = UsualLengths()
    for log in logs:
        lengths.add(float(np.expm1(log)), 9.0)
    n, spread = len(logs), np.hypot(logs.std(), 0.1)
    for asked in (6.0, 7.0, 8.0):
        far = (asked - logs.mean()) / (spread * np.sqrt(1 + 1 / n))
        expected = t.sf(far, n - 1)
        assert lengths.tail(float(np.expm1(asked)), 9.0) == pytest.approx(expected, rel=1e-6)


def test_a_length_is_compared_with_those_of_its_hour() -> None:
    """Hours of sleep at noon are longer than a nap, though a night is longer still."""
    lengths = UsualLengths()
    random = np.random.default_rng(0)
    for _ in range(30):
        lengths.add(3600 * float(random.normal(8.0, 0.3)), 23.0)
        lengths.add(60 * float(random.normal(30.0, 3.0)), 13.0)
    assert lengths.tail(3 * 3600.0, 13.0) < 0.05 < 0.5 < lengths.tail(3 * 3600.0, 23.0)


def test_of_few_samples_nothing_is_said() -> None:
    lengths, hours = UsualLengths(), UsualHours()
    for _ in range(ENOUGH - 1):
        lengths.add(60.0, 8.0)
        hours.add(8.0)
    assert lengths.tail(1e6, 8.0) == hours.tail(3.0) == 1.0
    habit, alike = _habit([60.0] * (ENOUGH - 1))
    assert habit.tail(900.0, alike) == 1.0


def test_an_hour_is_the_odder_the_further_it_is_from_all_others() -> None:
    hours = UsualHours()
    for hour in np.random.default_rng(0).normal(12.5, 0.5, 100):
        hours.add(float(hour))
    tails = [hours.tail(hour) for hour in (12.5, 14.5, 16.0, 20.0, 3.0)]
    assert tails == sorted(tails, reverse=True)
    assert tails[0] == pytest.approx(1.0)
    assert tails[-1] < 1e-5


def test_midnight_is_no_border() -> None:
    hours = UsualHours()
    for hour in (23.0, 23.5, 0.0, 0.5, 1.0) * 10:
        hours.add(hour)
    assert hours.tail(23.9) > 0.3
    assert hours.tail(0.1) > 0.3


def test_weekends_are_told_apart_only_where_they_differ() -> None:
    random = np.random.default_rng(0)
    free = np.array([day % 7 >= 5 for day in range(70)])
    for late_min, is_apart in ((90.0, True), (0.0, False)):
        habit = DailyHabit()
        for day in range(70):
            at = float(random.normal(240.0 + late_min * free[day], 10.0))
            habit.add(day, at, was_late=False)
        workday, weekend = (habit.tail(310.0, kind[-60:]) for kind in (~free, free))
        assert workday < 0.001
        assert (weekend > 0.5) == is_apart


def test_one_day_far_out_widens_nothing() -> None:
    times = [240.0 + n % 7 for n in range(DAYS)]
    habit, alike = _habit(times)
    with_one, alike_too = _habit([*times[:-1], 900.0])
    assert with_one.tail(330.0, alike_too) == pytest.approx(habit.tail(330.0, alike), rel=0.5)


def test_a_habit_that_is_broken_is_believed_less() -> None:
    habit, _ = _habit([240.0] * DAYS)
    kept = habit.breaking_rate()
    habit.add(DAYS, None, was_late=True)
    assert kept == pytest.approx(0.1 / (DAYS + 1))
    assert habit.breaking_rate() == pytest.approx(1.1 / (DAYS + 2))
