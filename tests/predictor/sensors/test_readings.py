"""Sensors: what is read of a payload, what it makes certain, and a home that has nothing else."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.broker.forecast_bench import Bench
from support.event_builder import EIGHT, started

from har_stream.config.forecast_settings import SensorSettings
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.models import store
from predictor.sensors.readings import SensorReadings, given_shares

BED = {"name": "bed", "topic": "b", "room": "bedroom", "activities": {"sleeping": 0.95}}
STOVE = {"name": "stove", "topic": "s", "room": "kitchen", "activities": {"cooking": 0.9}}
DOOR = {"name": "door", "topic": "d"}


def _sensor(**fields: Any) -> SensorSettings:
    return SensorSettings.model_validate({"name": "s", "topic": "t"} | fields)


def _told(readings: SensorReadings, minute: float) -> list[str]:
    return [str(each.value) for each in readings.changes(EIGHT + timedelta(minutes=minute))]


def test_a_sensor_counts_as_on_for_a_while_after_it_went_off() -> None:
    readings = SensorReadings([_sensor(hold_s=600, silent_after_s=3600)])
    for minute, is_on in [(0, True), (1, False), (10, True), (11, False)]:
        readings.hear("s", is_on, EIGHT + timedelta(minutes=minute), is_kept=False)
        assert _told(readings, minute) == ([] if minute else ["on"])
    assert _told(readings, 20.9) == []
    assert _told(readings, 21) == ["off"]
    assert _told(readings, 71) == []
    assert _told(readings, 71.1) == ["unknown"], "it has said nothing for an hour"


def test_what_the_broker_kept_is_no_word_of_now_unless_it_is_news() -> None:
    readings = SensorReadings([_sensor(silent_after_s=3600)])
    readings.hear("s", True, EIGHT, is_kept=True)
    assert _told(readings, 0) == ["on"]
    readings.hear("s", True, EIGHT + timedelta(minutes=50), is_kept=True)
    assert _told(readings, 61) == ["unknown"]
    readings.hear("s", True, EIGHT + timedelta(minutes=62), is_kept=False)
    assert _told(readings, 62) == ["on"]
    readings.hear("s", False, EIGHT + timedelta(minutes=63), is_kept=True)
    assert _told(readings, 63) == ["off"]


def test_sensors_of_a_room_are_weighed_together() -> None:
    breakfast = {"cooking": 0.9, "breakfast": 0.9}
    readings = SensorReadings(
        [
            _sensor(name="motion", room="kitchen", activities=breakfast),
            _sensor(name="stove", room="kitchen", activities={"cooking": 0.95}),
            _sensor(name="door"),
        ]
    )
    seen = []
    for minute, name, is_on in [
        (0, "motion", True),  # two activities alike: somebody does something
        (1, "stove", True),
        (9, "stove", False),
        (30, "motion", False),
    ]:
        at = EIGHT + timedelta(minutes=minute)
        readings.hear(name, is_on, at, is_kept=False)
        list(readings.changes(at))
        for event in readings.events(at):
            seen.append((minute, event.event_type, event.activity, event.seq, event.camera))
            readings.note_kept(event)
    assert seen == [
        (1, "activity_started", "cooking", 1, "kitchen"),
        (9, "activity_changed", "breakfast", 2, "kitchen"),
        (30, "activity_ended", "breakfast", 3, "kitchen"),
    ]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """A home whose model takes the sensors' given shares, as `har-forecast` has it."""

    def make(*sensors: dict[str, Any]) -> Bench:
        def forecaster() -> store.HmmForecaster:
            model = store.create("hmm")
            model.sensors.given = given_shares([_sensor(**each) for each in sensors])
            return model

        return Bench(journal, sensors=sensors, make=forecaster, stale_after_s=900)

    journal = Journal(sqlite_url(tmp_path / "journal.db"))
    yield make
    journal.close()


def _say(bench: Bench, name: str, is_on: bool | None, at: datetime) -> None:
    bench.wall = at
    bench.seconds += 60
    bench.worker.take_readings({name: is_on}, is_kept=False)
    bench.worker.work()


def _live_by_sensors(bench: Bench, *, days: int) -> datetime:
    """Live by bed and stove; returns when the last night begins."""
    for day in range(days):
        midnight = EIGHT.replace(hour=0) + timedelta(days=day)
        jitter = timedelta(minutes=(7 * day) % 11)
        _say(bench, "bed", False, midnight + timedelta(hours=7) + jitter)
        for hour in (7.5, 12, 18):
            _say(bench, "stove", True, midnight + timedelta(hours=hour) + jitter)
            _say(bench, "stove", False, midnight + timedelta(hours=hour, minutes=25) + jitter)
        _say(bench, "bed", True, midnight + timedelta(hours=22) + jitter)
    return bench.wall


def test_a_home_with_sensors_only_is_forecast_also_after_a_restart(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(BED, STOVE)
    night = _live_by_sensors(bench, days=6)
    forecast = bench.forecasts()[-1]
    assert forecast["activity"]["label"] == "sleeping"
    assert forecast["fresh"]
    assert [each["room"] for each in forecast["residents"]] == ["bedroom"]
    assert forecast["next"][0][0] == "cooking"
    assert forecast["next_room"][0][0] == "kitchen"
    assert 8 * 3600 < forecast["next_start"]["p50_s"] < 10.5 * 3600
    n_events = bench.journal.count()
    # A bed says nothing all night, and is believed all the same.
    again = make_bench(BED, STOVE)
    again.wall = night + timedelta(hours=6)
    again.worker.take_readings({"bed": True, "stove": False}, is_kept=True)
    again.worker.work()
    assert again.journal.count() == n_events, "what it said is known"
    told = again.forecasts()[-1]
    assert (told["activity"], told["fresh"]) == (forecast["activity"], True)
    # A day without a word of either.
    again.wall = night + timedelta(hours=25)
    again.seconds = 7200.0
    again.worker.work()
    assert again.journal.count() == n_events + 1
    told = again.forecasts()[-1]
    assert (told["residents"], told["fresh"]) == ([], False)


def test_where_there_is_a_camera_sensors_keep_nothing_fresh(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(BED, STOVE)
    bench.wall = EIGHT
    bench.tell(started("relaxing", minute=0, seq=1, room="lounge"))
    _say(bench, "bed", True, EIGHT + timedelta(minutes=20))
    assert not bench.forecasts()[-1]["fresh"]
    bench.beat(bench.wall)
    told = bench.forecasts()[-1]
    assert (told["activity"]["label"], told["fresh"]) == ("sleeping", True)


def test_a_sensor_that_was_removed_is_forgotten(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(BED, DOOR)
    for minute, (name, is_on) in enumerate([("bed", True), ("door", True), ("bed", False)]):
        _say(bench, name, is_on, EIGHT + timedelta(minutes=minute))
    bench.worker.work()
    assert bench.worker._live.forecaster.sensors.readings == {"bed": False, "door": True}
    assert make_bench(BED).worker._live.forecaster.sensors.readings == {"bed": False}
