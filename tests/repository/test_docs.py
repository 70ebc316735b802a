"""What the pages promise exists: links, topics, entities, and files that others' programs read."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.broker.real_broker import Mosquitto
from support.processes.node import LABELS
from support.repository import ROOT

from har_stream.config.camera_settings import CameraSettings
from har_stream.config.forecast_settings import ForecastSettings
from har_stream.config.settings import DiscoverySettings, Settings
from har_stream.homeassistant.discovery import camera_device, home_device, to_messages
from har_stream.mqtt import message_schema

PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not re.match(r"\w+:", target):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_topics_on_the_page_are_those_of_the_schema() -> None:
    page = (ROOT / "docs" / "mqtt.md").read_text()
    for name, payload in message_schema.PAYLOADS.items():
        assert f"schema/{name}.json" in page
        topic = payload.topic.split(",")[0]
        assert f"har/{topic}`" in page or f"bridge/response/{topic.split('/')[-1]}`" in page


def _entities() -> set[str]:
    camera = CameraSettings(source="0", name="cam1")
    settings = Settings(
        node="n1", cameras=(camera,), forecast=ForecastSettings(binary_sensors=("sleeping",))
    )
    devices = [
        camera_device(settings, camera, model="m", labels=LABELS, watches_falls=True),
        home_device(settings, model="m", labels=LABELS),
    ]
    messages = to_messages(devices, DiscoverySettings())
    return {str(payload["default_entity_id"]) for payload in messages.values()}


def test_the_automations_on_the_page_name_entities_that_exist() -> None:
    page = (ROOT / "docs" / "home-assistant.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    automations = yaml.safe_load(block)["automation"]
    named = {trigger["entity_id"] for each in automations for trigger in each["trigger"]}
    assert named <= _entities()
    assert len(named) == 2


class _Blueprint(yaml.SafeLoader):
    """Reads Home Assistant's `!input`."""


_Blueprint.add_constructor("!input", lambda loader, node: ("input", loader.construct_scalar(node)))


def _inputs_used(part: Any) -> set[str]:
    if isinstance(part, tuple):
        return {part[1]}
    if isinstance(part, dict | list):
        parts = part.values() if isinstance(part, dict) else part
        return {name for each in parts for name in _inputs_used(each)}
    return set()


@pytest.mark.parametrize("name", ["next-activity", "fall-alarm", "unusual"])
def test_a_blueprint_uses_every_input_that_it_asks_for(name: str) -> None:
    path = ROOT / "docs" / "blueprints" / f"{name}.yaml"
    blueprint: dict[str, Any] = yaml.load(path.read_text(), Loader=_Blueprint)  # noqa: S506 -- safe
    assert _inputs_used(blueprint) == set(blueprint["blueprint"]["input"])
    assert blueprint["blueprint"]["domain"] == "automation"


def test_the_node_red_flow_is_wired() -> None:
    flow = json.loads((ROOT / "docs" / "node-red" / "flow.json").read_text())
    ids = {node["id"] for node in flow}
    for node in flow:
        assert {target for wire in node.get("wires", []) for target in wire} <= ids
        assert node.get("broker", "har-broker") in ids | {"127.0.0.1"}
    (listening,) = [node for node in flow if node["type"] == "mqtt in"]
    assert listening["topic"] == "har/+/+/event"


@pytest.mark.skipif(
    not shutil.which("mosquitto_rr"), reason="needs mosquitto_rr: apt-get install mosquitto-clients"
)
def test_the_commands_for_the_terminal_are_understood(mosquitto: Mosquitto) -> None:
    """Each runs on a real broker that nobody speaks to; listeners give up after a second."""
    page = (ROOT / "docs" / "mosquitto-sub.md").read_text()
    commands = [
        shlex.split(line, comments=True)
        for line in re.findall(r"^mosquitto_.*[^|\n]$", page, re.MULTILINE)
    ]
    assert {command[0] for command in commands} == {
        "mosquitto_sub",
        "mosquitto_pub",
        "mosquitto_rr",
    }
    place = ["-p", str(mosquitto.port)]
    waiting = [
        subprocess.Popen(
            [*command, *place, *([] if command[0] == "mosquitto_pub" else ["-W", "1"])],
            stdout=subprocess.DEVNULL,
        )
        for command in commands
    ]
    timed_out = 27
    assert {process.wait(30) for process in waiting} == {0, timed_out}
