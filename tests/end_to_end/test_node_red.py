"""The flow of docs/node-red on a real Node-RED turns an event into a message on another topic."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
from support.broker.real_broker import Listener, Mosquitto, free_port, listening
from support.processes.node import Node, change
from support.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FLOW = ROOT / "docs" / "node-red" / "flow.json"
PACKAGE = "node-red@3.1"
_CACHE = platformdirs.user_cache_path("har-stream") / "node-red"


def _program() -> Path:
    """Install Node-RED once, below the user's cache or where `HAR_NODE_RED` says."""
    folder = Path(os.environ.get("HAR_NODE_RED", _CACHE))
    program = folder / "node_modules" / ".bin" / "node-red"
    if program.exists():
        return program
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here: apt-get install npm")
    install = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE]
    run = subprocess.run(install, capture_output=True, text=True, timeout=1500, check=False)
    if run.returncode:
        pytest.skip(f"Node-RED cannot be installed: {run.stderr[-200:]}")
    return program


@pytest.fixture
def node_red(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[None]:
    """Node-RED with our flow, connected to the broker."""
    nodes = json.loads(FLOW.read_text())
    for node in nodes:
        if node["type"] == "mqtt-broker":
            node["port"] = str(mosquitto.port)
    flow = tmp_path / "flow.json"
    flow.write_text(json.dumps(nodes))
    command = [str(_program()), "--userDir", str(tmp_path), "--port", str(free_port()), str(flow)]
    log = (tmp_path / "node-red.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    mosquitto.wait_for_log(" 1 har/+/+/event", timeout_s=120)
    yield
    process.kill()
    process.wait()
    log.close()


def test_the_flow_acts_once_when_cooking_starts(
    mosquitto: Mosquitto, node_red: None, tmp_path: Path
) -> None:
    node = Node(mosquitto.url, tmp_path / "state")
    node.publisher.start()
    with listening(mosquitto.port, "kitchen/hood/set", "har/n1/cam1/event") as listener:
        node.publisher.publish(change("eating"))
        node.publisher.publish(change("cooking", minute=5, previous="eating"))
        node.publisher.publish(change("cooking", minute=5, ended=9))
        node.publisher.publish(change("cooking", minute=20))
        listener.wait_for(lambda _: len(listener.on("kitchen/hood/set")) == 2)
        _wait_for_events(listener, 4)
        assert listener.on("kitchen/hood/set") == [b"ON", b"ON"]
    node.close()


def _wait_for_events(listener: Listener, n_events: int) -> None:
    listener.wait_for(lambda _: len(listener.on("har/n1/cam1/event")) == n_events)
