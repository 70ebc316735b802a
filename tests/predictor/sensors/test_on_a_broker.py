"""The real `har-forecast` on a real Mosquitto, with Home Assistant's statestream and no camera."""

import json
from pathlib import Path

import yaml
from support.broker.real_broker import Mosquitto, listening
from support.processes.forecast_process import HarForecast

FORECAST = "har/home/h1/forecast"
BED = "homeassistant/binary_sensor/bed/state"
POWER = "homeassistant/sensor/kettle_power/state"
SENSORS = [
    {"name": "bed", "topic": BED, "room": "bedroom", "activities": {"sleeping": 0.95}},
    {
        "name": "kettle",
        "topic": POWER,
        "room": "kitchen",
        "above": 100,
        "activities": {"cooking": 0.95},
    },
]


def test_a_home_with_sensors_only(mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = tmp_path / "har.yaml"
    config.write_text(yaml.safe_dump({"forecast": {"sensors": SENSORS, "refresh_s": 1}}))
    with listening(mosquitto.port, FORECAST) as home:

        def wait_for(label: str) -> None:
            def is_told(_: object) -> bool:
                told = [json.loads(payload) for payload in home.on(FORECAST)]
                return any(each["activity"]["label"] == label and each["fresh"] for each in told)

            home.wait_for(is_told)

        home.publish(BED, b"on", retain=True)
        with HarForecast(mosquitto.url, tmp_path / "state", "--config", config) as process:
            wait_for("sleeping")  # the broker had kept it
            home.publish(BED, b"perhaps")
            home.publish(BED, b"asleep")
            home.publish(POWER, b"unavailable")
            home.publish(BED, b"off")
            home.publish(POWER, b"2150.0")
            wait_for("cooking")
            assert process.stop() == 0
            assert process.log.count("sensor bed: 'perhaps' is neither on nor off") == 1
            assert "'asleep'" not in process.log
            assert "2 messages that made no sense" in process.log
            assert "Traceback" not in process.log
        kept = process.kept()
    assert [(each.event_type, each.activity, each.room) for each in kept] == [
        ("activity_started", "sleeping", "bedroom"),
        ("activity_ended", "sleeping", "bedroom"),
        ("activity_started", "cooking", "kitchen"),
    ]
    assert {each.node for each in kept} == {"sensors"}
