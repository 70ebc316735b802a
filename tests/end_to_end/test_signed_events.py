"""Who has the broker's password alone enters nothing where nodes sign: the real programs."""

from pathlib import Path

import pytest
from support.broker.real_broker import Listener, Mosquitto, listening
from support.event_builder import living
from support.processes.forecast_process import HarForecast
from support.processes.node import Node, change, recognition

from har_stream.mqtt.messages import ActivityEvent, ActivityState, EventAck
from har_stream.mqtt.signing import SignatureCheck, sign

KEY = "0123456789abcdef" * 4
HEATING, RULE_TOPIC = "home/bedroom/heating/set", "har/home/h1/rule/heating"
AVAILABILITY = "har/home/h1/availability"
EVENT, ACK = "har/n1/cam1/event", "har/n1/cam1/event/ack"
RULE = """
  rules:
    - {name: heating, activity: sleeping, within: 180min, probability: 0.0, topic: %s}
"""


def _key_file(folder: Path) -> Path:
    path = folder / "n1.key"
    path.write_text(KEY)
    path.chmod(0o600)
    return path


def _config(folder: Path) -> Path:
    config = folder / "har-forecast.yaml"
    keys = f"forecast:\n  signing_keys: {{n1: {_key_file(folder)}}}"
    config.write_text(keys + RULE % HEATING)
    return config


def _send(listener: Listener, events: list[ActivityEvent]) -> None:
    for event in events:
        listener.publish(EVENT, event.encode())


def test_a_forged_life_fires_no_rule_and_a_signed_one_does(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    lived = list(living(days=10))[:-1]  # it is evening, and nobody sleeps yet
    signed = [sign(one, KEY.encode(), node="n1", camera="cam1") for one in lived]
    with (
        listening(mosquitto.port, HEATING, RULE_TOPIC, ACK, AVAILABILITY) as listener,
        HarForecast(mosquitto.url, tmp_path / "state", "--config", _config(tmp_path)) as forecaster,
    ):
        # The log may say "connected" before the broker has read what is subscribed to.
        listener.wait_for(lambda _: listener.on(AVAILABILITY) == [b"online"])
        _send(listener, lived)  # a week and more of it, as a thief of the password would
        _send(listener, signed[:1])
        listener.wait_for(lambda _: listener.on(ACK))  # all before it has been heard by now
        assert forecaster.kept() == lived[:1]
        assert listener.on(HEATING) == listener.on(RULE_TOPIC) == []
        assert forecaster.log.count("refused") == 1
        _send(listener, signed)
        listener.wait_for(lambda _: b"ON" in listener.on(HEATING))
        listener.wait_for(
            lambda _: any(EventAck.decode(ack).seq == len(lived) for ack in listener.on(ACK))
        )
        assert forecaster.stop() == 0
        assert forecaster.kept() == lived
        assert f"{len(lived)} messages were refused for their signatures" in forecaster.log
        assert KEY not in forecaster.log


@pytest.mark.parametrize("knows_key", [True, False])
def test_a_nodes_events_arrive_signed_live_and_given_out_again(
    mosquitto: Mosquitto, tmp_path: Path, knows_key: bool
) -> None:
    """What was stored before the node had a key, too; and a journal without keys takes all."""
    unsigned_yet = Node(mosquitto.url, tmp_path / "node")
    unsigned_yet.publisher.publish(change(minute=0))
    unsigned_yet.outbox.close()
    node = Node(mosquitto.url, tmp_path / "node", signing_key=KEY.encode())
    options = ("--config", _config(tmp_path)) if knows_key else ()
    with listening(mosquitto.port, EVENT, ACK, "har/n1/cam1/activity") as listener:
        node.publisher.start()
        node.publisher.publish(change(minute=1))
        node.publisher.publish(recognition(minute=2))
        node.publisher.step()
        listener.wait_for(lambda _: len(listener.on(EVENT)) == 2)
        listener.wait_for(lambda _: listener.on("har/n1/cam1/activity"))
        with HarForecast(mosquitto.url, tmp_path / "state", *options) as forecaster:
            listener.wait_for(lambda _: listener.on(ACK))  # it was not there: given out again
            node.publisher.publish(change(minute=3))
            listener.wait_for(lambda _: any(b'"seq":3' in ack for ack in listener.on(ACK)))
            assert [event.seq for event in forecaster.kept()] == [1, 2, 3]
            assert "refused" not in forecaster.log
        check = SignatureCheck({"n1": KEY.encode()})
        for payload in listener.on(EVENT):
            assert check.passes(ActivityEvent.decode(payload), node="n1", camera="cam1")
        state = ActivityState.decode(listener.on("har/n1/cam1/activity")[-1])
        assert check.passes(state, node="n1", camera="cam1")
    node.close()
