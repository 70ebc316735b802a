"""On a real Home Assistant: a heater follows fresh forecasts alone; a missed breakfast is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import pytest
import yaml
from support.broker.real_broker import Listener, Mosquitto, listening
from support.event_builder import event
from support.processes.forecast_process import HarForecast
from support.processes.home_assistant import HomeAssistant, NotAvailableError, program

from har_stream.mqtt.messages import ActivityEvent, ActivityState
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.journal.records import JournalEntry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

RELEASE = "2024.3.3"
HEATER, HEATED = "home/heater/set", "automation/heater"
UNUSUAL, TOLD = "binary_sensor.home_h1_unusual", "automation/unusual"
NEXT_START = "sensor.home_h1_next_start"
DAY = (("washing", -20), ("breakfast", 0), ("cooking", 250), ("eating", 300), ("sleeping", 850))
"""What is done, in minutes after nine o'clock."""
N_DAYS = 30
AUTOMATIONS = [
    {
        "alias": "the heater obeys",
        "mode": "queued",
        "trigger": [{"platform": "mqtt", "topic": HEATER}],
        "action": [
            {
                "service": "mqtt.publish",
                "data": {"topic": HEATED, "payload_template": "{{ trigger.payload }}"},
            }
        ],
    },
    {
        "alias": "something is unusual",
        "mode": "queued",
        "trigger": [{"platform": "state", "entity_id": UNUSUAL, "to": "on"}],
        "action": [{"service": "mqtt.publish", "data": {"topic": TOLD, "payload": "on"}}],
    },
]
RULE = {
    "name": "heater",
    "activity": "eating",
    "within": "180min",
    "probability": 0.2,
    "cool_down_s": 0,
    "topic": HEATER,
}


def _nine() -> datetime:
    """Nine o'clock of today, in a zone in which it is past eleven and not yet noon."""
    ahead = (11 - datetime.now(UTC).hour) % 24
    ahead = ahead - 24 if ahead > 12 else ahead
    now = datetime.now(ZoneInfo(f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"))
    return now.replace(hour=9, minute=0, second=0, microsecond=0)


def _past(nine: datetime, *, until: datetime) -> Iterator[ActivityEvent]:
    """Yield a regular life; today without breakfast."""
    seq = 0
    for day in range(-N_DAYS, 1):
        for number, (activity, minute) in enumerate(DAY):
            at = nine + timedelta(days=day, minutes=minute + (37 * day + 11 * number) % 13)
            if at < until and not (day == 0 and activity == "breakfast"):
                seq += 1
                kind = "activity_changed"
                yield event(activity=activity, seq=seq, event_type=kind, started_at=at)


class _Camera:
    """A camera of n1 that repeats itself every second while it lives."""

    def __init__(self, listener: Listener, *, seq: int) -> None:
        self._listener = listener
        self._seq = seq
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._beating.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._beating.join()

    def tell(self, activity: str, *, ahead: timedelta = timedelta(0)) -> None:
        """Report that an activity has begun, by a clock that may be ahead."""
        self._seq += 1
        at = datetime.now(UTC) + ahead
        kind = "activity_changed"
        told = event(activity=activity, seq=self._seq, event_type=kind, started_at=at)
        self._listener.publish("har/n1/cam1/event", told.encode())

    def _beat(self) -> None:
        while not self._over.wait(1.0):
            at = datetime.now(UTC)
            state = ActivityState(activity="washing", confidence=0.9, since=at, at=at)
            self._listener.publish("har/n1/cam1/activity", state.encode(), retain=True)


@pytest.fixture
def home_assistant(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[HomeAssistant]:
    try:
        program(RELEASE)
    except NotAvailableError as reason:
        pytest.skip(str(reason))
    (tmp_path / "home-assistant").mkdir()
    running = HomeAssistant(
        tmp_path / "home-assistant",
        release=RELEASE,
        broker_port=mosquitto.port,
        automations=AUTOMATIONS,
    )
    yield running
    running.stop()


@pytest.fixture
def start(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Start a forecaster whose journal ends at an instant; returns its newest number."""
    with ExitStack() as running:

        def start(until: datetime, **forecast: Any) -> int:
            nine, state = _nine(), tmp_path / "state"
            state.mkdir()
            events = list(_past(nine, until=until))
            with Journal(sqlite_url(state / "journal.db")) as journal:
                journal.record_together([JournalEntry(one, one.started_at) for one in events])
            config = tmp_path / "har.yaml"
            content = {"timezone": str(nine.tzinfo), "forecast": {"refresh_s": 1.0, **forecast}}
            config.write_text(yaml.safe_dump(content))
            running.enter_context(HarForecast(mosquitto.url, state, "--config", config))
            return events[-1].seq

        yield start


def test_the_heater_follows_fresh_forecasts_alone(
    home_assistant: HomeAssistant, start: Callable[..., int], mosquitto: Mosquitto
) -> None:
    with listening(mosquitto.port, HEATED, "har/home/h1/rule/heater") as listener:
        seq = start(datetime.now(UTC) - timedelta(days=1), stale_after_s=5.0, rules=[RULE])
        # 1. A journal that is a day old, and no camera: once it has listened, it says so.
        home_assistant.wait_for(NEXT_START, "unavailable")
        assert not listener.on(HEATED)
        with _Camera(listener, seq=seq) as camera:
            # 2. A camera speaks: the forecast is of now, and acts.
            camera.tell("washing")
            listener.wait_for(lambda _: listener.on(HEATED) == [b"ON"], timeout_s=60)
            home_assistant.wait_until(NEXT_START, datetime.fromisoformat)
            # 3. Its clock jumps a day ahead: it is not believed, and nothing moves.
            camera.tell("sleeping", ahead=timedelta(days=1))
            camera.tell("washing")
            expected_at = home_assistant.wait_until(NEXT_START, datetime.fromisoformat)["state"]
            assert datetime.fromisoformat(expected_at) < datetime.now(UTC) + timedelta(hours=6)
        # 4. The camera is gone: off within seconds, and Home Assistant shows no forecast.
        listener.wait_for(lambda _: listener.on(HEATED) == [b"ON", b"OFF"], timeout_s=180)
        home_assistant.wait_for(NEXT_START, "unavailable")
    print("\nheater: off for a journal of yesterday, on, on by a clock of tomorrow, off without it")


def test_a_missed_breakfast_is_told_once_and_taken_back(
    home_assistant: HomeAssistant, start: Callable[..., int], mosquitto: Mosquitto
) -> None:
    with listening(mosquitto.port, TOLD) as listener:
        seq = start(datetime.now(UTC), stale_after_s=172_800.0)
        with _Camera(listener, seq=seq) as camera:
            camera.tell("washing")
            told = home_assistant.wait_for(UNUSUAL, "on")
            found = {(each["kind"], each["activity"]) for each in told["attributes"]["findings"]}
            assert ("not_yet", "breakfast") in found, found
            listener.wait_for(lambda _: listener.on(TOLD))
            camera.tell("breakfast")
            home_assistant.wait_for(UNUSUAL, "off")
            camera.tell("washing")
        assert listener.on(TOLD) == [b"on"]
    print("\nbreakfast: told once, and taken back")
