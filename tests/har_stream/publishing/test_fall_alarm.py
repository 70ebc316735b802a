"""A fall's alarm on a real broker: it stays until somebody is up, or somebody answers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.broker.real_broker import Listener, Mosquitto, listening, retained
from support.processes.node import FALLS, NOON, Node, change, recognition

from har_stream.mqtt.messages import ActivityEvent, ActivityState, FallState

TOPIC, ACK = "har/n1/cam1/fall", "har/n1/cam1/fall/ack"


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Listener]:
    with listening(mosquitto.port, "har/#", "homeassistant/#") as opened:
        yield opened


@pytest.fixture
def start(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def make(**options: Any) -> Node:
        made = Node(mosquitto.url, tmp_path, **{"falls": FALLS} | options)
        nodes.append(made)
        made.publisher.start()
        return made

    yield make
    for made in nodes:
        made.close()


def alarms(listener: Listener, n: int) -> list[tuple[bool, str]]:
    """Wait for `n` states of the fall, and return what they say."""
    listener.wait_for(lambda _: len(listener.on(TOPIC)) >= n)
    states = [FallState.decode(payload) for payload in listener.on(TOPIC)]
    return [(state.alarm, state.stage) for state in states]


def fall(node: Node, *, previous: str | None = None) -> None:
    stage = "long_lie" if previous == "fallen" else "fallen"
    node.publisher.publish(change("fallen", previous=previous, minute=1, fall_stage=stage))


def test_a_fall_is_told_again_when_it_lasts_and_is_over_when_somebody_is_up(start, listener):
    node = start()
    fall(node, previous="cooking")
    fall(node, previous="fallen")
    node.publisher.publish(change("fallen", minute=1, ended=5, fall_stage="got_up"))
    assert alarms(listener, 4) == [
        (False, "none"),
        (True, "fallen"),
        (True, "long_lie"),
        (False, "got_up"),
    ]
    listener.wait_for(lambda _: len(listener.on("har/n1/cam1/event")) == 3)
    events = [ActivityEvent.decode(payload) for payload in listener.on("har/n1/cam1/event")]
    assert [event.fall_stage for event in events] == ["fallen", "long_lie", "got_up"]


def test_an_answer_ends_the_alarm(start, listener):
    node = start()
    fall(node)
    alarms(listener, 2)
    listener.publish(ACK, "PRESS")
    assert alarms(listener, 3)[-1] == (False, "acknowledged")
    listener.publish(ACK, "")
    listener.publish("har/n1/cam1/enabled/set", "OFF")  # heard after the second answer
    listener.wait_for(lambda _: len(listener.on("har/n1/cam1/enabled/state")) == 2)
    assert node.acknowledged == ["cam1"], "there was nothing more to answer to"
    fall(node)
    assert alarms(listener, 4)[-1] == (True, "fallen")


def test_an_answer_that_lies_on_the_broker_answers_nothing(start, listener, mosquitto):
    with listening(mosquitto.port, "mark") as other:
        other.publish(ACK, "PRESS", retain=True)
        other.publish("mark", "")
        other.wait_for(lambda came: came)
    node = start()
    fall(node)
    listener.publish("har/n1/cam1/enabled/set", "OFF")  # heard after what was retained
    listener.wait_for(lambda _: len(listener.on("har/n1/cam1/enabled/state")) == 2)
    assert alarms(listener, 2)[-1] == (True, "fallen")
    assert node.acknowledged == []


def test_a_restart_does_not_silence_a_fall(start, listener, mosquitto):
    first = start()
    fall(first)
    first.close()
    second = start()
    (open_fall,) = second.publisher.open_falls().values()
    assert open_fall.since == NOON.replace(minute=1)
    assert json.loads(retained(mosquitto)[TOPIC])["alarm"] is True
    listener.publish(ACK, "")
    listener.wait_for(lambda _: second.acknowledged)
    second.close()
    assert not start().publisher.open_falls()


def test_a_file_that_makes_no_sense_is_said(start, tmp_path, caplog):
    (tmp_path / "fall-n1-cam1.json").write_text("{]")
    assert not start().publisher.open_falls()
    assert "a fall in it is forgotten" in caplog.text


def test_the_state_is_as_sure_of_a_fall_as_what_raised_it(start, listener):
    """Not as the newest decision: who lies is easily lost from sight."""
    node = start()
    fall(node)
    node.publisher.publish(recognition("eating", minute=2, state="fallen"))
    listener.wait_for(lambda _: listener.on("har/n1/cam1/activity"))
    state = ActivityState.decode(listener.on("har/n1/cam1/activity")[-1])
    assert (state.activity, state.confidence) == ("fallen", 0.9)


def test_a_bundle_that_knows_no_falls_says_nothing_of_them(start, listener):
    node = start(falls=None)
    node.publisher.publish(change("fallen"))
    listener.wait_for(lambda _: listener.on("har/n1/cam1/event"))
    assert not listener.on(TOPIC)
    assert not [m.topic for m in listener.messages if "fall" in m.topic]


def test_a_recording_begins_without_the_alarm_of_an_earlier_one(start, listener):
    first = start()
    fall(first)
    first.close()
    second = start()
    second.publisher.forget_fall("cam1")
    assert not second.publisher.open_falls()
    assert alarms(listener, 4)[-1] == (False, "none")
    second.close()
    assert not start().publisher.open_falls()
