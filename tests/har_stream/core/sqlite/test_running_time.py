"""Running time goes on over restarts, never back, and no damaged number moves it."""

import math

import pytest

from har_stream.core.sqlite.running_time import RunningTime, most_at_once


def test_it_goes_on_where_the_last_run_left_it() -> None:
    uptime_s = 5000.0
    first = RunningTime([], monotonic=lambda: uptime_s)
    assert first.now_s() == 0
    uptime_s += 60
    kept_s = first.now_s()
    assert kept_s == 60
    uptime_s = 3.0  # the machine was started again
    second = RunningTime([40, kept_s], monotonic=lambda: uptime_s)
    assert second.now_s() == 60
    uptime_s += 5
    assert second.now_s() == 65


@pytest.mark.parametrize("damaged", [math.nan, math.inf, -1.0, 1e300, None, "60", b"\xff"])
def test_a_damaged_number_counts_for_nothing(damaged: object) -> None:
    assert RunningTime([damaged, 60.0], monotonic=lambda: 0.0).now_s() == 60


def test_one_step_takes_a_tenth_and_a_small_store_is_not_kept_waiting() -> None:
    assert [most_at_once(n) for n in (0, 99, 5_000, 100_000)] == [100, 100, 500, 10_000]
