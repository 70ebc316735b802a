"""The home's time follows its streams; an event's time is timely, late, or not to be believed."""

from datetime import datetime, timedelta, timezone

import pytest
from support.event_builder import EIGHT

from predictor.service.home_clock import HomeClock, Timing

CAM1, CAM2 = ("n1", "cam1"), ("n1", "cam2")


def minutes(number: float) -> datetime:
    return EIGHT + timedelta(minutes=number)


@pytest.fixture
def clock() -> HomeClock:
    """A live home at nine o'clock, where camera 1 spoke at eight and at nine."""
    clock = HomeClock()
    for seq, minute in ((1, 0), (2, 60)):
        clock.advance(CAM1, minutes(minute), seq=seq, wall=minutes(minute))
    return clock


@pytest.mark.parametrize(
    ("camera", "minute", "seq", "wall", "expected"),
    [
        (CAM1, 61, 3, 61, Timing.TIMELY),
        (CAM1, 60, 3, 60, Timing.TIMELY),  # an end and a start at one instant
        (CAM2, 58.5, 1, 60, Timing.TIMELY),  # cameras decide at different speeds
        (CAM2, 57, 1, 60, Timing.LATE),
        (CAM1, 0.5, 1, 60, Timing.LATE),  # filled in by a replay
        (CAM1, 59, 3, 59, Timing.STEPPED_BACK),
        (CAM1, -100, 3, -100, Timing.REWOUND),
        (CAM1, 75, 3, 61, Timing.TIMELY),  # a short film, watched faster than life
        (CAM2, 75, 1, 61, Timing.FUTURE),
        (CAM1, 60 + 23 * 60, 3, 61, Timing.FUTURE),  # the home is live: a clock is wrong
        (CAM2, -600_000, 1, 60, Timing.LATE),  # its node was away, or came with a log
        (CAM2, -20_000_000, 1, 60, Timing.PAST),  # 1987
        (CAM1, -20_000_000, 3, 60, Timing.PAST),
        (CAM1, -600, 3, 60, Timing.PAST),
        (CAM1, 400 * 24 * 60, 3, 61, Timing.FUTURE),
        (CAM2, 400 * 24 * 60, 3, 61, Timing.FUTURE),
        (CAM1, 400 * 24 * 60, 3, 400 * 24 * 60, Timing.TIMELY),  # we were away for a year
    ],
)
def test_timing(
    clock: HomeClock,
    camera: tuple[str, str],
    minute: float,
    seq: int,
    wall: float,
    expected: Timing,
) -> None:
    assert clock.timing_of(camera, minutes(minute), seq=seq, wall=minutes(wall)) is expected
    assert clock.newest == minutes(60), "judging changes nothing"


def test_the_first_event_sets_the_time_whatever_it_is() -> None:
    clock = HomeClock()
    assert clock.now(minutes(0)) is None
    long_ago = minutes(-600_000)
    assert clock.timing_of(CAM1, long_ago, seq=9, wall=minutes(0)) is Timing.TIMELY
    clock.advance(CAM1, long_ago, seq=9, wall=minutes(0))
    assert clock.now(minutes(5)) == long_ago


def test_a_live_home_follows_the_wall_clock_between_events(clock: HomeClock) -> None:
    assert clock.now(minutes(75)) == minutes(75)
    assert clock.now(minutes(30)) == minutes(60), "never back"


def test_a_fast_stream_has_its_own_time(clock: HomeClock) -> None:
    clock.advance(CAM1, minutes(300), seq=3, wall=minutes(61))
    assert clock.now(minutes(90)) == minutes(300)


def test_a_heartbeat_moves_the_time_unless_its_clock_is_wrong(clock: HomeClock) -> None:
    clock.note_heartbeat(CAM1, minutes(70), wall=minutes(70))
    assert clock.newest == minutes(70)
    clock.note_heartbeat(CAM1, minutes(400 * 24 * 60), wall=minutes(71))
    assert clock.newest == minutes(70)


def test_an_event_that_a_heartbeat_overtook_is_timely_and_keeps_its_instant(
    clock: HomeClock,
) -> None:
    clock.note_heartbeat(CAM1, minutes(90), wall=minutes(90))
    assert clock.timing_of(CAM2, minutes(75), seq=1, wall=minutes(90)) is Timing.TIMELY
    assert clock.advance(CAM2, minutes(75), seq=1, wall=minutes(90)) == minutes(75)
    assert clock.newest == minutes(90), "the home's time does not go back"
    assert clock.timing_of(CAM1, minutes(70), seq=3, wall=minutes(90)) is Timing.LATE


def test_a_heartbeat_alone_sets_no_time() -> None:
    clock = HomeClock()
    clock.note_heartbeat(CAM1, minutes(0), wall=minutes(0))
    assert clock.now(minutes(1)) is None


def test_time_goes_on_evenly_when_summer_time_ends() -> None:
    summer, winter = timezone(timedelta(hours=2)), timezone(timedelta(hours=1))
    clock = HomeClock()
    before = datetime(2026, 10, 25, 2, 50, tzinfo=summer)
    after = datetime(2026, 10, 25, 2, 10, tzinfo=winter)  # twenty minutes later
    clock.advance(CAM1, before, seq=1, wall=before)
    assert clock.timing_of(CAM1, after, seq=2, wall=after) is Timing.TIMELY
    assert clock.advance(CAM1, after, seq=2, wall=after) == after
    assert after - before == timedelta(minutes=20)
