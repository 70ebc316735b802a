"""A partition on a real Mosquitto and PostgreSQL: whose events count, and what a kill costs."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.broker.real_broker import Listener, Mosquitto, listening
from support.event_builder import event

from fleet.lots.lot_tables import open_database
from fleet.partitions import partition as module
from fleet.partitions.home_tables import read_status
from fleet.partitions.partition import Partition
from fleet.partitions.partition_task import PartitionTask
from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.settings import Settings
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.messages import ActivityEvent

WAIT_S = 30.0
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=90)
DAY = ["cooking", "eating", "relaxing", "reading", "washing", "cleaning", "sleeping", "exercising"]
"""Each once: a forecast says by its activity which event it has heard."""


@pytest.fixture
def task(mosquitto: Mosquitto, fleet_url: str) -> PartitionTask:
    """Two homes of one camera each, which no other test has."""
    mark = uuid.uuid4().hex[:8]
    return PartitionTask(
        partition=f"p-{mark}",
        homes={f"{home}-{mark}": ((f"lot-{mark}", f"cam-{home}"),) for home in ("h1", "h2")},
        settings=Settings.model_validate(
            {
                "broker": {"url": mosquitto.url},
                "timezone": "Europe/Berlin",
                "forecast": {"model": "hmm", "refresh_s": 3600.0},
            }
        ),
        database=fleet_url,
    )


def _events(task: PartitionTask, number: int) -> list[ActivityEvent]:
    """Some activities of one home's camera, ten minutes apart, up to now."""
    home, ((lot, camera),) = list(task.homes.items())[number]
    return [
        event(
            activity=each,
            seq=at + 1,
            node=lot,
            camera=camera,
            home=home,
            event_type="activity_changed" if at else "activity_started",
            started_at=BEGAN + timedelta(minutes=10 * at),
        )
        for at, each in enumerate(DAY)
    ]


def _say(mosquitto: Mosquitto, *events: ActivityEvent, topic: str = "") -> None:
    with Connection(BrokerSettings(url=mosquitto.url), client_id=uuid.uuid4().hex) as lot:
        for each in events:
            on = topic or f"har/{each.node}/{each.camera}/event"
            sent = threading.Event()
            assert lot.publish(on, each, on_sent=lambda _code, sent=sent: sent.set())
            assert sent.wait(WAIT_S)


@contextmanager
def _running(task: PartitionTask) -> Iterator[Partition]:
    partition = Partition(task, owner="m1")
    thread = threading.Thread(target=partition.run)
    thread.start()
    try:
        yield partition
    finally:
        partition.leave()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def _forecast_after(listener: Listener, home: str, n_before: int) -> dict[str, Any]:
    """The newest forecast of a home, once there are more than so many."""
    topic = f"har/home/{home}/forecast"
    listener.wait_for(lambda _: len(listener.on(topic)) > n_before, timeout_s=WAIT_S)
    found: dict[str, Any] = json.loads(listener.on(topic)[-1])
    return found


def _activity(forecast: bytes) -> str:
    return str(json.loads(forecast)["activity"]["label"])


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.02)


def test_an_event_counts_for_its_home_alone_and_another_homes_is_refused(
    task: PartitionTask, mosquitto: Mosquitto
) -> None:
    (one, two), ((lot, camera),) = task.homes, next(iter(task.homes.values()))
    with (
        listening(mosquitto.port, "har/home/#", f"har/{lot}/#") as listener,
        _running(task) as partition,
    ):
        for home in (one, two):
            availability = f"har/home/{home}/availability"
            listener.wait_for(lambda _, on=availability: bool(listener.on(on)), timeout_s=WAIT_S)
            assert listener.on(availability)[-1] == b"online"
            assert listener.on(f"har/home/{home}/forecast"), "the page and Home Assistant hear it"
        *told, last = _events(task, 0)
        _say(mosquitto, *told)
        acks = f"har/{lot}/{camera}/event/ack"
        listener.wait_for(
            lambda _: (
                bool(listener.on(acks)) and json.loads(listener.on(acks)[-1])["seq"] == len(told)
            ),
            timeout_s=WAIT_S,
        )
        listener.wait_for(
            lambda _: _activity(listener.on(f"har/home/{one}/forecast")[-1]) == told[-1].activity,
            timeout_s=WAIT_S,
        )
        _say(
            mosquitto,
            last.model_copy(update={"home": two}),
            last.model_copy(update={"camera": "stranger"}),
        )
        _wait_until(lambda: partition.tell().n_refused == 2)
        assert _activity(listener.on(f"har/home/{two}/forecast")[-1]) == "unknown"
        assert partition._store.journal_of(one).count() == len(told)
        assert partition._store.journal_of(two).count() == 0
        assert partition.tell().n_forecasting == 2
    assert listener.on(f"har/home/{one}/availability")[-1] == b"offline"


def test_who_has_been_due_for_longest_comes_before_who_is_heard_of(task: PartitionTask) -> None:
    partition = Partition(task, owner="m1")
    one, two = (partition._homes[name] for name in task.homes)
    partition._due.set(one.name, time.monotonic() - 1.0)
    told = _events(task, 1)[0]
    partition._hear(f"har/{told.node}/{told.camera}/event", told.encode())
    partition._step()
    assert (one.is_learning, two.is_learning) == (True, False)
    partition._step()
    assert two.is_learning
    partition._store.close()


def test_after_a_kill_it_goes_on_from_snapshot_and_journal_as_if_it_had_not_ended(
    task: PartitionTask, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = task.homes
    topic = f"har/home/{one}/forecast"
    events = _events(task, 0)
    with listening(mosquitto.port, f"{topic}/#", topic) as listener:

        def hear(*told: ActivityEvent) -> dict[str, Any]:
            n_before = len(listener.on(topic))
            _say(mosquitto, *told)
            listener.wait_for(
                lambda _: any(
                    _activity(said) == told[-1].activity for said in listener.on(topic)[n_before:]
                ),
                timeout_s=WAIT_S,
            )
            return json.loads(listener.on(topic)[-1])  # type: ignore[no-any-return]

        with _running(task):
            _forecast_after(listener, one, 0)
            hear(*events[:4])
        with _running(task) as killed:
            before = hear(*events[4:7])
            with monkeypatch.context() as patch:  # it dies without a word, and without a snapshot
                patch.setattr(module.Partition, "_take_snapshots", lambda _: None)
                killed.leave()
                _wait_until(lambda: killed._is_leaving.is_set())
            n_before = len(listener.on(topic))
        with _running(task) as again:
            after = _forecast_after(listener, one, n_before)
            assert again.tell().n_learning == 0, "a snapshot is all that it needs"
        engine = open_database(task.database)
        with engine.begin() as db:
            rows = [row for row in read_status(db) if row.partition == task.partition]
        engine.dispose()
    for name in ("activity", "next_room", "sequence", "training_days", "fresh", "residents"):
        assert after[name] == before[name]
    for (label, share), (other, before_share) in zip(after["next"], before["next"], strict=True):
        assert (label, share) == (other, pytest.approx(before_share, abs=0.01)), "seconds later"
    assert [(row.machine, row.starts) for row in rows] == [("m1", 3)]
