"""The demo's terminal view shows what was heard, and says in words what is not there yet."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from support.event_builder import EIGHT, event

from har_stream.commands.demo_view import LiveView
from har_stream.mqtt.messages import (
    ActivityAttributes,
    ActivityState,
    Forecast,
    Likely,
    Message,
    NextStart,
    NodeStats,
)
from har_stream.mqtt.topics import Topics

TOPICS = Topics()


@pytest.fixture
def view() -> LiveView:
    return LiveView(
        title="har-stream watches sim:7",
        footer="mosquitto_sub -t 'har/#'\nCtrl-C ends it",
        labels=("cooking", "eating", "fallen", "sitting", "walking"),
        urgent=("fallen",),
    )


def forecast(**fields: Any) -> Forecast:
    values = {
        "at": EIGHT,
        "activity": Likely(label="cooking", probability=0.9),
        "next": [("eating", 0.7), ("sitting", 0.3), ("unknown", 0.0)],
        "next_room": [],
        "next_start": NextStart(
            p10_s=300, p50_s=1200, p90_s=7200, p50_at=EIGHT + timedelta(minutes=20)
        ),
        "within": {"15min": {"eating": 0.2}, "60min": {"eating": 0.66}},
        "sequence": ["eating", "sitting"],
        "model": "dbn-3",
        "training_days": 14,
        "enough_data": True,
    }
    return Forecast(**(values | fields))


def hear(view: LiveView, topic: str, message: Message | bytes) -> str | None:
    payload = message if isinstance(message, bytes) else message.encode()
    return view.add_message(TOPICS, f"har/{topic}", payload)


def screen(view: LiveView, *, height: int = 24, colours: bool = False) -> str:
    """The view on an ordinary terminal."""
    drawn = StringIO()
    console = Console(width=80, height=height, file=drawn, force_terminal=colours)
    console.print(view.render(), height=height)
    return drawn.getvalue()


def test_before_anything_was_heard_it_says_what_it_waits_for(view: LiveView) -> None:
    drawn = screen(view)
    for words in (
        view.title,
        *view.footer.splitlines(),
        "waiting for the first decision",
        "waiting for har-f",
    ):
        assert words in drawn
    assert "starting" in drawn
    assert "80 x" not in drawn, "rich draws a placeholder where a part is empty"


def test_everything_that_was_heard_is_on_the_screen(view: LiveView) -> None:
    state = ActivityState(activity="cooking", confidence=0.91, since=EIGHT, at=EIGHT)
    top = [("cooking", 0.91), ("eating", 0.05)]
    hear(view, "n1/cam1/activity", state)
    hear(
        view,
        "n1/cam1/activity/attributes",
        ActivityAttributes(
            top=top, margin=0.86, bundle="sim-home", bundle_hash="0", latency_ms=12.1
        ),
    )
    stats = {"processed": 1, "dropped": 0, "reconnects_per_h": 0, "stalls_per_h": 0}
    stats |= {"outbox_depth": 0, "latency_p50_ms": 3.0, "latency_p95_ms": 14.0, "fps_in": 78.4}
    hear(view, "n1/stats", NodeStats(**stats))
    hear(view, "n1/cam1/event", event(activity="eating", previous="cooking", minute=5))
    hear(view, "home/h1/forecast", forecast())
    drawn = screen(view)
    for words in (
        *("cooking  91%", "since 08:00", "78 frames/s", "latency p95 14.0 ms", "bundle sim-home"),
        *("now: Mon 08:00:00", "events (1)", "08:05:00", "cooking > eating"),
        *("next, about Mon 08:20", "between Mon 08:05 and Mon 10:00", "66%", "then  eating > si"),
        "dbn-3, learnt from 14 days",
    ):
        assert words in drawn, words


def test_beside_unknown_it_says_that_the_share_is_of_the_likeliest(view: LiveView) -> None:
    state = ActivityState(activity="unknown", confidence=0.43, since=EIGHT, at=EIGHT)
    hear(view, "n1/cam1/activity", state)
    assert "unknown  likeliest at 43%" in screen(view)


def test_an_ordinary_terminal_shows_a_dozen_events_and_a_tall_one_all(view: LiveView) -> None:
    for minute in range(40):
        hear(
            view,
            "n1/cam1/event",
            event(activity="walking", previous="cooking", minute=minute, seq=minute + 1),
        )
    assert screen(view).count("cooking > walking 90%") == 12
    assert screen(view, height=60).count("cooking > walking 90%") == 40
    assert all(len(line) <= 80 for line in screen(view).splitlines())


def test_a_fall_is_red_and_a_walk_is_not(view: LiveView) -> None:
    def look(activity: str) -> str:
        hear(view, "n1/cam1/event", event(activity=activity))
        drawn = screen(view, colours=True)
        return next(line.split(activity)[0] for line in drawn.splitlines() if activity in line)

    fall, walk = look("fallen"), look("walking")
    assert fall.endswith("\x1b[1;31m")
    assert walk.endswith("\x1b[34m")


def test_a_forecaster_that_knows_nothing_promises_nothing(view: LiveView) -> None:
    nothing = forecast(next=[("unknown", 1.0)], within={}, sequence=[], enough_data=False)
    assert hear(view, "home/h1/forecast", nothing) is None
    assert "nothing learnt yet" in screen(view)
    assert "08:20" not in screen(view)
    hear(view, "home/h1/forecast", forecast(enough_data=False, training_days=1))
    assert "learnt from 1 day, not enough" in screen(view)


def test_a_camera_that_is_lost_is_said_until_it_is_back(view: LiveView) -> None:
    hear(view, "n1/cam1/availability", b"offline")
    assert "away" not in screen(view), "at the start it has never been there"
    hear(
        view,
        "n1/cam1/activity",
        ActivityState(activity="cooking", confidence=0.9, since=EIGHT, at=EIGHT),
    )
    assert "the camera is away" in screen(view)
    hear(view, "home/h1/availability", b"offline")
    hear(view, "n1/cam1/availability", b"online")
    assert "away" not in screen(view)


def test_a_recording_that_has_ended_is_not_called_away() -> None:
    view = LiveView(title="", footer="", ends=True)
    state = ActivityState(activity="cooking", confidence=0.9, since=EIGHT, at=EIGHT)
    hear(view, "n1/cam1/activity", state)
    hear(view, "n1/cam1/availability", b"offline")
    assert "the recording has ended" in screen(view)
    assert "away" not in screen(view)


def test_without_a_screen_only_what_is_new_is_a_line(view: LiveView) -> None:
    said = hear(view, "n1/cam1/event", event(minute=5))
    assert said == "event     Mon 08:05:00  + cooking  90%"
    said = hear(view, "home/h1/forecast", forecast())
    assert said == (
        "forecast  Mon 08:00:00  cooking now; next about 08:20: eating 70%, sitting 30%, unknown 0%"
    )
    assert hear(view, "home/h1/forecast", forecast(at=EIGHT + timedelta(minutes=1))) is None
    assert hear(view, "home/h1/forecast", forecast(next=[("sitting", 0.9), ("eating", 0.1)]))
    assert view.summary() == "heard 1 events and 3 forecasts"


def test_what_a_cleared_screen_showed_is_said_in_order(view: LiveView) -> None:
    assert view.newest() == []
    hear(view, "n1/cam1/event", event(minute=0))
    hear(
        view,
        "n1/cam1/event",
        event(minute=0, ended_minute=9, event_type="activity_ended", seq=2),
    )
    hear(view, "home/h1/forecast", forecast())
    lines = view.newest()
    assert [line.split("  ")[0] for line in lines] == ["event", "event", "forecast"]
    assert lines[1] == "event     Mon 08:09:00  - cooking"


def test_a_forecast_of_no_live_camera_is_not_shown(view: LiveView) -> None:
    assert hear(view, "home/h1/forecast", forecast(fresh=False)) is None
    drawn = screen(view)
    assert "waiting for a camera" in drawn
    assert "80 % between" not in drawn
