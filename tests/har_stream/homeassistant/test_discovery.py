"""Entities as Home Assistant wants them, in both styles, and nothing left when they go."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from support.broker.real_broker import Mosquitto, listening, retained
from support.processes.node import LABELS, Node, change, recognition
from support.repository import ROOT

from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.forecast_settings import ForecastSettings
from har_stream.config.settings import DiscoverySettings, Settings
from har_stream.homeassistant.discovery import camera_device, home_device, to_messages
from har_stream.mqtt import message_schema

CAMERA = CameraSettings(source="0", name="cam1", room="kitchen")
SETTINGS = Settings(
    node="n1",
    home="h1",
    cameras=(CAMERA,),
    forecast=ForecastSettings(binary_sensors=("sleeping",), likely_above=0.7),
)
SINGLE, DEVICE = DiscoverySettings(), DiscoverySettings(style="device")

# What Home Assistant's documentation allows for every entity, and for each platform (2024.3).
COMMON = {
    "availability",
    "availability_mode",
    "default_entity_id",
    "device",
    "device_class",
    "entity_category",
    "icon",
    "json_attributes_topic",
    "name",
    "object_id",
    "origin",
    "qos",
    "state_topic",
    "unique_id",
    "value_template",
}
ALLOWED = {
    "sensor": COMMON | {"expire_after", "options", "state_class", "unit_of_measurement"},
    "binary_sensor": COMMON | {"expire_after", "payload_on", "payload_off"},
    "event": COMMON | {"event_types"},
    "switch": COMMON | {"command_topic"},
    "button": (COMMON | {"command_topic"}) - {"state_topic", "value_template"},
}


def _singles() -> dict[str, dict[str, Any]]:
    devices = [
        camera_device(SETTINGS, CAMERA, model="home", labels=LABELS, watches_falls=True),
        home_device(SETTINGS, model="dbn", labels=LABELS),
    ]
    return to_messages(devices, SINGLE)


def _entity(key: str) -> dict[str, Any]:
    (found,) = [payload for topic, payload in _singles().items() if f"/{key}/config" in topic]
    return found


def test_the_entities_of_a_camera_and_of_a_home() -> None:
    assert list(_singles()) == [
        "homeassistant/sensor/n1_cam1/activity/config",
        "homeassistant/sensor/n1_cam1/confidence/config",
        "homeassistant/event/n1_cam1/event/config",
        "homeassistant/switch/n1_cam1/recognition/config",
        "homeassistant/binary_sensor/n1_cam1/camera/config",
        "homeassistant/binary_sensor/n1_cam1/fall/config",
        "homeassistant/sensor/n1_cam1/fall_stage/config",
        "homeassistant/button/n1_cam1/acknowledge_fall/config",
        "homeassistant/sensor/home_h1/next_activity/config",
        "homeassistant/sensor/home_h1/next_activity_probability/config",
        "homeassistant/sensor/home_h1/next_start/config",
        "homeassistant/binary_sensor/home_h1/unusual/config",
        "homeassistant/switch/home_h1/learning/config",
        "homeassistant/binary_sensor/home_h1/likely_sleeping/config",
    ]


@pytest.mark.parametrize("topic", _singles())
def test_every_entity_has_what_all_need_and_nothing_unknown(topic: str) -> None:
    payload = _singles()[topic]
    platform, device, key = topic.split("/")[1:4]
    assert payload["unique_id"] == f"har_{device}_{key}"
    assert payload["default_entity_id"] == f"{platform}.{device}_{key}"
    assert payload["object_id"] == f"{device}_{key}"
    assert payload["device"]["identifiers"] == [f"har_{device}"]
    assert payload["origin"]["name"] == "har-stream"
    assert payload["availability"]
    assert payload.keys() <= ALLOWED[platform]
    assert json.loads(json.dumps(payload)) == payload


def test_unique_ids_differ() -> None:
    ids = [payload["unique_id"] for payload in _singles().values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("key", ["activity", "next_activity"])
def test_class_sensors_list_every_state_and_have_no_unit(key: str) -> None:
    sensor = _entity(key)
    assert sensor["device_class"] == "enum"
    assert sensor["options"] == ["cooking", "eating", "idle", "sleeping", "unknown"]
    assert not sensor.keys() & {"unit_of_measurement", "state_class"}
    assert sensor["json_attributes_topic"] != sensor["state_topic"]


def test_a_camera_is_available_while_node_and_camera_are() -> None:
    topics = [{"topic": "har/n1/availability"}, {"topic": "har/n1/cam1/availability"}]
    for key in ("activity", "confidence", "event"):
        assert _entity(key)["availability"] == topics
        assert _entity(key)["availability_mode"] == "all"
    for key in ("fall", "fall_stage", "acknowledge_fall"):
        assert _entity(key)["availability"] == topics[:1], "a lost camera takes no alarm back"
        assert "expire_after" not in _entity(key)
    assert _entity("camera")["availability"] == topics[:1], "it must be able to say `off`"


def test_a_fall_is_a_matter_of_safety_with_every_stage_and_a_button() -> None:
    assert _entity("fall")["device_class"] == "safety"
    assert _entity("fall")["state_topic"] == _entity("fall_stage")["state_topic"]
    schema = json.loads((ROOT / "docs" / "schema" / "fall.json").read_text())
    stages = [name for each in schema["properties"]["stage"]["anyOf"] for name in each["enum"]]
    assert _entity("fall_stage")["options"] == sorted(stages)
    assert _entity("acknowledge_fall")["command_topic"] == "har/n1/cam1/fall/ack"


def test_a_bundle_that_knows_no_falls_has_no_sensor_for_them() -> None:
    device = camera_device(SETTINGS, CAMERA, model="m", labels=LABELS, watches_falls=False)
    assert not [entity.key for entity in device.entities if "fall" in entity.key]


def test_events_name_their_types_and_states_expire() -> None:
    assert _entity("event")["event_types"] == [
        "activity_started",
        "activity_changed",
        "activity_ended",
    ]
    assert _entity("activity")["expire_after"] == 90
    assert _entity("next_start")["expire_after"] == 180


def _render(key: str, message: dict[str, Any]) -> str:
    """Render as Home Assistant does."""
    template = jinja2.Environment(autoescape=True).from_string(_entity(key)["value_template"])
    return template.render(value_json=message)


def test_templates_read_the_real_messages() -> None:
    activity = json.loads(message_schema.PAYLOADS["activity"].example.encode())
    forecast = json.loads(message_schema.PAYLOADS["forecast"].example.encode())
    assert _render("activity", activity) == "cooking"
    assert _render("confidence", activity) == "91.0"
    assert _render("next_activity", forecast) == "eating"
    assert _render("next_activity_probability", forecast) == "62.0"
    assert _render("next_start", forecast) == "2026-11-22T18:15:00.000+01:00"
    assert _render("likely_sleeping", forecast) == "OFF"
    forecast["within"]["60min"]["sleeping"] = 0.7
    assert _render("likely_sleeping", forecast) == "ON"
    assert _render("next_activity", forecast | {"next": []}) == "unknown"
    fall = json.loads(message_schema.PAYLOADS["fall"].example.encode())
    assert (_render("fall", fall), _render("fall_stage", fall)) == ("ON", "long_lie")
    assert _render("fall", fall | {"alarm": False}) == "OFF"
    unusual = json.loads(message_schema.PAYLOADS["unusual"].example.encode())
    assert (_render("unusual", unusual), _render("learning", unusual)) == ("ON", "ON")
    nothing = unusual | {"findings": [], "learning": False}
    assert (_render("unusual", nothing), _render("learning", nothing)) == ("OFF", "OFF")
    assert _render("next_activity_probability", forecast | {"next": []}) == "None"


def test_device_style_holds_the_same_entities() -> None:
    devices = [camera_device(SETTINGS, CAMERA, model="home", labels=LABELS, watches_falls=True)]
    ((topic, payload),) = to_messages(devices, DEVICE).items()
    assert topic == "homeassistant/device/n1_cam1/config"
    assert payload.keys() == {"device", "origin", "components"}
    for single in to_messages(devices, SINGLE).items():
        platform, _, key = single[0].split("/")[1:4]
        expected = {k: v for k, v in single[1].items() if k not in ("device", "origin")}
        assert payload["components"][key] == {"platform": platform} | expected


def test_discovery_that_is_off_says_nothing() -> None:
    devices = [camera_device(SETTINGS, CAMERA, model="home", labels=LABELS, watches_falls=True)]
    assert to_messages(devices, DiscoverySettings(enabled=False)) == {}


@pytest.fixture
def make_node(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def make(**options: Any) -> Node:
        made = Node(mosquitto.url, tmp_path, **options)
        nodes.append(made)
        made.publisher.start()
        return made

    yield make
    for made in nodes:
        made.close()


def test_a_camera_that_left_the_configuration_is_gone(mosquitto, make_node) -> None:
    both = make_node(cameras=("cam1", "cam2"))
    both.publisher.publish(recognition(camera="cam2"))
    both.publisher.publish(change(camera="cam2"))
    both.close()
    assert any("cam2" in topic for topic in retained(mosquitto))
    one = make_node(cameras=("cam1",))
    one.close()
    left = retained(mosquitto)
    assert not [topic for topic in left if "cam2" in topic]
    assert "homeassistant/sensor/n1_cam1/activity/config" in left


@pytest.mark.parametrize("styles", [("single", "device"), ("device", "single")])
def test_the_other_style_takes_the_first_one_back(mosquitto, make_node, styles) -> None:
    for style in styles:
        make_node(discovery=DiscoverySettings(style=style)).close()
    configs = [topic for topic in retained(mosquitto) if topic.startswith("homeassistant/")]
    assert len(configs) == (1 if styles[-1] == "device" else 5)


def test_a_component_leaves_a_device_in_two_steps(mosquitto, tmp_path) -> None:
    from har_stream.homeassistant.discovery import Announcer
    from har_stream.mqtt.connection import Connection

    with_sensor = home_device(SETTINGS, model="dbn", labels=LABELS)
    bare = SETTINGS.model_copy(update={"forecast": ForecastSettings()})
    without = home_device(bare, model="dbn", labels=LABELS)
    with listening(mosquitto.port, "homeassistant/#") as listener:
        for device in (with_sensor, without, without):
            with Connection(BrokerSettings(url=mosquitto.url), client_id="c") as connection:
                announcer = Announcer(tmp_path / "announced.json", connection)
                announcer.announce(to_messages([device], DEVICE))
        listener.wait_for(lambda came: len(came) == 4)
        components = [json.loads(m.payload)["components"] for m in listener.messages]
    assert "unique_id" in components[0]["likely_sleeping"]
    assert components[1]["likely_sleeping"] == {"platform": "binary_sensor"}
    assert "likely_sleeping" not in components[2]
    assert components[3] == components[2]


def test_a_memory_that_makes_no_sense_is_said_and_replaced(mosquitto, make_node, caplog, tmp_path):
    (tmp_path / "announced-node-n1.json").write_text("{]")
    make_node().close()
    assert "older entities may stay" in caplog.text
    assert "homeassistant/sensor/n1_cam1/activity/config" in json.loads(
        (tmp_path / "announced-node-n1.json").read_text()
    )


LABELS_OF_ANY_SCRIPT = ("朝食", "夕食", "Sit Down", "sit_down", "sit-down", 'a "b" }} 😀', "")


def test_labels_of_any_script_have_entities_of_their_own_that_read_the_forecast() -> None:
    made = ForecastSettings(binary_sensors=LABELS_OF_ANY_SCRIPT)
    settings = SETTINGS.model_copy(update={"forecast": made})
    every = home_device(settings, model="dbn", labels=LABELS).entities
    entities = [entity for entity in every if entity.key.startswith("likely_")]
    keys = [entity.key for entity in entities]
    assert len({*keys}) == len(LABELS_OF_ANY_SCRIPT)
    assert keys[0] == "likely_887054be", "the same after a restart, on any machine"
    assert keys[3] == "likely_sit_down"
    assert all(re.fullmatch(r"likely_[a-z0-9_]+", key) for key in keys)
    for entity, label in zip(entities, LABELS_OF_ANY_SCRIPT, strict=True):
        environment = jinja2.Environment(autoescape=True)
        template = environment.from_string(str(entity.config["value_template"]))
        told = [{"within": {"60min": {each: 0.9}}} for each in (label, "other")]
        assert [template.render(value_json=each) for each in told] == ["ON", "OFF"], label


def test_a_label_stands_once() -> None:
    with pytest.raises(ValueError, match="two binary_sensors are called eating"):
        ForecastSettings(binary_sensors=("eating", "eating"))


def test_each_of_several_residents_has_an_entity() -> None:
    alone = home_device(SETTINGS, model="dbn", labels=LABELS).entities
    two = SETTINGS.model_copy(update={"forecast": ForecastSettings(residents=2)})
    every = home_device(two, model="dbn", labels=LABELS).entities
    assert not [entity for entity in alone if entity.key.startswith("activity")]
    first, second = (entity.config for entity in every if entity.key.startswith("activity_"))
    environment = jinja2.Environment(autoescape=True)
    told = {"residents": [{"label": "cooking", "room": "kitchen"}]}
    for config, label, room in ((first, "cooking", "kitchen"), (second, "idle", None)):
        state = environment.from_string(str(config["value_template"])).render(value_json=told)
        assert state == label
        template = str(config["json_attributes_template"]).replace("tojson", "tojson | safe")
        attributes = environment.from_string(template).render(value_json=told)
        assert json.loads(attributes).get("room") == room
