"""On a real Home Assistant: a fall's sensor, its button, and the blueprint that tells of it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.broker.real_broker import Listener, Mosquitto, listening
from support.processes.home_assistant import HomeAssistant, NotAvailableError, program
from support.repository import ROOT

from har_stream.config.camera_settings import CameraSettings
from har_stream.config.settings import DiscoverySettings, Settings
from har_stream.homeassistant.discovery import camera_device, to_messages
from har_stream.mqtt.messages import FallState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FALL, STAGE, BUTTON = (
    "binary_sensor.n1_cam1_fall",
    "sensor.n1_cam1_fall_stage",
    "button.n1_cam1_acknowledge_fall",
)
TOLD, TOLD_LOUDER = "automation/told", "automation/louder"
TOPIC, ACK = "har/n1/cam1/fall", "har/n1/cam1/fall/ack"
EVERY_S = 5


def _say(topic: str, payload: str) -> list[dict[str, object]]:
    data = {"topic": topic, "payload_template": payload}
    return [{"service": "mqtt.publish", "data": data}]


BY_BLUEPRINT = {
    "alias": "fall alarm",
    "use_blueprint": {
        "path": "har/fall-alarm.yaml",
        "input": {
            "fall": FALL,
            "stage": STAGE,
            "acknowledge": BUTTON,
            "every": EVERY_S,
            "tell": _say(TOLD, "{{ stage }}"),
            "tell_louder": _say(TOLD_LOUDER, "{{ stage }}"),
        },
    },
}


RELEASE = "2024.3.3"
"""The oldest that these tests know: what it takes, later ones take too."""


@pytest.fixture
def home_assistant(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[HomeAssistant]:
    try:
        program(RELEASE)
    except NotAvailableError as reason:
        pytest.skip(str(reason))
    blueprints = tmp_path / "home-assistant" / "blueprints" / "automation" / "har"
    blueprints.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "blueprints" / "fall-alarm.yaml", blueprints)
    running = HomeAssistant(
        tmp_path / "home-assistant",
        release=RELEASE,
        broker_port=mosquitto.port,
        automations=[BY_BLUEPRINT],
    )
    yield running
    running.stop()


def test_it_tells_of_a_fall_until_somebody_answers(
    home_assistant: HomeAssistant, mosquitto: Mosquitto
) -> None:
    with listening(mosquitto.port, TOLD, TOLD_LOUDER, ACK) as listener:
        _announce(listener)
        home_assistant.wait_for(FALL, "off")
        found = home_assistant.wait_for(STAGE, "none")
        assert found["attributes"]["device_class"] == "enum"
        # 1. A fall is told, and told again.
        _publish(listener, alarm=True, stage="fallen")
        assert home_assistant.wait_for(FALL, "on")["attributes"]["device_class"] == "safety"
        listener.wait_for(lambda _: len(listener.on(TOLD)) >= 2, timeout_s=60)
        assert set(listener.on(TOLD)) == {b"fallen"}
        assert not listener.on(TOLD_LOUDER)
        # 2. Nobody gets up: it is told louder at once.
        _publish(listener, alarm=True, stage="long_lie")
        listener.wait_for(lambda _: listener.on(TOLD_LOUDER), timeout_s=60)
        # 3. The button answers, and it is told no more: one run for one fall.
        home_assistant.call("button/press", entity_id=BUTTON)
        listener.wait_for(lambda _: listener.on(ACK), timeout_s=60)
        _publish(listener, alarm=False, stage="acknowledged")
        home_assistant.wait_for(FALL, "off")
        home_assistant.wait_for(STAGE, "acknowledged")
        automation = "automation.fall_alarm"
        home_assistant.wait_for_states(
            lambda states: states[automation]["attributes"]["current"] == 0
        )
        n_told = len(listener.on(TOLD))
        fired = home_assistant.states()[automation]["attributes"]["last_triggered"]
        # 4. The next fall is told anew.
        _publish(listener, alarm=True, stage="fallen")
        listener.wait_for(lambda _: len(listener.on(TOLD)) > n_told, timeout_s=60)
        assert home_assistant.states()[automation]["attributes"]["last_triggered"] > fired
        # 5. The answer in its notification acknowledges it, and none to another camera's.
        for button in ("button.n1_hall_acknowledge_fall", BUTTON):
            answer = f"har_acknowledge_{button}"
            home_assistant.fire("mobile_app_notification_action", action=answer)
        listener.wait_for(lambda _: len(listener.on(ACK)) >= 2, timeout_s=60)
        _publish(listener, alarm=False, stage="acknowledged")
        home_assistant.wait_for(FALL, "off")
        assert len(listener.on(ACK)) == 2
    assert "Error" not in home_assistant.log.read_text()


def _announce(listener: Listener) -> None:
    camera = CameraSettings(source="0", name="cam1", room="bath")
    device = camera_device(
        Settings(node="n1", cameras=(camera,)), camera, model="m", labels=(), watches_falls=True
    )
    for topic, payload in to_messages([device], DiscoverySettings()).items():
        listener.publish(topic, json.dumps(payload), retain=True)
    listener.publish("har/n1/availability", "online", retain=True)
    _publish(listener, alarm=False, stage="none")


def _publish(listener: Listener, **fields: object) -> None:
    state = FallState.model_validate(fields)
    listener.publish(TOPIC, state.encode(), retain=True)
