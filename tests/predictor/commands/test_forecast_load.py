"""A real `har-forecast` on a real Mosquitto keeps up with a flood, and loses nothing at kill -9."""

import random
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.broker.ingest_desk import ACK, TOPIC
from support.broker.real_broker import Mosquitto, listening
from support.event_builder import event, started
from support.processes.forecast_process import HarForecast, Node

from har_stream.config.broker_settings import BrokerSettings
from har_stream.mqtt.connection import MAX_UNACKNOWLEDGED, Connection
from har_stream.mqtt.messages import ActivityEvent, EventAck
from har_stream.mqtt.signing import SignatureCheck
from har_stream.mqtt.topics import Topics
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.service.ingest import EventIngest

ACTIVITIES = ("sleeping", "cooking", "eating", "relaxing", "walking", "exercising")


def _flood(n_events: int) -> list[ActivityEvent]:
    """Make events of one camera, half a minute apart."""
    numbers = range(1, n_events + 1)
    return [started(ACTIVITIES[n % len(ACTIVITIES)], minute=n / 2, seq=n) for n in numbers]


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found is not None
    return int(found[1]) / 1000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that queues what comes faster than it can be taken."""
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Mosquitto(folder, ["max_queued_messages 1000000", "max_inflight_messages 500"])
    broker.start()
    yield broker
    broker.kill()


@pytest.mark.parametrize(
    ("n_events", "n_kills"),
    [
        pytest.param(2000, 1, id="short"),
        pytest.param(60_000, 0, marks=pytest.mark.slow, id="speed"),
        pytest.param(60_000, 8, marks=pytest.mark.slow, id="kill-9"),
    ],
)
def test_a_flood_is_journalled_once_each(
    broker: Mosquitto, tmp_path: Path, n_events: int, n_kills: int
) -> None:
    events = _flood(n_events)
    topic = "har/n1/cam1/event"
    payloads = [event.encode() for event in events]
    rng = random.Random(n_events)
    kill_at = sorted(rng.sample(range(1, n_events), n_kills))
    memory_mb = []
    node = Node(broker.port, events)
    with HarForecast(broker.url, tmp_path / "state") as forecast:
        node.wait_until_online()
        began_s = time.monotonic()
        for number, payload in enumerate(payloads):
            node.publish_soon(topic, payload)
            if number in kill_at:
                forecast.kill()
                forecast.start()
            if number % (n_events // 10) == n_events // 10 - 1:
                # The broker's queue has its bound.
                node.wait_until_acknowledged(number - 20_000, timeout_s=300)
                memory_mb.append(_resident_mb(forecast.pid))
        node.wait_until_acknowledged(n_events, timeout_s=600)
        took_s = time.monotonic() - began_s
        memory_mb.append(_resident_mb(forecast.pid))
        assert forecast.stop() == 0
        kept = forecast.kept()
    node.close()
    print(
        f"\n{n_events} events, {n_kills} kills: {n_events / took_s:.0f} a second, memory "
        f"{min(memory_mb):.0f} to {max(memory_mb):.0f} MB; {n_events - len(kept)} lost or doubled"
    )
    assert sorted(event.id for event in kept) == sorted(event.id for event in events)
    assert "Traceback" not in forecast.log


def test_an_acknowledgement_for_which_there_was_no_room_is_sent_later(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """A broker that hangs answers nothing, so that our client takes no further messages."""
    answered = threading.Event()
    with (
        Journal(sqlite_url(tmp_path / "journal.db")) as journal,
        listening(broker.port, ACK) as listener,
        Connection(BrokerSettings(url=broker.url), client_id="crowded") as connection,
    ):
        ingest = EventIngest(
            journal,
            connection,
            topics=Topics(),
            signatures=SignatureCheck({}),
            home="h1",
            deliver=lambda _: None,
            wall=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
        )
        broker.freeze()
        room = [
            connection.publish("elsewhere", "", on_sent=lambda _: answered.set())
            for _ in range(MAX_UNACKNOWLEDGED)
        ]
        ingest.take_event(TOPIC, event(seq=1).encode())
        ingest.work(0.0)
        broker.thaw()
        assert all(room)
        assert journal.count() == 1
        assert answered.wait(60)
        ingest.work(0.0)
        listener.wait_for(lambda _: listener.on(ACK))
        assert [EventAck.decode(ack).seq for ack in listener.on(ACK)] == [1]
