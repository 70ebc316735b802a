"""The simulated resident's days: whole, ordered, slept through at night, and the same per seed."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from har_stream.core.activity import IDLE
from har_stream.simulation.routine import ACTIVITIES, DAY_S, ROOMS, plan

SEEDS = st.integers(0, 999_999)


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_a_plan_has_no_gap_no_overlap_and_no_empty_segment(seed: int) -> None:
    activities = plan(seed, 3 * DAY_S)
    assert activities[0].start_s == 0
    assert activities[-1].end_s >= 3 * DAY_S
    for before, after in pairwise(activities):
        assert before.end_s == after.start_s
        assert after.origin == before.place
    for planned in activities:
        assert planned.end_s > planned.start_s
        assert planned.activity in ACTIVITIES
        assert planned.place in ROOMS


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_nights_are_slept_and_meals_are_cooked_before_they_are_eaten(seed: int) -> None:
    activities = plan(seed, 4 * DAY_S)
    for night in (1, 2):
        begins, ends = night * DAY_S + 21 * 3600, night * DAY_S + 34 * 3600
        slept_s = sum(
            max(0.0, min(ends, planned.end_s) - max(begins, planned.start_s))
            for planned in activities
            if planned.activity == "sleeping"
        )
        assert 3 * 3600 <= slept_s <= 11 * 3600
    for index, planned in enumerate(activities):
        if planned.activity == "eating":
            earlier = [s.activity for s in activities[:index] if s.activity != "walking"]
            assert earlier[-1] == "cooking"


def test_a_month_holds_every_activity_for_a_lifelike_time() -> None:
    hours: Counter[str] = Counter()
    for planned in plan(11, 30 * DAY_S):
        hours[planned.activity] += (planned.end_s - planned.start_s) / 3600 / 30
    assert set(hours) == set(ACTIVITIES)
    assert 7.0 < hours["sleeping"] < 9.5
    assert 2.0 < hours[IDLE] < 8.0
    assert 0.5 < hours["cooking"] < 3.0
    assert hours["walking"] < 1.5
    assert hours["fallen"] < 0.2


def test_a_longer_plan_begins_with_the_shorter_one() -> None:
    short = plan(5, DAY_S)
    assert plan(5, 3 * DAY_S)[: len(short)] == short


def test_days_and_seeds_differ() -> None:
    assert plan(1, DAY_S) != plan(2, DAY_S)
