"""What goes on in a home, out of messages in any order."""

from datetime import UTC, datetime, timedelta

import pytest

from har_stream.mqtt.messages import (
    ActivityState,
    FallState,
    Forecast,
    Likely,
    Message,
    MessageError,
    NextStart,
)
from page.now.home_now import MAX_CAMERAS, HomeNow

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def told(*messages: tuple[str, Message | str]) -> HomeNow:
    home = HomeNow("h1")
    for topic, said in messages:
        payload = said.encode()
        home = home.take(tuple(topic.split("/")), payload)
    return home


def state(activity: str, *, since_h: float = 0.0, home: str | None = None) -> ActivityState:
    since = NOON + timedelta(hours=since_h)
    return ActivityState(activity=activity, confidence=0.9, since=since, at=NOON, home=home)


def test_what_began_last_counts_of_the_cameras_that_are_there() -> None:
    home = told(
        ("n1/a/activity", state("cooking", since_h=-2)),
        ("n1/b/activity", state("eating", since_h=-1)),
        ("n1/c/activity", state("sleeping", since_h=-0.5)),
        ("n1/a/availability", "online"),
        ("n1/b/availability", "online"),
        ("n1/c/availability", "offline"),
    )
    found = home.activity()
    assert found is not None
    assert (found[0], found[1].activity) == (("n1", "b"), "eating")


def test_a_camera_that_sees_nobody_does_not_hide_one_that_sees_somebody() -> None:
    home = told(
        ("n1/a/activity", state("cooking", since_h=-2)),
        ("n1/b/activity", state("idle", since_h=-1)),
        ("n1/a/availability", "online"),
        ("n1/b/availability", "online"),
    )
    found = home.activity()
    assert found is not None and found[1].activity == "cooking"


def test_another_home_is_not_shown() -> None:
    home = told(("n1/a/activity", state("cooking", home="h2")), ("home/h2/availability", "online"))
    assert not home.cameras
    assert home.has_forecaster is None


def test_a_removed_state_is_gone() -> None:
    home = told(("n1/a/activity", state("cooking")), ("n1/a/activity", ""))
    assert home.cameras["n1", "a"].state is None


def test_falls_stand_until_they_are_answered() -> None:
    fallen = FallState(alarm=True, stage="fallen", since=NOON, at=NOON)
    home = told(("n1/a/fall", fallen))
    assert [camera for camera, _ in home.falls()] == [("n1", "a")]
    answered = fallen.model_copy(update={"alarm": False, "stage": "acknowledged"})
    assert not home.take(("n1", "a", "fall"), answered.encode()).falls()


def test_the_home_has_its_own_time() -> None:
    wall = NOON + timedelta(days=100)
    assert HomeNow("h1").now(wall) == wall
    assert told(("n1/a/activity", state("cooking"))).now(wall) == NOON


def test_a_camera_whose_clock_is_a_year_ahead_does_not_move_the_home() -> None:
    forecast = Forecast(
        at=NOON - timedelta(minutes=1),
        activity=Likely(label="cooking", probability=0.9),
        next=[],
        next_room=[],
        next_start=NextStart(p10_s=300, p50_s=900, p90_s=2400, p50_at=NOON),
        within={},
        sequence=[],
        model="dbn",
        training_days=3,
        enough_data=False,
    )
    ahead = state("cooking").model_copy(update={"at": NOON + timedelta(days=365)})
    messages = (("home/h1/forecast", forecast), ("n1/a/activity", ahead))
    home = told(*messages, ("n1/b/activity", state("eating")), ("home/h1/availability", "online"))
    assert home.now(NOON) == NOON
    assert told(*messages).now(NOON) == ahead.at, "nobody is there who knows better"


def test_rubbish_is_refused_and_strangers_are_bounded() -> None:
    with pytest.raises(MessageError):
        told(("n1/a/activity", "{"))
    home = told(*((f"n1/c{number}/availability", "online") for number in range(MAX_CAMERAS + 9)))
    assert len(home.cameras) == MAX_CAMERAS
