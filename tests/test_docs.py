"""What the pages promise exists: links, topics, entities, and files that others' programs read."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from node import LABELS

from har_stream import schema
from har_stream.discovery import camera_device, home_device, to_messages
from har_stream.settings import CameraSettings, DiscoverySettings, ForecastSettings, Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not re.match(r"\w+:", target):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_topics_on_the_page_are_those_of_the_schema() -> None:
    page = (ROOT / "docs" / "mqtt.md").read_text()
    for name, payload in schema.PAYLOADS.items():
        assert f"schema/{name}.json" in page
        topic = payload.topic.split(",")[0]
        assert f"har/{topic}`" in page or f"bridge/response/{topic.split('/')[-1]}`" in page


def _entities() -> set[str]:
    camera = CameraSettings(source="0", name="cam1")
    settings = Settings(
        node="n1", cameras=(camera,), forecast=ForecastSettings(binary_sensors=("sleeping",))
    )
    devices = [
        camera_device(settings, camera, model="m", labels=LABELS),
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


def test_the_blueprint_uses_every_input_that_it_asks_for() -> None:
    path = ROOT / "docs" / "blueprints" / "next-activity.yaml"
    blueprint: dict[str, Any] = yaml.load(path.read_text(), Loader=_Blueprint)  # noqa: S506 -- safe
    asked = set(blueprint["blueprint"]["input"])
    used = {value[1] for value in blueprint["trigger_variables"].values()} | {
        blueprint["action"][1]
    }
    assert used == asked
    assert blueprint["blueprint"]["domain"] == "automation"


def test_the_node_red_flow_is_wired() -> None:
    flow = json.loads((ROOT / "docs" / "node-red" / "flow.json").read_text())
    ids = {node["id"] for node in flow}
    for node in flow:
        assert {target for wire in node.get("wires", []) for target in wire} <= ids
        assert node.get("broker", "har-broker") in ids | {"127.0.0.1"}
    (listening,) = [node for node in flow if node["type"] == "mqtt in"]
    assert listening["topic"] == "har/+/+/event"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "har-stream.service"
    text = (ROOT / "docs" / "deploy" / "har-stream.service").read_text()
    unit.write_text(text.replace("/opt/har-stream/.venv/bin/har-stream", "/bin/true"))
    run = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    ours = [line for line in run.stderr.splitlines() if "har-stream.service" in line]
    assert not [line for line in ours if "mosquitto" not in line], run.stderr


def test_compose_names_images_and_files_that_exist() -> None:
    compose = yaml.safe_load((ROOT / "docs" / "deploy" / "compose.yaml").read_text())
    assert set(compose["services"]) == {"mosquitto", "homeassistant", "har-stream", "har-forecast"}
    for service in compose["services"].values():
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "nothing listens beyond loopback unasked"


@pytest.mark.parametrize("name", ["Containerfile", "Containerfile.edge"])
def test_images_are_built_from_what_is_in_the_repository(name: str) -> None:
    text = (ROOT / "docs" / "deploy" / name).read_text()
    assert "locks/run-headless.txt" in text
    for line in text.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), line
    assert re.search(r"^USER har$", text, re.MULTILINE)
