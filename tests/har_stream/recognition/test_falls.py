"""A fall begins, lasts and ends when it should, and only then."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from har_stream.core.activity import FallStage
from har_stream.core.thresholds import FallRule
from har_stream.recognition.falls import GONE_S, FallWatch, read_by_place
from har_stream.recognition.person.key_points import KeyPoints

START = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
HZ = 5.0
RULE = FallRule(floor=("lying",), upright=("upright",), sitting=("sitting",), long_lie_s=60)
LABELS = ("lying", "upright", "sitting", "bending", "idle")

Part = tuple[str, float]


def sure(label: str, of: float = 0.9) -> dict[str, float]:
    """A distribution that gives one label probability `of`."""
    return {each: of if each == label else (1 - of) / 4 for each in LABELS}


class Watched:
    """A watch and the time that it is told, 5 decisions a second."""

    def __init__(self, rule: FallRule = RULE) -> None:
        self.watch = FallWatch(rule)
        self.n = 0

    @property
    def at(self) -> datetime:
        """Now."""
        return START + timedelta(seconds=self.n / HZ)

    def see(
        self, *parts: Part, on_soft: bool = False, key_points: KeyPoints | None = None
    ) -> list[tuple[float, FallStage]]:
        """Stages that begin, with the seconds since the start."""
        found = []
        for label, seconds in parts:
            for _ in range(round(seconds * HZ)):
                stage = self.watch.observe(
                    self.at, sure(label), on_soft=on_soft, key_points=key_points
                )
                if stage is not None:
                    found.append((self.n / HZ, stage))
                self.n += 1
        return found


@pytest.mark.parametrize("before", ["upright", "sitting"])
def test_who_goes_down_fast_has_fallen_within_a_second_of_landing(before: str) -> None:
    watched = Watched()
    ((at_s, stage),) = watched.see((before, 10), ("bending", 1), ("lying", 5))
    assert stage == "fallen"
    assert at_s == pytest.approx(11, abs=1)
    assert watched.watch.since is not None
    assert (watched.watch.since - START).total_seconds() == pytest.approx(11, abs=0.5)
    assert watched.watch.confidence > RULE.floor_above


@pytest.mark.parametrize(
    "parts",
    [
        (("upright", 10), ("bending", 4), ("lying", 60)),  # lay down slowly
        (("lying", 120),),  # lay there from the start
        (("upright", 10), ("bending", 1), ("upright", 5)),  # tied a shoe
        (("idle", 10), ("lying", 30)),
    ],
)
def test_who_goes_down_slowly_or_not_at_all_has_not(parts: Sequence[Part]) -> None:
    assert Watched().see(*parts) == []


def test_what_changes_faster_than_anybody_falls_is_no_fall() -> None:
    rule = FallRule(floor=("lying",), upright=("upright",), average_s=0, after_s=0.5)
    assert Watched(rule).see(("upright", 5), ("lying", 20), ("idle", 1), ("lying", 20)) == []
    (fallen,) = Watched(rule).see(("upright", 5), ("bending", 0.4), ("lying", 5))
    assert fallen == (pytest.approx(5.6), "fallen")


def test_one_decision_is_no_fall() -> None:
    watched = Watched(FallRule(floor=("lying",), upright=("upright",), average_s=0))
    assert watched.see(("upright", 5), ("lying", 0.2), ("upright", 5)) == []


def test_lying_down_on_a_bed_or_sofa_is_no_fall() -> None:
    watched = Watched()
    assert watched.see(("upright", 10)) == []
    assert watched.see(("lying", 600), on_soft=True) == []


def test_who_does_not_get_up_is_said_again_once() -> None:
    stages = Watched().see(("upright", 5), ("lying", 300))
    assert [stage for _, stage in stages] == ["fallen", "long_lie"]
    assert stages[1][0] - stages[0][0] == pytest.approx(60, abs=1)


def test_who_is_lost_from_sight_has_not_got_up() -> None:
    watched = Watched()
    stages = watched.see(("upright", 5), ("lying", 3), ("idle", 3600), ("sitting", 60))
    assert [stage for _, stage in stages] == ["fallen", "long_lie"]
    assert watched.watch.since is not None


def test_who_is_on_their_feet_for_two_seconds_has_got_up() -> None:
    watched = Watched()
    watched.see(("upright", 5), ("lying", 10))
    assert watched.see(("upright", 1.0), ("bending", 1)) == []
    ((at_s, stage),) = watched.see(("upright", RULE.up_for_s + 0.6))
    assert stage == "got_up"
    assert at_s == pytest.approx(17 + RULE.up_for_s, abs=0.6)
    assert watched.watch.since is None
    assert [stage for _, stage in watched.see(("lying", 5))] == ["fallen"], "and may fall again"


def test_one_window_in_a_minute_tells_of_all_the_time_that_it_spans() -> None:
    watch = FallWatch(RULE, span_s=3.8)
    watch.begin(START, averaged={}, confidence=0.8)
    minute = timedelta(minutes=1)
    assert watch.observe(START + minute, sure("lying")) == "long_lie"
    assert watch.observe(START + 2 * minute, sure("upright")) == "got_up"


def test_who_sits_on_the_sofa_has_got_up_and_who_sits_on_the_floor_has_not() -> None:
    watched = Watched()
    watched.see(("upright", 5), ("lying", 10))
    assert watched.see(("sitting", 10)) == []
    assert [stage for _, stage in watched.see(("sitting", 10), on_soft=True)] == ["got_up"]


def test_an_acknowledged_fall_is_not_said_again_and_ends_when_nobody_lies_there() -> None:
    watched = Watched()
    watched.see(("upright", 5), ("lying", 10))
    watched.watch.acknowledge()
    assert watched.see(("lying", 300)) == []
    assert watched.watch.since is not None
    assert watched.see(("idle", GONE_S + 2)) == []
    assert watched.watch.since is None
    assert [stage for _, stage in watched.see(("upright", 5), ("lying", 90))] == [
        "fallen",
        "long_lie",
    ], "the next one is no less loud"


def test_a_fall_of_before_the_start_goes_on_until_somebody_is_up() -> None:
    watched = Watched()
    watched.watch.begin(START - timedelta(minutes=10), averaged={}, confidence=0.8)
    assert [stage for _, stage in watched.see(("idle", 5))] == ["long_lie"]
    assert [stage for _, stage in watched.see(("upright", 5))] == ["got_up"]
    heard = Watched()
    earlier = START - timedelta(minutes=10)
    heard.watch.begin(earlier, averaged={}, confidence=0.8, has_lain_long=True)
    assert heard.see(("idle", 5)) == []


def test_a_clock_set_back_makes_no_fall() -> None:
    watched = Watched()
    watched.see(("upright", 5))
    watched.n -= 500
    assert watched.see(("lying", 60)) == []


def test_a_clock_set_back_delays_neither_a_long_lie_nor_an_end() -> None:
    watched = Watched()
    watched.see(("upright", 5), ("lying", 40))
    watched.n -= 3600 * 5
    set_back_at = watched.n / HZ
    ((at_s, stage),) = watched.see(("lying", 60))
    assert stage == "long_lie"
    assert at_s - set_back_at == pytest.approx(60 - 40, abs=1)
    watched.watch.acknowledge()
    watched.n -= 3600 * 5
    watched.see(("idle", GONE_S + 2))
    assert watched.watch.since is None


def test_a_long_lie_of_before_the_start_is_not_delayed_by_a_clock_set_back_meanwhile() -> None:
    watched = Watched()
    watched.watch.begin(START + timedelta(hours=1), averaged={}, confidence=0.8)
    ((at_s, stage),) = watched.see(("idle", 90))
    assert (at_s, stage) == (pytest.approx(RULE.long_lie_s), "long_lie")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("bed", {"sleeping": 0.8, "lying": 0.0, "fallen": 0.0, "upright": 0.2}),
        ("sofa", {"sleeping": 0.0, "lying": 0.8, "fallen": 0.0, "upright": 0.2}),
        ("floor", {"sleeping": 0.0, "lying": 0.3, "fallen": 0.5, "upright": 0.2}),
        (None, {"sleeping": 0.0, "lying": 0.3, "fallen": 0.5, "upright": 0.2}),
    ],
)
def test_what_lying_means_depends_on_where(place, expected) -> None:
    rule = FallRule(floor=("fallen",), upright=("upright",))
    read = read_by_place({"lying": 0.3, "fallen": 0.5, "upright": 0.2}, place, rule)
    assert read == pytest.approx(expected)


def body(top: float, bottom: float, *, score: float = 0.6) -> KeyPoints:
    """Somebody seen between two heights, as shares of the image."""
    points = np.full((17, 3), score, np.float32)
    points[:, 0] = 0.5
    points[:, 1] = np.linspace(top, bottom, 17)
    return KeyPoints(points, 1.0)


@pytest.mark.parametrize(
    ("lying", "falls"),
    [
        (body(0.7, 0.9), True),
        (body(0.2, 0.9), False),  # a close-up: what lies is made up, nothing came down
        (body(0.7, 0.9, score=0.1), False),  # nobody is seen there
    ],
)
def test_who_falls_is_seen_to_come_down(lying: KeyPoints, falls: bool) -> None:
    watched = Watched()
    assert watched.see(("upright", 5), key_points=body(0.1, 0.9)) == []
    assert watched.see(("bending", 1), key_points=body(0.4, 0.9)) == []
    stages = watched.see(("lying", 3), key_points=lying)
    assert [stage for _, stage in stages] == ["fallen"] * falls
