"""A lot goes on where its last owner left, on a real broker and a real PostgreSQL."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.broker.busy_lot import BusyWatch
from support.broker.real_broker import Mosquitto, listening
from support.event_builder import COOKING
from support.processes.node import change
from support.processes.postgresql import PostgreSQL
from support.processes.stream_process import eager_copy, write_video

from fleet.lots import lot as lot_module
from fleet.lots.lot import Lot, LotTask
from fleet.lots.lot_outbox import LotOutbox
from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.settings import DiscoverySettings, Settings
from har_stream.config.state_dir import fall_file
from har_stream.mqtt.messages import FallState

CAMERAS = ("cam1", "cam2")


@pytest.fixture
def task(mosquitto: Mosquitto, postgresql: PostgreSQL, tmp_path: Path) -> LotTask:
    settings = Settings(
        node=f"lot-{uuid.uuid4()}",
        broker=BrokerSettings(url=mosquitto.url),
        discovery=DiscoverySettings(enabled=False),
        cameras=tuple(CameraSettings(source="sim:1", name=name, home="h1") for name in CAMERAS),
        state_dir=tmp_path / "state",
    )
    return LotTask(settings=settings, database=postgresql.url)


@pytest.fixture
def start(task: LotTask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Lot]]:
    """Start the task's lot as an owner; all are left in the end."""
    monkeypatch.setattr(lot_module, "CONFIRM_S", 0.05)
    started: list[tuple[Lot, threading.Thread]] = []

    def make(owner: str) -> Lot:
        watch = BusyWatch(task, every_s=0.01)
        lot = Lot(task, owner=owner, watch=watch)  # type: ignore[arg-type]
        assert lot.status().away == tuple(CAMERAS), "before the first frame"
        lot.resumed = watch.pipeline.resumed  # type: ignore[attr-defined]
        thread = threading.Thread(target=lot.run)
        thread.start()
        started.append((lot, thread))
        return lot

    yield make
    for lot, thread in started:
        lot.leave()
        thread.join(20)
        assert not thread.is_alive()


def test_two_owners_after_each_other_number_every_event_once(
    task: LotTask, mosquitto: Mosquitto, start: Callable[..., Lot]
) -> None:
    topic = f"har/{task.settings.node}"
    with listening(mosquitto.port, f"{topic}/+/event", f"{topic}/availability") as listener:

        def n_heard() -> int:
            return len(listener.on(f"{topic}/cam1/event"))

        first = start("m1")
        listener.wait_for(lambda _: n_heard() >= 5)
        assert (first.status().n_online, first.status().away) == (len(CAMERAS), ())
        second = start("m2")
        assert second.resumed == dict.fromkeys(CAMERAS, "cooking")
        n_then = n_heard()
        listener.wait_for(lambda _: n_heard() >= n_then + 20 and first.status().is_lost)
        second.leave()
        for camera in CAMERAS:
            events = [json.loads(each) for each in listener.on(f"{topic}/{camera}/event")]
            unique = {event["id"]: event["seq"] for event in events}
            assert list(unique.values()) == list(range(1, len(unique) + 1)), "in order, no gap"
            assert {event["home"] for event in events} == {"h1"}


def test_a_lot_that_is_left_says_offline_and_ends_nothing(
    task: LotTask, mosquitto: Mosquitto, start: Callable[..., Lot]
) -> None:
    topic = f"har/{task.settings.node}"
    with listening(mosquitto.port, f"{topic}/+/event", f"{topic}/availability") as listener:
        lot = start("m1")
        listener.wait_for(lambda _: listener.on(f"{topic}/cam1/event"))
        lot.leave()
        listener.wait_for(lambda _: listener.on(f"{topic}/availability")[-1:] == [b"offline"])
        kinds = {json.loads(each)["event_type"] for each in listener.on(f"{topic}/cam1/event")}
    assert kinds == {"activity_started"}


def test_a_fall_stays_one_on_another_machine_and_an_old_one_there_is_none(task: LotTask) -> None:
    settings = task.settings
    outbox = LotOutbox(task.database, settings.node, owner="m1")
    fallen = change("fallen", camera="cam1", fall_stage="long_lie")
    for each in (COOKING, fallen):
        outbox.append(each, node=settings.node, camera="cam1", room="hall", home="h1")
    outbox.close()
    old = fall_file(settings.state_dir, settings.node, "cam2")
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    Lot(task, owner="m2", watch=BusyWatch(task))  # type: ignore[arg-type]
    assert not old.exists()
    kept = FallState.decode(fall_file(settings.state_dir, settings.node, "cam1").read_bytes())
    assert (kept.alarm, kept.stage, kept.since) == (True, "long_lie", fallen.started_at)
    assert (kept.room, kept.confidence) == ("hall", 0.9)


def test_a_lot_of_a_real_camera_numbers_what_it_recognises(task: LotTask, tmp_path: Path) -> None:
    video = write_video(tmp_path / "cam1.mp4", 100)
    camera = CameraSettings(source=str(video), name="cam1", home="h1", room="hall")
    settings = task.settings.model_copy(
        update={"cameras": (camera,), "bundle": str(eager_copy(tmp_path / "bundle"))}
    )
    lot = Lot(LotTask(settings=settings, database=task.database), owner="m1")
    lot.run()
    assert lot.status().n_cameras == 1
    outbox = LotOutbox(task.database, settings.node, owner="m2")
    replayed = outbox.replay("cam1", 1)
    kinds = [event.event_type for event in replayed.events]
    assert kinds[0] == "activity_started"
    assert kinds[-1] == "activity_ended", "its camera has ended"
    assert {(event.home, event.room) for event in replayed.events} == {("h1", "hall")}
    assert outbox.depth() == 0, "all of it is sent"
    outbox.close()
