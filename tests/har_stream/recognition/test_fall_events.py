"""What a camera's events say of a fall: its stages, its place, and how sure they are."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from support.bundles.manifest_builder import manifest

from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import Change, Recognition
from har_stream.core.frame import Frame
from har_stream.core.thresholds import FallRule, Thresholds
from har_stream.recognition.camera_track import CameraTrack
from har_stream.recognition.person.key_points import HEAD, KeyPoints
from har_stream.recognition.person.stage import Person

START = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
LABELS = ("lying", "upright", "sitting", "idle")
MANIFEST = manifest(
    labels=LABELS,
    hop_frames=1,
    deciding=Thresholds(min_dwell_s=2, average_s=1),
    falls=FallRule(floor=("lying",), upright=("upright",), sitting=("sitting",), long_lie_s=30),
)
LEFT = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
STILL = np.zeros((48, 64, 3), np.uint8)


def sure(label: str) -> dict[str, float]:
    return {each: 0.91 if each == label else 0.03 for each in LABELS}


def person(x: float, y: float, *, score: float = 0.8) -> KeyPoints:
    """Somebody whose hips are there, and whose head is little above."""
    points = np.tile(np.array([x, y, score], np.float32), (17, 1))
    points[HEAD, 1] -= 0.1
    return KeyPoints(points, aspect=4 / 3)


class Camera:
    """A camera's track, and the time that it is told: 5 decisions a second."""

    def __init__(self, **settings: Any) -> None:
        self.clock_s = 0.0
        self.track = CameraTrack(
            CameraSettings(source="0", name="a", room="bath", **settings),
            MANIFEST,
            clock=lambda: self.clock_s,
        )
        self.n = 0
        self.recognitions: list[Recognition] = []

    def see(self, *parts: tuple[str, float], at: KeyPoints | None = None) -> list[Change]:
        """Changes that follow from seeing each for its seconds."""
        return [
            news
            for label, seconds in parts
            for _ in range(round(seconds * 5))
            for news in self._decide(label, at)
            if isinstance(news, Change)
        ]

    def _decide(self, label: str, at: KeyPoints | None) -> Iterator[Any]:
        instant = START + timedelta(seconds=self.n / 5)
        self.track.add_frame(Frame(STILL, instant, resets=self.n == 0), 0.0)
        self.n += 1
        person = None if at is None else Person(at, {}, is_there=True)
        for news in self.track.decide(instant, sure(label), person):
            if isinstance(news, Recognition):
                self.recognitions.append(news)
            yield news


def told(changes: list[Change]) -> list[tuple[str, str, str | None, str | None]]:
    return [
        (c.event_type.removeprefix("activity_"), c.activity, c.previous, c.fall_stage)
        for c in changes
    ]


def test_a_fall_from_beginning_to_end() -> None:
    changes = Camera().see(("upright", 10), ("lying", 40), ("upright", 10))
    assert told(changes) == [
        ("started", "upright", None, None),
        ("changed", "fallen", "upright", "fallen"),
        ("changed", "fallen", "fallen", "long_lie"),
        ("ended", "fallen", None, "got_up"),
        ("started", "upright", None, None),
    ]
    times = [(c.ended_at or c.started_at) - START for c in changes[1:4]]
    assert [each.total_seconds() for each in times] == pytest.approx([10.4, 40.4, 52.4], abs=0.5)


def test_whoever_gets_up_after_a_long_lie_ends_the_whole_fall() -> None:
    changes = Camera().see(("upright", 10), ("lying", 40), ("upright", 10))
    fallen, long_lie, got_up = (change for change in changes if change.fall_stage)
    assert got_up.started_at == fallen.started_at < long_lie.started_at
    camera = Camera()
    since = START - timedelta(seconds=10)
    camera.track.resume_fall(since, confidence=0.8, has_lain_long=True)
    *_, got_up = (change for change in camera.see(("upright", 5)) if change.fall_stage)
    assert got_up.started_at == since


def test_a_falls_events_are_as_sure_as_what_raised_them() -> None:
    """Not as sure of `fallen` as the label of that name, which a bundle need not have."""
    for change in Camera().see(("upright", 10), ("lying", 40), ("upright", 10)):
        if change.fall_stage == "got_up":
            assert change.confidence == change.probabilities["upright"] > 0.5
        elif change.fall_stage:
            assert change.confidence == change.probabilities["fallen"] > 0.4
            assert sum(change.probabilities.values()) == pytest.approx(1)


def test_who_is_lost_from_sight_is_no_less_fallen() -> None:
    """Nobody is seen for the rest of the time, with probability 0.91."""
    camera = Camera()
    fallen, long_lie = camera.see(("upright", 1), ("lying", 2), ("idle", 60))
    assert (fallen.fall_stage, long_lie.fall_stage) == ("fallen", "long_lie")
    assert long_lie.confidence == fallen.confidence > 0.4
    assert long_lie.probabilities == fallen.probabilities
    (ended,) = camera.track.lose()
    assert ended.confidence == fallen.confidence


def test_lying_in_the_bed_is_sleeping_after_its_dwell() -> None:
    camera = Camera(regions={"bed": [LEFT]})
    in_bed = person(0.2, 0.8)
    changes = camera.see(("upright", 10), at=person(0.8, 0.5))
    changes += camera.see(("lying", 60), at=in_bed)
    assert told(changes) == [
        ("started", "upright", None, None),
        ("changed", "sleeping", "upright", None),
    ]
    assert (changes[0].region, changes[1].region) == (None, "bed")
    assert (changes[1].started_at - START).total_seconds() == pytest.approx(8.1, abs=2)
    assert camera.recognitions[-1].label == "sleeping"
    assert camera.recognitions[-1].region == "bed"


def test_lying_beside_the_bed_is_a_fall() -> None:
    camera = Camera(regions={"bed": [LEFT]})
    changes = camera.see(("upright", 10), at=person(0.7, 0.5))
    changes += camera.see(("lying", 5), at=person(0.7, 0.8))
    assert told(changes)[-1] == ("changed", "fallen", "upright", "fallen")


def test_who_was_lost_from_sight_in_bed_still_sleeps_there() -> None:
    camera = Camera(regions={"bed": [LEFT]})
    camera.see(("upright", 5), ("lying", 10), at=person(0.2, 0.8))
    assert camera.see(("lying", 600), at=person(0.9, 0.9, score=0.1)) == []
    assert camera.recognitions[-1].region == "bed"


def test_an_acknowledged_fall_is_not_told_again() -> None:
    camera = Camera()
    camera.see(("upright", 10), ("lying", 5))
    camera.track.acknowledge_fall()
    assert camera.see(("lying", 120)) == []
    assert told(camera.see(("upright", 5)))[0] == ("ended", "fallen", None, "got_up")


def test_a_lost_camera_ends_the_activity_but_not_the_fall() -> None:
    camera = Camera()
    camera.see(("upright", 10), ("lying", 5))
    assert told(list(camera.track.lose())) == [("ended", "fallen", None, None)]
    assert told(camera.see(("idle", 1))) == [("started", "fallen", None, None)]
    assert told(camera.see(("upright", 3))) == [("ended", "fallen", None, "got_up")]


def test_a_long_lie_is_told_once_while_the_camera_is_lost() -> None:
    camera = Camera()
    camera.see(("upright", 10), ("lying", 5))
    list(camera.track.lose())
    camera.clock_s = 24.0
    assert list(camera.track.attend_unseen()) == []
    camera.clock_s = 26.0
    changes = list(camera.track.attend_unseen())
    assert told(changes) == [
        ("started", "fallen", None, "long_lie"),
        ("ended", "fallen", None, None),
    ]
    assert (changes[0].started_at - START).total_seconds() == pytest.approx(14.8 + 26)
    camera.clock_s = 3600.0
    assert list(camera.track.attend_unseen()) == []
    assert told(camera.see(("idle", 40))) == [("started", "fallen", None, None)]


def test_a_long_lie_is_told_where_the_camera_is_not_there_after_a_restart() -> None:
    camera, now = Camera(), datetime.now(UTC)
    camera.track.resume_fall(now, confidence=0.8, has_lain_long=False)
    assert list(camera.track.attend_unseen()) == []
    camera.clock_s = 31.0
    assert [change.fall_stage for change in camera.track.attend_unseen()] == ["long_lie", None]


def test_an_acknowledged_fall_is_not_told_again_while_the_camera_is_lost() -> None:
    camera = Camera()
    camera.see(("upright", 10), ("lying", 5))
    camera.track.acknowledge_fall()
    list(camera.track.lose())
    camera.clock_s = 3600.0
    assert list(camera.track.attend_unseen()) == []


def test_an_acknowledged_fall_that_nobody_is_seen_to_get_up_from_ends_without_a_stage() -> None:
    camera = Camera()
    camera.see(("upright", 10), ("lying", 5))
    camera.track.acknowledge_fall()
    changes = camera.see(("lying", 1), ("idle", 35))
    assert told(changes)[0] == ("ended", "fallen", None, None)


def test_a_fall_of_an_earlier_run_goes_on() -> None:
    camera = Camera()
    camera.track.resume_fall(START - timedelta(seconds=10), confidence=0.8, has_lain_long=False)
    assert told(camera.see(("idle", 25))) == [
        ("started", "fallen", None, None),
        ("changed", "fallen", "fallen", "long_lie"),
    ]


def test_a_cameras_own_time_until_a_long_lie() -> None:
    changes = Camera(falls={"long_lie_s": 5}).see(("upright", 5), ("lying", 20))
    assert told(changes)[-1][3] == "long_lie"
    assert (changes[-1].started_at - changes[-2].started_at).total_seconds() == pytest.approx(5)


def test_the_joints_travel_with_the_recognition() -> None:
    camera = Camera()
    camera.see(("upright", 0.4), at=person(0.25, 0.5))
    assert camera.recognitions[-1].key_points[-1] == (0.25, 0.5, pytest.approx(0.8))
    camera.see(("upright", 0.4))
    assert camera.recognitions[-1].key_points == ()
