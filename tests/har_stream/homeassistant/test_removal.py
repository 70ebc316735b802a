"""`--forget` leaves nothing: no retained message, no entity, no memory, no session."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion
from support.broker.real_broker import Mosquitto, retained
from support.event_builder import living
from support.processes.forecast_process import HarForecast, har_forecast
from support.processes.forecast_process import Node as Camera
from support.processes.node import Node, change, recognition
from support.processes.stream_process import har_stream

from har_stream.config.settings import DiscoverySettings
from har_stream.core.errors import InputError
from har_stream.homeassistant.removal import forget_node


@pytest.fixture
def make_node(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def make(**options: object) -> Node:
        nodes.append(Node(mosquitto.url, tmp_path, **options))
        nodes[-1].publisher.start()
        return nodes[-1]

    yield make
    for made in nodes:
        made.close()


@pytest.mark.parametrize("loses_its_memory", [False, True])
@pytest.mark.parametrize("style", ["single", "device"])
def test_forget_leaves_nothing(mosquitto, make_node, style, loses_its_memory) -> None:
    node = make_node(discovery=DiscoverySettings(style=style))
    node.publisher.publish(recognition())
    node.publisher.publish(change())
    with pytest.raises(InputError, match="already at work"):
        forget_node(node.settings)
    node.close()
    assert retained(mosquitto)
    if loses_its_memory:
        for path in node.settings.state_dir.glob("announced-*"):
            path.unlink()
    assert forget_node(node.settings) >= 5
    assert retained(mosquitto) == {}
    assert not [
        m for p in node.settings.state_dir.glob("announced-*") for m in json.loads(p.read_text())
    ]


def test_the_command_forgets_a_node(mosquitto, make_node) -> None:
    node = make_node()
    node.close()
    state_dir = node.settings.state_dir
    flags = ("--node", "n1", "--broker", mosquitto.url, "--state-dir", state_dir)
    run = har_stream("--forget", *flags)
    assert re.fullmatch(r"node n1: \d+ topics removed from the broker\n", run.stdout)
    assert retained(mosquitto) == {}


def test_orphans_of_the_state_directory_are_forgotten_unless_they_are_at_work(
    mosquitto, make_node
) -> None:
    node = make_node()
    flags = ("--node", "new", "--broker", mosquitto.url, "--state-dir", node.settings.state_dir)
    spared = har_stream("--forget", "orphans", *flags)
    assert "knows no other node, or they are at work" in spared.stdout
    assert retained(mosquitto)
    node.close()
    run = har_stream("--forget", "orphans", *flags)
    assert re.fullmatch(r"node n1: \d+ topics removed from the broker\n", run.stdout)
    assert retained(mosquitto) == {}
    assert "knows no other node" in har_stream("--forget", "orphans", *flags).stdout


def test_the_command_forgets_a_home(mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = tmp_path / "har.yaml"
    rule = {"name": "r", "activity": "eating", "within": "60min", "probability": 0, "topic": "t"}
    config.write_text(
        yaml.safe_dump({"forecast": {"binary_sensors": ["eating", "sleeping"], "rules": [rule]}})
    )
    flags = ("--home", "h1", "--config", config, "--state-dir", tmp_path / "state")
    forget = (*flags, "--forget", "--broker", mosquitto.url)
    with HarForecast(mosquitto.url, tmp_path / "state", "--config", config) as forecaster:
        camera = Camera(mosquitto.port, [])
        camera.wait_until_online()
        camera.send(*living(days=10))
        forecaster.wait_for_log("rule r: on")
        camera.close()
        refused = har_forecast(*forget)
        assert refused.returncode == 2
        assert "home 'h1' is online; end its har-forecast first" in refused.stderr
        assert forecaster.stop() == 0
    topics = retained(mosquitto)
    assert {"har/home/h1/forecast", "har/home/h1/rule/r"} <= topics.keys()
    assert "homeassistant/binary_sensor/home_h1/likely_eating/config" in topics
    assert _has_session(mosquitto, "har-forecast-h1")
    done = har_forecast(*forget)
    assert re.fullmatch(r"home h1: \d+ topics removed from the broker\n", done.stdout)
    assert retained(mosquitto) == {}
    assert not _has_session(mosquitto, "har-forecast-h1")


def _has_session(mosquitto: Mosquitto, client_id: str) -> bool:
    """Ask the broker; whoever looks leaves it as it was."""
    found: list[bool] = []
    answered = threading.Event()
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=paho.MQTTv311,
        clean_session=False,
    )

    def connected(_client, _userdata, flags, *_) -> None:
        found.append(flags.session_present)
        answered.set()

    client.on_connect = connected
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    assert answered.wait(60)
    client.disconnect()
    client.loop_stop()
    return found[0]
