"""What a node says on a real broker, in which order, how often, and when it keeps silent."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.broker.real_broker import Listener, Mosquitto, listening
from support.processes.node import NOON, Node, change, recognition

from har_stream.config.camera_settings import CameraSettings
from har_stream.config.state_dir import outbox_file
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.errors import InputError
from har_stream.homeassistant.entities import EXPIRE_AFTER_S, HEARTBEAT_S
from har_stream.mqtt.messages import (
    ActivityAttributes,
    ActivityEvent,
    ActivityState,
    NodeStats,
    Skeleton,
)
from har_stream.publishing import systemd
from har_stream.publishing.delivery import EventDelivery
from har_stream.publishing.outbox import Outbox
from har_stream.publishing.publisher import FIRST_STATS_S, STATS_S


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Listener]:
    with listening(mosquitto.port, "har/#", "homeassistant/#") as opened:
        yield opened


@pytest.fixture
def make_node(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def make(**options: Any) -> Node:
        made = Node(mosquitto.url, options.pop("state_dir", tmp_path), **options)
        nodes.append(made)
        return made

    yield make
    for made in nodes:
        made.close()


def _settle(listener: Listener) -> None:
    """Wait until everything published so far has come, by a message that comes after it."""
    n_marks = len(listener.on("har/mark"))
    listener.publish("har/mark", "")
    listener.wait_for(lambda _: len(listener.on("har/mark")) > n_marks)


def test_discovery_then_states_then_online(make_node, listener) -> None:
    node = make_node()
    node.publisher.start()
    listener.wait_for(lambda came: came and came[-1].topic == "har/n1/availability")
    topics = [m.topic for m in listener.messages if "/bridge/" not in m.topic]
    n_entities = 5
    assert all(topic.startswith("homeassistant/") for topic in topics[:n_entities])
    assert topics[n_entities:] == [
        "har/n1/cam1/enabled/state",
        "har/n1/cam1/availability",
        "har/n1/availability",
    ]
    assert listener.on("har/n1/availability") == [b"online"]
    assert listener.on("har/n1/cam1/availability") == [b"offline"]


def test_a_change_is_stored_then_recorded_then_published(make_node, listener) -> None:
    depth_when_recorded = []
    node = make_node(
        record=lambda _: depth_when_recorded.append(
            (node.outbox.depth(), listener.on("har/n1/cam1/event"))
        )
    )
    node.publisher.start()
    node.publisher.publish(change())
    came = listener.wait_for(lambda _: listener.on("har/n1/cam1/event"))[-1]
    assert depth_when_recorded == [(1, [])]
    event = ActivityEvent.decode(came.payload)
    assert (event.camera, event.node, event.seq) == ("cam1", "n1", 1)
    assert came.qos == 1
    with listening(listener.port, "har/n1/cam1/event", "har/mark") as later:
        _settle(later)
        assert not later.on("har/n1/cam1/event"), "an event is never retained"


def test_a_camera_may_be_of_another_home_than_its_node(make_node, listener) -> None:
    cameras = ("cam1", CameraSettings(source="cam2", name="cam2", home="attic"))
    node = make_node(cameras=cameras, home="flat")
    node.publisher.start()
    for camera in ("cam1", "cam2"):
        node.publisher.publish(recognition("cooking", camera=camera))
        node.publisher.publish(change(camera=camera))
    node.publisher.step()
    assert [event.home for event in node.recorded] == ["flat", "attic"]
    listener.wait_for(lambda _: all(listener.on(f"har/n1/{c}/activity") for c in ("cam1", "cam2")))
    states = [listener.on(f"har/n1/{camera}/activity")[-1] for camera in ("cam1", "cam2")]
    assert [ActivityState.decode(state).home for state in states] == ["flat", "attic"]


def test_what_another_process_saw_begin_goes_on_in_the_state(make_node, listener) -> None:
    node = make_node()
    node.publisher.resume_activity("cam1", "cooking", NOON)
    node.publisher.start()
    node.publisher.publish(recognition("cooking", minute=5, state="cooking"))
    listener.wait_for(lambda _: listener.on("har/n1/cam1/activity"))
    states = [ActivityState.decode(payload) for payload in listener.on("har/n1/cam1/activity")]
    assert [(state.activity, state.since) for state in states] == [("cooking", NOON)]


def test_the_state_follows_at_once_and_then_beats(make_node, listener) -> None:
    node = make_node()
    node.publisher.start()
    state_topic = "har/n1/cam1/activity"

    def states() -> list[ActivityState]:
        return [ActivityState.decode(payload) for payload in listener.on(state_topic)]

    node.publisher.publish(recognition("cooking"))
    node.publisher.publish(change("cooking"))
    listener.wait_for(lambda _: states() and states()[-1].activity == "cooking")
    assert states()[-1].since == NOON
    n_states = len(states())

    node.now_s = HEARTBEAT_S - 1.0
    node.publisher.publish(recognition("cooking", minute=0.4))
    node.publisher.step()
    _settle(listener)
    assert len(states()) == n_states, "nothing new within a heartbeat"

    node.now_s = HEARTBEAT_S + 0.1
    node.publisher.step()
    listener.wait_for(lambda _: len(states()) == n_states + 1)
    assert states()[-1].at == recognition(minute=0.4).at
    assert states()[-1].since == NOON

    node.now_s = 3 * HEARTBEAT_S
    node.publisher.step()
    _settle(listener)
    assert len(states()) == n_states + 1, "a stream that stands still has no heartbeat"


def test_the_state_is_retained_with_an_expiry_and_so_are_its_attributes(make_node, listener):
    node = make_node()
    node.publisher.start()
    node.publisher.publish(recognition("eating"))
    node.publisher.publish(change("eating"))
    listener.wait_for(lambda _: listener.on("har/n1/cam1/activity/attributes"))
    with listening(listener.port, "har/n1/cam1/activity/#") as later:
        later.wait_for(lambda came: len(came) == 2)
        retained = {message.topic: message for message in later.messages}
    state = retained["har/n1/cam1/activity"]
    assert state.retain
    assert 0 < state.properties.json()["MessageExpiryInterval"] <= EXPIRE_AFTER_S
    attributes = ActivityAttributes.decode(retained["har/n1/cam1/activity/attributes"].payload)
    assert attributes.top[0] == ("eating", 0.9)
    assert attributes.bundle == "home"


def test_between_activities_the_state_says_nobody_or_unknown(make_node, listener) -> None:
    node = make_node()
    node.publisher.start()

    def last(activity: str) -> ActivityState:
        listener.wait_for(
            lambda _: [
                1
                for payload in listener.on("har/n1/cam1/activity")[-1:]
                if ActivityState.decode(payload).activity == activity
            ]
        )
        return ActivityState.decode(listener.on("har/n1/cam1/activity")[-1])

    node.publisher.publish(recognition("eating"))
    assert last("unknown").since == NOON, "one decision is no activity"
    node.publisher.publish(change("cooking"))
    assert last("cooking").since == NOON
    node.publisher.publish(recognition("cooking", minute=2, state="idle"))
    node.publisher.publish(change("cooking", ended=1.5))
    idle = last("idle")
    assert (idle.since - NOON).total_seconds() == 90


def test_camera_states_travel(make_node, listener) -> None:
    node = make_node(cameras=("cam1", "cam2"))
    node.publisher.start()
    for state in (CameraState.ONLINE, CameraState.STALLED, CameraState.ONLINE):
        node.publisher.publish(CameraStatus("cam2", state, NOON, "because"))
    topic = "har/n1/cam2/availability"
    listener.wait_for(lambda _: len(listener.on(topic)) == 4)
    assert listener.on(topic) == [b"offline", b"online", b"offline", b"online"]
    node.close()
    listener.wait_for(lambda _: listener.on("har/n1/availability")[-1:] == [b"offline"])
    assert listener.on(topic)[-1] == b"offline"


def test_a_camera_that_is_recognised_is_there(make_node, listener) -> None:
    node = make_node()
    node.publisher.start()
    topic = "har/n1/cam1/availability"
    listener.wait_for(lambda _: listener.on(topic) == [b"offline"])
    node.publisher.publish(recognition())
    node.publisher.publish(recognition())
    node.publisher.publish(change())
    listener.wait_for(lambda _: listener.on("har/n1/cam1/event"))
    assert listener.on(topic) == [b"offline", b"online"]


def test_after_home_assistants_birth_everything_is_said_again(make_node, listener) -> None:
    node = make_node()
    node.publisher.start()
    node.publisher.publish(recognition("cooking"))
    listener.wait_for(lambda _: listener.on("har/n1/cam1/activity"))
    config = "homeassistant/sensor/n1_cam1/activity/config"
    assert len(listener.on(config)) == 1
    listener.publish("homeassistant/status", "online")
    listener.publish("har/n1/bridge/request/health_check", "")
    listener.wait_for(lambda _: listener.on("har/n1/bridge/response/health_check"))
    node.publisher.step()
    assert len(listener.on(config)) == 1, "not at once: every device would speak together"
    node.now_s = 4.0
    node.publisher.step()
    listener.wait_for(
        lambda _: len(listener.on(config)) == 2 and len(listener.on("har/n1/cam1/activity")) == 2
    )


def test_statistics_come_once_a_minute(make_node, listener) -> None:
    node = make_node()
    node.publisher.start()
    node.publisher.publish(recognition())
    node.publisher.step()
    node.now_s = FIRST_STATS_S + 0.1
    node.publisher.step()
    listener.wait_for(lambda _: listener.on("har/n1/stats"))
    stats = NodeStats.decode(listener.on("har/n1/stats")[0])
    assert (stats.processed, stats.latency_p50_ms, stats.outbox_depth) == (1, 12.1, 0)
    node.now_s += STATS_S - 0.2
    node.publisher.step()
    node.now_s += 0.2
    node.publisher.step()
    listener.wait_for(lambda _: len(listener.on("har/n1/stats")) == 2)


def test_a_start_says_once_that_it_is_connected(make_node, caplog) -> None:
    with caplog.at_level("INFO", logger="har_stream"):
        make_node().publisher.start()
    assert caplog.text.count("connected to broker") == 1


def test_a_second_process_with_this_name_is_refused_a_stale_online_is_not(
    make_node, mosquitto, listener, tmp_path
) -> None:
    listener.publish("har/n1/availability", "online", retain=True)
    node = make_node()
    node.publisher.start()
    assert node.connection.is_connected
    second = make_node(state_dir=tmp_path / "second")
    with pytest.raises(InputError, match=r"node 'n1' is already at work .*--node"):
        second.publisher.start()
    assert node.connection.is_connected
    second.publisher.start(takes_over=True)
    assert second.connection.is_connected


def test_events_made_while_the_broker_is_away_arrive_in_order(make_mosquitto, tmp_path) -> None:
    broker = make_mosquitto()
    broker.kill()
    node = Node(broker.url, tmp_path, clock=time.monotonic)
    node.publisher.start()
    for minute in range(250):
        node.publisher.publish(change(minute=minute))
    broker.start()
    with listening(broker.port, "har/n1/cam1/event") as listener:
        listener.wait_for(lambda came: len(came) >= 250)
        seqs = [json.loads(message.payload)["seq"] for message in listener.messages]
    node.close()
    assert seqs == list(range(1, 251))
    assert [event.seq for event in node.recorded] == seqs


def test_close_brings_the_last_event_to_the_broker(make_node, listener) -> None:
    node = make_node()
    node.publisher.start()
    node.publisher.publish(change())
    node.close()
    listener.wait_for(lambda _: listener.on("har/n1/cam1/event"))


def test_systemd_is_told_of_recognition_not_of_the_publisher(make_node, monkeypatch) -> None:
    told: list[str] = []
    looks = threading.Semaphore(0)
    alive = True

    def is_alive() -> bool:
        looks.release()
        return alive

    monkeypatch.setattr(systemd, "notify", told.append)
    node = make_node(is_alive=is_alive)
    node.publisher.start()
    _look_twice(looks)
    assert set(told) == {"READY=1", "WATCHDOG=1"}
    alive = False
    _look_twice(looks)
    told.clear()
    _look_twice(looks)
    assert not told
    assert not node.publisher.health().is_well


def _look_twice(looks: threading.Semaphore) -> None:
    for _ in range(2):
        assert looks.acquire(timeout=60)


def test_what_keeps_failing_is_said_once(make_node, caplog, monkeypatch) -> None:
    node = make_node()
    tries = threading.Semaphore(0)

    def fail(_delivery: EventDelivery, _now_s: float) -> None:
        tries.release()
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(EventDelivery, "step", fail)
    node.publisher.start()
    for _ in range(3):
        assert tries.acquire(timeout=60)
    monkeypatch.undo()
    assert caplog.text.count("publishing failed") == 1


def test_what_waits_under_an_earlier_name_goes_out_under_it(make_node, listener, tmp_path) -> None:
    left, held = (Outbox(outbox_file(tmp_path, name)) for name in ("old", "held"))
    for name, outbox in (("old", left), ("held", held)):
        outbox.append(change(), node=name, camera="cam1", room=None)
    left.close()
    node = make_node()
    node.publisher.start()
    node.publisher.publish(change("eating"))
    listener.wait_for(lambda _: listener.on("har/old/cam1/event"))
    node.close()
    (event,) = map(ActivityEvent.decode, listener.on("har/old/cam1/event"))
    assert (event.node, event.seq, event.activity) == ("old", 1, "cooking")
    assert len(listener.on("har/n1/cam1/event")) == 1
    assert not listener.on("har/held/cam1/event"), "another har-stream has it"
    assert (Outbox(outbox_file(tmp_path, "old")).depth(), held.depth()) == (0, 1)


JOINTS = ((0.25, 0.5, 0.75),) * 17


@pytest.mark.parametrize(("asked", "n_said"), [(False, 0), (True, 1)])
def test_joints_are_published_where_they_are_asked_for(make_node, listener, asked, n_said) -> None:
    node = make_node(skeleton=asked)
    node.publisher.start()
    node.publisher.publish(replace(recognition(), key_points=JOINTS))
    node.publisher.publish(recognition(minute=1))  # nobody was found
    node.publisher.publish(change())
    listener.wait_for(lambda _: listener.on("har/n1/cam1/event"))
    said = [m for m in listener.messages if m.topic == "har/n1/cam1/skeleton"]
    assert len(said) == n_said
    for message in said:
        assert Skeleton.decode(message.payload).points == list(JOINTS)
        assert message.qos == 0
    _settle(listener)
    with listening(listener.port, "har/#", "har/mark") as later:
        _settle(later)
        assert not later.on("har/n1/cam1/skeleton")
