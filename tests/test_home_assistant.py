"""On a real Home Assistant: entities appear, follow, fail and return; automations fire once."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from forecast_process import HarForecast
from home_assistant import HomeAssistant, NotAvailableError, program
from real_broker import Mosquitto, listening

from har_stream.messages import ActivityEvent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# As in docs/home-assistant.md; what it does is heard on a topic.
ON_EVENT = {
    "alias": "on every event",
    "mode": "queued",
    "max": 1000,
    "trigger": [
        {
            "platform": "state",
            "entity_id": "event.n1_cam1_event",
            "not_from": "unavailable",
            "not_to": "unavailable",
        }
    ],
    "action": [
        {
            "service": "mqtt.publish",
            "data": {
                "topic": "automation/fired",
                "payload_template": "{{ trigger.to_state.attributes.id }}",
            },
        }
    ],
}


@pytest.fixture
def start_node(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen]]:
    """A node with cam1 and cam2 whose activity changes every three seconds."""
    running: list[subprocess.Popen[bytes]] = []
    state_dir = tmp_path / "node"

    def start() -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("busy_node.py")
        arguments = [mosquitto.url, str(state_dir), str(tmp_path / "announced.jsonl"), "1.5"]
        running.append(subprocess.Popen([sys.executable, str(script), *arguments]))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def home_assistant(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[HomeAssistant]:
    try:
        program()
    except NotAvailableError as reason:
        pytest.skip(str(reason))
    folder = tmp_path / "home-assistant"
    folder.mkdir()
    running = HomeAssistant(folder, broker_port=mosquitto.port, automations=[ON_EVENT])
    yield running
    running.stop()


def test_entities_appear_follow_fail_and_return(
    mosquitto: Mosquitto, home_assistant: HomeAssistant, start_node, tmp_path: Path
) -> None:
    with listening(mosquitto.port, "automation/fired", "har/n1/cam1/event") as listener:
        node = start_node()
        home_assistant.wait_for("sensor.n1_cam1_activity", "cooking")
        confidence = home_assistant.wait_for("sensor.n1_cam1_confidence", "90.0")
        assert confidence["attributes"]["unit_of_measurement"] == "%"
        assert home_assistant.wait_for("binary_sensor.n1_cam1_camera", "on")
        activity = home_assistant.wait_for("sensor.n1_cam1_activity", "cooking")
        assert activity["attributes"]["device_class"] == "enum"
        assert activity["attributes"]["bundle"] == "home"

        listener.wait_for(lambda _: len(listener.on("automation/fired")) >= 3)
        node.kill()
        node.wait()
        for entity in ("sensor.n1_cam1_activity", "event.n1_cam1_event"):
            home_assistant.wait_for(entity, "unavailable")
        node = start_node()
        home_assistant.wait_for("sensor.n1_cam1_activity", "cooking")
        n_fired = len(listener.on("automation/fired"))
        listener.wait_for(lambda _: len(listener.on("automation/fired")) >= n_fired + 3)

        home_assistant.call("switch/turn_off", entity_id="switch.n1_cam1_recognition")
        home_assistant.wait_for("switch.n1_cam1_recognition", "off")

        (tmp_path / "node" / "quiet").touch()
        node.terminate()
        node.wait(30)
        home_assistant.wait_for("sensor.n1_cam1_activity", "unavailable")
        events = [ActivityEvent.decode(p).id for p in listener.on("har/n1/cam1/event")]
        listener.wait_for(lambda _: len(listener.on("automation/fired")) >= len(set(events)))
        fired = [payload.decode() for payload in listener.on("automation/fired")]
    assert sorted(fired) == sorted(set(events)), "once per event"

    home_assistant.stop()
    registry = home_assistant.registry()
    for key in ("activity", "confidence", "event", "recognition", "camera"):
        assert registry[f"har_n1_cam1_{key}"]["platform"] == "mqtt"


def test_a_forecast_appears_changes_and_goes(
    mosquitto: Mosquitto, home_assistant: HomeAssistant, start_node, tmp_path: Path
) -> None:
    start = "sensor.home_h1_next_start"
    with HarForecast(mosquitto.url, tmp_path / "forecast") as forecaster:
        start_node()
        first = home_assistant.wait_until(start, lambda state: datetime.fromisoformat(state))
        later = home_assistant.wait_until(start, lambda state: state > first["state"])
        assert later["attributes"]["device_class"] == "timestamp"
        probability = home_assistant.states()["sensor.home_h1_next_activity_probability"]
        assert 0 <= float(probability["state"]) <= 100
        following = home_assistant.states()["sensor.home_h1_next_activity"]
        assert following["state"] in ("cooking", "unknown")
        assert "scores" in following["attributes"]
        forecaster.kill()
        home_assistant.wait_for(start, "unavailable")
        forecaster.start()
        home_assistant.wait_until(start, lambda state: datetime.fromisoformat(state))
