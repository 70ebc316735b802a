"""When live frames were captured: by the stream's own clock, unless that lies."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from har_stream.cameras.sampling import StreamClock

START = datetime(2026, 3, 1, tzinfo=UTC)
INTERVAL_S = 0.04


def captured_s(arrivals: list[tuple[float, float | None]]) -> list[float]:
    """Seconds since the start at which frames were captured, of arrivals and positions."""
    clock = StreamClock()
    return [
        (clock.captured_at(START + timedelta(seconds=at_s), position_s) - START).total_seconds()
        for at_s, position_s in arrivals
    ]


def test_frames_that_a_network_held_back_keep_their_distances() -> None:
    held = [max(n * INTERVAL_S, 2.0) if 25 <= n < 50 else n * INTERVAL_S for n in range(75)]
    found = captured_s([(at_s, 700 + n * INTERVAL_S) for n, at_s in enumerate(held)])
    steps = [later - earlier for earlier, later in pairwise(found)]
    assert all(abs(step - INTERVAL_S) < 0.03 for step in steps)


def test_without_a_clock_of_its_own_arrival_counts() -> None:
    assert captured_s([(0.0, None), (0.5, None)]) == [0.0, 0.5]


def test_a_clock_that_runs_at_half_or_twice_the_speed_is_not_believed() -> None:
    for speed in (0.5, 2.0):
        arrivals = [(n * INTERVAL_S, n * INTERVAL_S * speed) for n in range(2000)]
        late = [
            at_s - found for (at_s, _), found in zip(arrivals, captured_s(arrivals), strict=True)
        ]
        assert max(late) <= 3
        assert late[-1] < 2.1


def test_a_clock_that_jumps_is_set_anew() -> None:
    positions = [n * INTERVAL_S for n in range(50)] + [5000 + n * INTERVAL_S for n in range(50)]
    found = captured_s([(n * INTERVAL_S, at_s) for n, at_s in enumerate(positions)])
    assert max(abs(at_s - n * INTERVAL_S) for n, at_s in enumerate(found)) < 0.1


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(-10, 10) | st.none()), min_size=1, max_size=50)
)
def test_no_frame_is_captured_after_it_arrived_or_before_the_one_before(
    steps: list[tuple[float, float | None]],
) -> None:
    arrived_s, position_s, arrivals = 0.0, 0.0, []
    for step_s, moved_s in steps:
        arrived_s += step_s
        position_s += moved_s or 0.0
        arrivals.append((arrived_s, None if moved_s is None else position_s))
    found = captured_s(arrivals)
    assert all(at_s <= arrived + 1e-6 for at_s, (arrived, _) in zip(found, arrivals, strict=True))
