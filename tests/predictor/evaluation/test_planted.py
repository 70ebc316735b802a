"""Changes are planted as they say, and what is told of them is counted."""

from datetime import timedelta

import numpy as np
import pytest
from support.regular_home import DAY, home

from predictor.evaluation.planted import (
    FOUND_WITHIN,
    LONG,
    judge,
    leave_out,
    lengthen,
    per_month,
    table,
    wake,
)
from predictor.sessions import Session
from predictor.unusual.watch import ENOUGH_DAYS

N_DAYS = 36


def _days(n_days: int) -> list[list[Session]]:
    sessions = home(n_days)
    return [sessions[number * len(DAY) : (number + 1) * len(DAY)] for number in range(n_days)]


def test_each_change_is_what_it_says() -> None:
    *past, today = _days(30)
    random = np.random.default_rng(0)
    missed = leave_out(past, today, random)
    assert missed is not None
    assert {each.activity for each in today} - {each.activity for each in missed.day} == {
        missed.activity
    }
    night = wake(past, today, random)
    assert night is not None
    (put_in,) = [each for each in night.day if each.ended_at - each.started_at == LONG]
    assert put_in.started_at == night.since
    assert 1.0 <= put_in.started_at.hour <= 3.0
    assert lengthen(past, today, random) is None, "nothing here takes less than half an hour"
    short = [
        [Session("wash", day[1].started_at, day[1].started_at + timedelta(minutes=9))]
        for day in past
    ]
    long = lengthen(short, short[-1], random)
    assert long is not None
    assert long.day[0].ended_at - long.day[0].started_at == LONG
    assert long.since == long.day[0].started_at + timedelta(minutes=9)


def test_a_home_of_regular_days_is_judged() -> None:
    verdict = judge(home(N_DAYS), seed=0)
    assert verdict.n_days == N_DAYS - ENOUGH_DAYS - 1
    for name in ("left out", "up at night"):
        found = verdict.planted[name]
        assert len(found) >= 4
        assert all(found), name
    assert len(verdict.false_alarms) <= 1
    rows = dict(table([verdict]))
    n_found = len(verdict.planted["left out"])
    assert rows["left out: found within an hour"] == f"{n_found} of {n_found}, 100%"
    assert timedelta(hours=1) == FOUND_WITHIN


@pytest.mark.parametrize(
    ("n_alarms", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39)]
)
def test_the_interval_is_that_of_garwood(n_alarms: int, low: float, high: float) -> None:
    """Published bounds of a Poisson mean; thirty days are a month."""
    assert per_month(n_alarms, 30) == pytest.approx((n_alarms, low, high), rel=1e-3)
