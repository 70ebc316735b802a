"""What others may ask, and what they are answered; `test_fuzz` sends what makes no sense."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.broker.real_broker import Listener, Mosquitto, listening
from support.processes.node import Node, change

from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.mqtt.messages import ActivityEvent, MessageError
from har_stream.mqtt.requests import BridgeResponse
from har_stream.publishing.bridge_requests import Responder, read_switch
from har_stream.publishing.outbox import Outbox


@pytest.fixture
def node(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Node]:
    made = Node(mosquitto.url, tmp_path, cameras=("cam1", "cam2"))
    made.publisher.start()
    yield made
    made.close()


@pytest.fixture
def ask(mosquitto: Mosquitto, node: Node) -> Iterator[Callable[..., BridgeResponse]]:
    with listening(mosquitto.port, "har/n1/bridge/response/#", "har/n1/+/enabled/state") as asker:

        def ask(name: str, **request: Any) -> BridgeResponse:
            topic = f"har/n1/bridge/response/{name}"
            n_answers = len(asker.on(topic))
            asker.publish(f"har/n1/bridge/request/{name}", json.dumps(request) if request else "")
            asker.wait_for(lambda _: len(asker.on(topic)) > n_answers)
            return BridgeResponse.decode(asker.on(topic)[-1])

        ask.listener = asker  # type: ignore[attr-defined]
        yield ask


def test_health_check_answers_with_the_transaction(ask) -> None:
    assert ask("health_check").model_dump() == {
        "status": "ok",
        "error": None,
        "transaction": None,
        "data": {"healthy": True},
    }
    assert ask("health_check", transaction="abc").transaction == "abc"
    assert ask("health_check", transaction=7).transaction == 7


def test_info_holds_no_secret(mosquitto: Mosquitto, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret")
    secret.chmod(0o600)
    broker = BrokerSettings(url=mosquitto.url, username="watcher", password_file=secret)
    camera = CameraSettings(source="rtsp://viewer:pa55@10.0.0.7/live", name="cam9", room="hall")
    made = Node(mosquitto.url, tmp_path / "state", broker=broker, cameras=(camera,))
    made.publisher.start()
    with listening(mosquitto.port, "har/n1/bridge/response/info") as asker:
        asker.publish("har/n1/bridge/request/info", "")
        described = asker.wait_for(len)[0].payload.decode()
    made.close()
    assert "cam9" in described
    for hidden in ("s3cret", "pa55", "viewer", "watcher", "10.0.0.7", str(secret)):
        assert hidden not in described


def test_info(ask, node) -> None:
    answer = ask("info")
    assert answer.status == "ok"
    assert answer.data["node"] == "n1"
    assert answer.data["bundle"]["labels"] == ["cooking", "eating", "sleeping"]
    assert answer.data["cameras"]["cam2"] == {
        "room": None,
        "enabled": True,
        "state": "offline",
        "reason": "",
    }


def test_a_camera_that_is_too_slow_is_offline_and_info_says_why(ask, node, mosquitto) -> None:
    reason = "a frame only every 2.5 s"
    topic = "har/n1/cam1/availability"
    with listening(mosquitto.port, topic) as listener:
        for state in (CameraState.ONLINE, CameraState.SLOW):
            node.publisher.publish(CameraStatus("cam1", state, datetime.now(UTC), reason))
        listener.wait_for(lambda _: listener.on(topic)[-2:] == [b"online", b"offline"])
    told = ask("info").data["cameras"]["cam1"]
    assert (told["state"], told["reason"]) == ("slow", reason)
    assert not node.publisher.health().cameras["cam1"]


def test_info_names_every_camera_that_has_events(ask, node) -> None:
    for camera in ("cam1", "attic", "attic"):  # the attic has left the configuration
        node.outbox.append(change(), node="n1", camera=camera, room=None)
    assert ask("info").data["last_seq"] == {"cam1": 1, "attic": 2}


def test_replay_gives_events_again_in_the_answer_alone(ask, node, mosquitto) -> None:
    with listening(mosquitto.port, "har/n1/cam1/event") as events:
        for minute in range(5):
            node.publisher.publish(change(minute=minute))
        events.wait_for(lambda came: len(came) == 5)
        answer = ask("replay", camera="cam1", from_seq=3, transaction="t")
        again = [ActivityEvent.model_validate(event) for event in answer.data["events"]]
        assert again == [event for event in node.recorded if event.seq >= 3]
        assert (answer.data["first_seq"], answer.data["last_seq"]) == (1, 5)
        ask("health_check")
        assert len(events.messages) == 5, "Home Assistant would take a replayed one for new"


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"camera": "cam1"}, "replay needs camera and from_seq"),
        ({"camera": "cam1", "from_seq": 0}, "BridgeRequest: from_seq"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_an_error(ask, request_, said) -> None:
    answer = ask("replay", **request_)
    assert answer.status == "error"
    assert said in answer.error


def test_a_camera_that_left_the_configuration_still_gives_its_events(ask, node) -> None:
    event = node.outbox.append(change(), node="n1", camera="attic", room=None)
    assert ask("replay", camera="attic", from_seq=1).data["events"][0]["id"] == event.id
    assert ask("replay", camera="cellar", from_seq=1).data["events"] == []


def test_acknowledged_events_leave_first(node, mosquitto) -> None:
    with listening(mosquitto.port, "har/n1/cam1/event") as journal:
        node.publisher.publish(change())
        journal.wait_for(len)
        node.publisher.step()
        acknowledged = threading.Event()
        original = node.outbox.acknowledge

        def acknowledge(camera: str, seq: int) -> None:
            original(camera, seq)
            acknowledged.set()

        node.outbox.acknowledge = acknowledge  # type: ignore[method-assign]
        journal.publish("har/n1/cam1/event/ack", '{"journal":"j","seq":1}')
        assert acknowledged.wait(60)


def test_a_camera_is_switched_off_and_on(ask, node) -> None:
    listener: Listener = ask.listener
    topic = "har/n1/cam2/enabled/state"
    listener.wait_for(lambda _: listener.on(topic) == [b"ON"])
    listener.publish("har/n1/cam2/enabled/set", "OFF")
    listener.wait_for(lambda _: listener.on(topic) == [b"ON", b"OFF"])
    listener.publish("har/n1/cam2/enabled/set", "ON")
    listener.wait_for(lambda _: listener.on(topic) == [b"ON", b"OFF", b"ON"])
    assert node.switched == [("cam2", False), ("cam2", True)]
    assert ask("info").data["cameras"]["cam2"]["enabled"] is True


@pytest.mark.parametrize("payload", [b"", b"1", b"true", b"ONN", b"\xff\xfe", b"OFF!"])
def test_only_on_and_off_switch(payload: bytes) -> None:
    with pytest.raises(MessageError):
        read_switch(payload)


def test_a_request_without_a_payload_asks_for_nothing_in_particular(tmp_path: Path) -> None:
    responder = Responder(Outbox(tmp_path / "o.db"), dict)
    assert responder.answer("health_check", b"").status == "ok"


def test_an_unknown_request_is_answered_and_its_transaction_given_back(ask) -> None:
    answer = ask("reboot", transaction=7)
    assert (answer.status, answer.transaction) == ("error", 7)
    assert answer.error == "no request 'reboot'; there are health_check, info, replay"
