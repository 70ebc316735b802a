"""Which frames are needed, and when they were captured: by the stream's clock, unless it lies."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.video.video_source import grey

from har_stream.cameras.sampling import PaceWatch, Sampler, StreamClock
from har_stream.core.frame import Frame

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


@given(
    st.floats(0.5, 40), st.lists(st.integers(1, 1500), min_size=1, max_size=60), st.integers(2, 9)
)
def test_what_is_sampled_was_said_to_be_needed(
    sample_hz: float, steps_ms: list[int], jitter_ms: int
) -> None:
    """Whatever a clock is set by meanwhile, below its margin, no sample is passed over."""
    sampler, before_ms, at_ms = Sampler(sample_hz), 0, 0
    sampler.sample(START)
    for n, step_ms in enumerate(steps_ms):
        before_ms, at_ms = at_ms, at_ms + step_ms
        said_ms = (jitter_ms if n % 2 else -jitter_ms) // 2
        earlier, later = (START + timedelta(milliseconds=ms + said_ms) for ms in (before_ms, at_ms))
        may_need = sampler.may_need(earlier, later)
        sample = sampler.sample(START + timedelta(milliseconds=at_ms))
        assert may_need or not sample.n_ticks or sample.resets


def test_frames_between_two_ticks_are_not_needed() -> None:
    sampler = Sampler(5.0)
    sampler.sample(START)
    at = [START + timedelta(seconds=n * INTERVAL_S) for n in range(26)]
    needed = [n for n, (a, b) in enumerate(pairwise(at), 1) if sampler.may_need(a, b)]
    assert set(needed) >= {5, 10, 15, 20, 25}
    assert len(needed) <= 10


def sampled(*at_s: float) -> list[Frame]:
    """The frames that a sampler of 5 Hz takes of those captured at these seconds."""
    sampler, frames = Sampler(5.0), []
    for captured_at in (START + timedelta(seconds=each) for each in at_s):
        sample = sampler.sample(captured_at)
        if sample.n_ticks:
            frames.append(Frame(grey(0), captured_at, sample.n_ticks, sample.resets))
    return frames


def test_a_frame_a_second_fills_windows_by_repeats_and_longer_steps_are_gaps() -> None:
    unsteady = sampled(0.0, 1.0, 2.1, 2.9, 4.3)
    assert [frame.n_ticks for frame in unsteady] == [1, 5, 5, 4, 7]
    assert [frame.resets for frame in unsteady] == [True, False, False, False, False]
    assert all(frame.resets for frame in sampled(0.0, 1.6, 3.2))


@pytest.mark.parametrize(
    ("at_s", "slow_from_s"),
    [
        ((0, 2, 4, 6, 8), 6),
        ((0, 2, 4, 5, 7, 9, 11), 11),  # one that is well begins the count anew
        ((0, 1, 2, 3, 4), None),
        ((0, 0.2, 30, 30.2, 60, 60.2, 90, 90.2), None),  # it looks now and then
    ],
)
def test_a_source_that_is_too_slow_is_noticed(
    at_s: tuple[float, ...], slow_from_s: float | None
) -> None:
    watch, slow_s = PaceWatch(), []
    for frame in sampled(*at_s):
        watch.add(frame)
        slow_s += [(frame.captured_at - START).total_seconds()] if watch.is_slow else []
    assert (slow_s[0] if slow_s else None) == slow_from_s


def test_a_source_that_becomes_faster_is_no_longer_slow() -> None:
    watch = PaceWatch()
    for frame in sampled(0, 2, 4, 6):
        watch.add(frame)
    assert watch.is_slow
    assert watch.has_gaps_alone
    assert watch.reason.startswith("a frame only every 2.0 s, too few to recognise anything by; ")
    for frame in sampled(7, 8, 9, 10):
        watch.add(frame)
    assert not watch.is_slow
    assert not watch.has_gaps_alone
