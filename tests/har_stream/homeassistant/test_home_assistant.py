"""On a real Home Assistant, in front of real clips: entities appear, follow, fail, return and go.

Both discovery styles, each on a release that knows it. Every step asks Home Assistant itself, over
its REST interface and in its registry.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.broker.real_broker import Listener, Mosquitto, listening
from support.processes.forecast_process import HarForecast, har_forecast
from support.processes.home_assistant import HomeAssistant, NotAvailableError, program
from support.processes.stream_process import eager_copy, har_stream, start_har_stream
from support.repository import ROOT

from har_stream.config.forecast_settings import ForecastSettings
from har_stream.config.settings import DiscoverySettings, Settings
from har_stream.homeassistant.discovery import home_device, to_messages
from har_stream.mqtt import message_schema
from har_stream.mqtt.messages import ActivityEvent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5400)]

DOCS = ROOT / "docs"
LABELS = ("HorseRace", "Swing", "TaiChi", "WalkingWithDog")
ACTIVITY, CONFIDENCE, EVENT = (
    "sensor.n1_cam1_activity",
    "sensor.n1_cam1_confidence",
    "event.n1_cam1_event",
)
KEYS = ("activity", "confidence", "event", "recognition", "camera")
FIRED, BLUEPRINT_FIRED = "automation/fired", "automation/blueprint"
# As in docs/home-assistant.md; what it does is heard on a topic.
ON_EVENT = {
    "alias": "on every event",
    "mode": "queued",
    "max": 1000,
    "trigger": [
        {
            "platform": "state",
            "entity_id": EVENT,
            "not_from": "unavailable",
            "not_to": "unavailable",
        }
    ],
    "action": [
        {
            "service": "mqtt.publish",
            "data": {"topic": FIRED, "payload_template": "{{ trigger.to_state.attributes.id }}"},
        }
    ],
}
BY_BLUEPRINT = {
    "alias": "by the blueprint",
    "use_blueprint": {
        "path": "har/next-activity.yaml",
        "input": {
            "next_activity": "sensor.home_made_up_next_activity",
            "probability_sensor": "sensor.home_made_up_next_activity_probability",
            "activity": "eating",
            "threshold": 60,
            "do_this": [
                {"service": "mqtt.publish", "data": {"topic": BLUEPRINT_FIRED, "payload": "now"}}
            ],
        },
    },
}


@dataclass
class House:
    """A Home Assistant, a forecaster, and a node that watches real clips at their own pace."""

    home_assistant: HomeAssistant
    forecaster: HarForecast
    start_node: Callable[..., "subprocess.Popen[str]"]
    forget: Callable[[], None]


def _clips(shared: Path, folder: Path) -> Path:
    """A camera that sees one activity after the other, for some minutes."""
    clips = [sorted((shared / "data" / "ucf" / label).glob("*.mp4")) for label in LABELS]
    folder.mkdir()
    for n, clip in enumerate(clip for group in zip(*clips, strict=False) for clip in group):
        (folder / f"{n:03}.mp4").symlink_to(clip)
    return folder


def _automations_of_the_page() -> list[dict[str, Any]]:
    page = (DOCS / "home-assistant.md").read_text()
    return [
        automation
        for block in re.findall(r"```yaml\n(automation:.*?)```", page, re.DOTALL)
        for automation in yaml.safe_load(block)["automation"]
    ]


@pytest.fixture(params=[("2024.3.3", "single"), ("2024.12.5", "device")], ids="-".join)
def house(
    request: pytest.FixtureRequest, mosquitto: Mosquitto, shared: Path, tmp_path: Path
) -> Iterator[House]:
    release, style = request.param
    try:
        program(release)
    except NotAvailableError as reason:
        pytest.skip(str(reason))
    folder = tmp_path / "home-assistant"
    blueprints = folder / "blueprints" / "automation" / "har"
    blueprints.mkdir(parents=True)
    shutil.copy(DOCS / "blueprints" / "next-activity.yaml", blueprints)
    bundle = eager_copy(tmp_path / "bundle")
    cameras = [{"source": str(_clips(shared, tmp_path / name))} for name in ("cam1", "cam2")]
    nodes: list[subprocess.Popen[str]] = []

    def configure(n_cameras: int) -> Path:
        config = tmp_path / f"{n_cameras}.yaml"
        content = {
            "node": "n1",
            "home": "h1",
            "state_dir": str(tmp_path / "state"),
            "broker": {"url": mosquitto.url},
            "discovery": {"style": style},
            "bundle": str(bundle),
            "engine": "litert",
            "cameras": cameras[:n_cameras],
        }
        config.write_text(yaml.safe_dump(content))
        return config

    def start_node(n_cameras: int) -> "subprocess.Popen[str]":
        nodes.append(start_har_stream("--config", configure(n_cameras), "--realtime"))
        return nodes[-1]

    def forget() -> None:
        assert har_stream("--config", configure(1), "--forget").returncode == 0
        assert har_forecast("--config", configure(1), "--forget").returncode == 0

    running = HomeAssistant(
        folder,
        release=release,
        broker_port=mosquitto.port,
        automations=[ON_EVENT, BY_BLUEPRINT, *_automations_of_the_page()],
    )
    with HarForecast(
        mosquitto.url, tmp_path / "state", "--config", configure(1), "--log-level", "warning"
    ) as forecaster:
        yield House(running, forecaster, start_node, forget)
    for process in nodes:
        process.kill()
        process.communicate()
    running.stop()


def test_a_household_on_a_running_home_assistant(house: House, mosquitto: Mosquitto) -> None:
    with listening(mosquitto.port, FIRED, "har/n1/cam1/event") as listener:
        node = house.start_node(2)
        _entities_appear_and_follow(house.home_assistant)
        _the_forecast_follows(house.home_assistant, house.forecaster)
        node.kill()  # -9
        _the_node_is_missed(house.home_assistant)
        node = house.start_node(1)
        _one_camera_returns_and_the_other_is_gone(house.home_assistant)
        _recognition_is_switched(house.home_assistant)
        listener.wait_for(lambda _: len(listener.on(FIRED)) >= 10, timeout_s=120)
        node.terminate()
        node.wait(30)
        house.home_assistant.wait_for(ACTIVITY, "unavailable")
        _the_automation_has_fired_once_per_event(listener)
    _the_blueprint_acts(house.home_assistant, mosquitto)
    assert house.forecaster.stop() == 0
    house.forget()
    _nothing_is_left(house.home_assistant)
    assert not re.findall(
        "Invalid config|Error while processing", house.home_assistant.log.read_text()
    )


def _entities_appear_and_follow(home_assistant: HomeAssistant) -> None:
    first = home_assistant.wait_until(ACTIVITY, LABELS.__contains__)
    assert first["attributes"]["device_class"] == "enum"
    # Older releases check a state against its options without showing them.
    options = sorted([*LABELS, "idle", "unknown"])
    assert first["attributes"].get("options", options) == options
    confidence = home_assistant.wait_until(CONFIDENCE, lambda state: 0 < float(state) <= 100)
    assert confidence["attributes"]["unit_of_measurement"] == "%"
    home_assistant.wait_for("binary_sensor.n1_cam1_camera", "on")
    home_assistant.wait_for("switch.n1_cam1_recognition", "on")
    event = home_assistant.wait_until(EVENT, datetime.fromisoformat)
    home_assistant.wait_until(ACTIVITY, lambda state: state in LABELS and state != first["state"])
    home_assistant.wait_until(CONFIDENCE, lambda state: float(state) != float(confidence["state"]))
    later = home_assistant.wait_until(EVENT, lambda state: state > event["state"])
    assert later["attributes"]["event_type"] in ("activity_started", "activity_changed")
    assert later["attributes"]["camera"] == "cam1"
    ours = {f"har_n1_{camera}_{key}" for camera in ("cam1", "cam2") for key in KEYS}
    registry = home_assistant.wait_for_registry(lambda known: ours <= known.keys())
    assert {registry[unique_id]["platform"] for unique_id in ours} == {"mqtt"}


def _the_forecast_follows(home_assistant: HomeAssistant, forecaster: HarForecast) -> None:
    start = "sensor.home_h1_next_start"
    first = home_assistant.wait_until(start, datetime.fromisoformat)
    later = home_assistant.wait_until(
        start, lambda state: datetime.fromisoformat(state) and state != first["state"]
    )
    assert later["attributes"]["device_class"] == "timestamp"
    home_assistant.wait_until(
        "sensor.home_h1_next_activity_probability", lambda state: 0 <= float(state) <= 100
    )
    following = home_assistant.wait_until(
        "sensor.home_h1_next_activity", (*LABELS, "idle", "unknown").__contains__
    )
    assert "scores" in following["attributes"]
    forecaster.kill()
    home_assistant.wait_for(start, "unavailable")
    forecaster.start()
    home_assistant.wait_until(start, datetime.fromisoformat)


def _the_node_is_missed(home_assistant: HomeAssistant) -> None:
    for entity in (ACTIVITY, CONFIDENCE, EVENT, "binary_sensor.n1_cam1_camera"):
        home_assistant.wait_for(entity, "unavailable")


def _one_camera_returns_and_the_other_is_gone(home_assistant: HomeAssistant) -> None:
    home_assistant.wait_until(ACTIVITY, LABELS.__contains__)
    home_assistant.wait_for_states(lambda all_: not [each for each in all_ if "n1_cam2" in each])


def _recognition_is_switched(home_assistant: HomeAssistant) -> None:
    for wanted in ("off", "on"):
        home_assistant.call(f"switch/turn_{wanted}", entity_id="switch.n1_cam1_recognition")
        home_assistant.wait_for("switch.n1_cam1_recognition", wanted)


def _the_automation_has_fired_once_per_event(listener: Listener) -> None:
    """From the first event on that came after Home Assistant knew the entity."""

    def events_and_fired() -> tuple[list[str], list[str]]:
        events = [ActivityEvent.decode(said).id for said in listener.on("har/n1/cam1/event")]
        fired = [said.decode() for said in listener.on(FIRED)]
        return events[events.index(fired[0]) :], fired

    def all_fired(_: object) -> bool:
        events, fired = events_and_fired()
        return len(fired) >= len(events)

    listener.wait_for(all_fired)
    events, fired = events_and_fired()
    print(f"\n{len(events)} events of real clips, {len(fired)} times an automation")
    assert fired == events


def _the_blueprint_acts(home_assistant: HomeAssistant, mosquitto: Mosquitto) -> None:
    """Once each time that the activity becomes likely enough, by forecasts made up here."""
    settings = Settings(home="made_up", forecast=ForecastSettings(binary_sensors=("eating",)))
    device = home_device(settings, model="m", labels=("eating", "cooking"))
    configs = to_messages([device], DiscoverySettings())
    forecast = message_schema.PAYLOADS["forecast"].example
    with listening(mosquitto.port, BLUEPRINT_FIRED) as listener:
        for topic, payload in configs.items():
            listener.publish(topic, json.dumps(payload))
        listener.publish("har/home/made_up/availability", "online", retain=True)
        for percent in (20, 62, 70, 30, 90):
            said = forecast.model_copy(update={"next": [("eating", percent / 100)]})
            listener.publish("har/home/made_up/forecast", said.encode(), retain=True)
            home_assistant.wait_until(
                "sensor.home_made_up_next_activity_probability",
                lambda state, percent=percent: float(state) == percent,
            )
        home_assistant.wait_for("binary_sensor.home_made_up_likely_eating", "on")
        listener.wait_for(lambda came: len(came) == 2)
        for topic in (*configs, "har/home/made_up/availability", "har/home/made_up/forecast"):
            listener.publish(topic, "", retain=True)


def _nothing_is_left(home_assistant: HomeAssistant) -> None:
    ours = re.compile(r"\.(n1_|home_h1|home_made_up)")
    left = home_assistant.wait_for_states(
        lambda all_: not [each for each in all_ if ours.search(each)]
    )
    assert "automation.on_every_event" in left
    home_assistant.stop()
    assert not [unique_id for unique_id in home_assistant.registry() if unique_id[:4] == "har_"]
