"""Once no camera speaks, a forecast says so, habits take over, and rules do not act on it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.broker.recording_publisher import RecordingPublisher
from support.event_builder import living, started

from har_stream.config.settings import Settings
from har_stream.core.log_once import LogOnce
from har_stream.mqtt.messages import ActivityState, Forecast
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.journal.records import JournalEntry
from predictor.models import store
from predictor.service.forecast_worker import LISTEN_S, ForecastWorker
from predictor.service.home_forecast import HomeForecast

DAYS = 14
EVENTS = list(living(days=DAYS))
MORNING = EVENTS[-1].started_at.replace(hour=8) + timedelta(days=1)
RULE = {
    "name": "heating",
    "activity": "eating",
    "within": "180min",
    "probability": 0.3,
    "topic": "home/kitchen/heating/set",
}


@pytest.fixture
def live() -> HomeForecast:
    """A home that has lived two weeks with clocks that are right."""
    home = HomeForecast(store.create("dbn"), LogOnce(), stale_after_s=900)
    for one in EVENTS:
        home.take_event(JournalEntry(one, one.started_at))
    return home


def _after(home: HomeForecast, **passed: float) -> Forecast:
    return home.messages(EVENTS[-1].started_at + timedelta(**passed))[0]


def test_a_camera_that_speaks_keeps_a_forecast_fresh(live: HomeForecast) -> None:
    beat = EVENTS[-1].started_at + timedelta(hours=5)
    assert not _after(live, hours=5).fresh
    state = ActivityState(activity="sleeping", confidence=0.9, since=beat, at=beat)
    live.take_state(("n1", "cam1"), state, wall=beat)
    forecast = _after(live, hours=5, minutes=10)
    assert (forecast.fresh, forecast.enough_data, forecast.evidence_age_s) == (True, True, 600.0)
    stale = _after(live, hours=5, minutes=16)
    assert (stale.fresh, stale.enough_data, stale.evidence_age_s) == (False, False, 960.0)


def test_a_clock_that_is_set_back_keeps_nothing_fresh_until_it_has_caught_up(
    live: HomeForecast,
) -> None:
    assert _after(live, minutes=1).fresh
    assert _after(live, days=-2).fresh  # just heard, whatever the clock says now
    stale = _after(live, days=-2, minutes=16)
    assert (stale.fresh, stale.evidence_age_s) == (False, 960.0)


def test_what_a_broker_kept_is_no_sign_of_life(live: HomeForecast) -> None:
    at = EVENTS[-1].started_at
    wall = at + timedelta(hours=2)
    kept = ActivityState(activity="sleeping", confidence=0.9, since=at, at=at)
    for _ in range(3):  # at every connection
        live.take_state(("n1", "cam1"), kept, wall=wall)
    assert not live.messages(wall)[0].fresh


def test_a_log_that_was_imported_is_no_sign_of_life() -> None:
    home = HomeForecast(store.create("dbn"), LogOnce(), stale_after_s=900)
    imported_at = EVENTS[-1].started_at + timedelta(hours=9, minutes=41)
    home.replay(JournalEntry(one, imported_at) for one in EVENTS)
    forecast, _ = home.messages(imported_at)
    assert forecast.at == imported_at, "not when the log ended"
    assert not forecast.fresh
    assert not forecast.enough_data


def test_the_filter_widens_towards_habits(live: HomeForecast) -> None:
    """Asleep at the last word; a day later that tells nothing, and what is usual then counts."""
    sure = [_after(live, minutes=minutes).activity for minutes in (0, 1, 300, 900)]
    assert {likely.label for likely in sure[:3]} == {"sleeping"}
    probabilities = [likely.probability for likely in sure]
    assert probabilities[0] == probabilities[1] > 0.95
    assert probabilities[3] < 0.7
    later = [live.messages(MORNING + timedelta(hours=hour))[0] for hour in (2, 26, 50)]
    assert later[1].within == later[2].within, "the day before is long forgotten"
    assert later[0].next_start.p50_s < 6 * 3600


def test_time_unseen_is_walked_through(live: HomeForecast) -> None:
    """Of the paths that run on from the last word some begin within it: the rest is ahead."""
    for minutes in (3, 30, 120, 400):
        outlook = live.forecaster.outlook(
            EVENTS[-1].started_at + timedelta(minutes=minutes), unseen_s=minutes * 60
        )
        assert sum(outlook.current.values()) == pytest.approx(1)
        assert sum(outlook.next.values()) == pytest.approx(1)
        p10_s, p50_s, p90_s = outlook.next_start_s
        assert 0 <= p10_s <= p50_s <= p90_s
        assert set(outlook.sequence) <= set(live.forecaster.activities)


def test_a_stream_of_its_own_pace_that_stands_still_is_forecast_at_its_own_time() -> None:
    home = HomeForecast(store.create("dbn"), LogOnce(), stale_after_s=1e9)
    home.replay(JournalEntry(one, MORNING + timedelta(days=300)) for one in EVENTS)
    forecast, _ = home.messages(MORNING + timedelta(days=300))
    assert forecast.at == EVENTS[-1].started_at
    assert forecast.activity.label == EVENTS[-1].activity
    assert forecast.activity.probability > 0.95


class Home:
    """A worker over a journal whose last word came at midnight; clocks are in our hands."""

    def __init__(self, journal: Journal, rule: dict[str, Any]) -> None:
        self.said = RecordingPublisher()
        self.wall = EVENTS[-1].started_at + timedelta(seconds=1)
        self.seconds = 0.0
        self.worker = ForecastWorker(
            Settings.model_validate({"home": "h1", "forecast": {"rules": [rule]}}),
            journal,
            self.said,
            make_forecaster=lambda: store.create("dbn"),
            announce=lambda *_: None,
            dry_run=False,
            wall=lambda: self.wall,
            monotonic=lambda: self.seconds,
        )

    def pass_time(self, seconds: float) -> None:
        """Let time pass; what is due then is done."""
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds
        self.worker.work()

    def actions(self) -> list[str]:
        """What the rule has done."""
        return self.said.texts("home/kitchen/heating/set")

    def beat(self) -> None:
        """The camera says that it is there."""
        state = ActivityState(activity="eating", confidence=0.9, since=self.wall, at=self.wall)
        self.worker.take_state(("n1", "cam1"), state)
        self.worker.work()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        for one in EVENTS:
            journal.record(one, received_at=one.started_at)
        yield journal


def _next_day(home: Home) -> None:
    """Cook before lunch: it is followed by eating."""
    home.pass_time((MORNING + timedelta(hours=5) - home.wall).total_seconds())
    event = started("cooking", minute=0, seq=len(EVENTS) + 1).model_copy(
        update={"started_at": home.wall}
    )
    home.worker.take_event(JournalEntry(event, home.wall))
    home.worker.work()


def test_a_stale_forecast_switches_nothing_on(journal: Journal) -> None:
    home = Home(journal, RULE | {"probability": 0.01})
    for _ in range(14 * 6):
        home.pass_time(600)
    assert home.actions() == [] or home.actions()[-1] == "OFF"
    forecast = home.said.on("har/home/h1/forecast")[-1]
    assert not forecast["fresh"]
    assert home.said.texts("har/home/h1/forecast/availability")[-1] == "offline"


@pytest.mark.parametrize(("when_stale", "then"), [("off", ["ON", "OFF"]), ("hold", ["ON"])])
def test_once_the_camera_is_silent_a_rule_goes_off_or_holds(
    journal: Journal, when_stale: str, then: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(journal, RULE | {"when_stale": when_stale})
    _next_day(home)
    assert home.actions() == ["ON"]
    assert home.said.texts("har/home/h1/forecast/availability")[-1] == "online"
    with caplog.at_level("INFO"):
        for _ in range(20):
            home.pass_time(60)
    assert home.actions() == then
    assert ("rule heating: off: no camera has spoken for 16 min" in caplog.text) == (
        when_stale == "off"
    )
    home.beat()
    assert home.said.texts("har/home/h1/forecast/availability")[-1] == "online"


def test_a_restart_gives_cameras_time_to_speak(journal: Journal) -> None:
    home = Home(journal, RULE | {"release": 0.0})
    _next_day(home)
    assert home.actions() == ["ON"]
    again = Home(journal, RULE | {"release": 0.0})  # the state was kept; the camera speaks soon
    again.wall = home.wall + timedelta(minutes=30)
    again.pass_time(1)
    assert not again.said.on("har/home/h1/forecast")[-1]["fresh"]
    again.pass_time(LISTEN_S / 2)
    again.beat()
    again.pass_time(LISTEN_S)
    assert again.actions() == []
