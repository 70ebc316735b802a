"""Times to the next start: honest quantiles that move as time passes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.estimators.durations import N_KEPT, WIDEST, Begun, Durations
from predictor.estimators.evidence import Lengths
from predictor.estimators.quantiles import TimeDistribution


def _durations(samples: list[float], *, hour: float = 8.0) -> Durations:
    durations = Durations()
    durations.grow(1)
    for day, seconds in enumerate(samples):
        durations.add(Begun(0, -1, hour, float(day)), seconds)
    return durations


def _now(hour: float = 8.0) -> Begun:
    return Begun(0, -1, hour, 200.0)


def test_the_median_is_that_of_the_same_time_of_day() -> None:
    durations = Durations()
    durations.grow(1)
    for day in range(40):
        durations.add(Begun(0, -1, 23.5, float(day)), 8 * 3600.0)
        durations.add(Begun(0, -1, 14.0, float(day)), 1800.0)
    night = durations.remaining(Begun(0, -1, 0.5, 40.0), day=40.0, elapsed_s=0.0)
    noon = durations.remaining(Begun(0, -1, 13.0, 40.0), day=40.0, elapsed_s=0.0)
    assert night.quantile(0.5) == pytest.approx(8 * 3600, rel=0.01)
    assert noon.quantile(0.5) == pytest.approx(1800, rel=0.01)


def test_what_is_over_by_now_no_longer_counts() -> None:
    durations = _durations([600.0] * 30 + [7200.0] * 30)
    left = durations.remaining(_now(), day=200.0, elapsed_s=3600.0)
    assert left.quantile(0.5) == pytest.approx(3600.0, rel=0.05)


def test_lasting_longer_than_ever_is_not_the_end() -> None:
    left = _durations([600.0] * 10).remaining(_now(), day=200.0, elapsed_s=10**9)
    assert 0 < left.quantile(0.1) < left.quantile(0.5) < left.quantile(0.9) < 10**10


@given(
    st.lists(st.floats(0, 10**6), max_size=40),
    st.floats(0, 10**6),
    st.floats(0, 23.99),
)
def test_quantiles_are_ordered_and_positive(
    samples: list[float], elapsed_s: float, hour: float
) -> None:
    left = _durations(samples).remaining(_now(hour), day=200.0, elapsed_s=elapsed_s)
    quantiles = [left.quantile(share) for share in (0.05, 0.1, 0.5, 0.9, 0.95)]
    assert quantiles == sorted(quantiles)
    assert quantiles[0] >= 0


def test_four_in_five_times_fall_inside_even_if_life_gets_wilder() -> None:
    random = np.random.default_rng(0)
    durations = _durations(list(random.lognormal(6, 0.3, 200)))
    inside = []
    for day, seconds in enumerate(random.lognormal(6, 1.5, 400), start=200):
        expected = durations.remaining(Begun(0, -1, 8.0, day), day=day, elapsed_s=0.0)
        inside.append(expected.quantile(0.1) <= seconds <= expected.quantile(0.9))
        durations.add(Begun(0, -1, 8.0, float(day)), float(seconds))
    assert 0.75 <= np.mean(inside[50:]) <= 0.85


def test_memory_stays_flat() -> None:
    durations = _durations([float(each) for each in range(3 * N_KEPT)])
    assert durations.seconds.shape == (1, N_KEPT)
    assert durations.seconds.min() == 2 * N_KEPT


def test_widening_keeps_the_median() -> None:
    spread = TimeDistribution(np.array([10.0, 100.0, 1000.0]), np.array([0.1, 0.5, 0.9]))
    wider = spread.widened(1.5)
    assert wider.quantile(0.5) == pytest.approx(100.0)
    assert wider.quantile(0.1) < 10.0 < 1000.0 < wider.quantile(0.9)


def test_a_length_points_to_the_activity_that_lasts_so_long() -> None:
    lengths = Lengths()
    lengths.grow(2)
    for _ in range(20):
        lengths.add(np.array([1.0, 0.0]), 4.0)
        lengths.add(np.array([0.0, 1.0]), 3600.0)
    short, long = lengths.likelihood(5.0), lengths.likelihood(3000.0)
    assert short[0] > 10 * short[1]
    assert long[1] > 10 * long[0]


def test_a_home_like_clockwork_keeps_its_spread() -> None:
    """Habits without any spread cannot be covered better by widening it without end."""
    durations = _durations([3600.0] * 400)
    assert abs(durations.widening) <= WIDEST
    left = durations.remaining(_now(), day=400.0, elapsed_s=0.0)
    assert left.quantile(0.9) - left.quantile(0.1) < 600.0
    durations.widening = WIDEST
    with np.errstate(all="raise"):
        durations.add(Begun(0, -1, 8.0, 401.0), 30 * 86400.0)
        durations.remaining(_now(), day=401.0, elapsed_s=60 * 86400.0)
    assert durations.widening == WIDEST


def test_who_sleeps_until_seven_is_told_from_who_sleeps_eight_hours() -> None:
    random = np.random.default_rng(0)
    durations = Durations()
    durations.grow(2)
    for day in range(60):
        hour = float(random.uniform(21.0, 25.0))
        begun = {"before": -1, "hour": hour % 24.0, "day": float(day)}
        durations.add(Begun(0, **begun), 3600.0 * (31.0 - hour))
        durations.add(Begun(1, **begun), 8 * 3600.0)
    late = {"before": -1, "hour": 0.9, "day": 60.0}
    until, eight = (
        durations.remaining(Begun(activity, **late), day=60.0, elapsed_s=0.0)
        for activity in range(2)
    )
    assert until.quantile(0.5) == pytest.approx(6.1 * 3600.0, rel=0.02)
    assert eight.quantile(0.5) == pytest.approx(8.0 * 3600.0, rel=0.02)
    assert durations.trust[0, -2:].sum() > 0.7 > 0.3 > durations.trust[1, -2:].sum()
