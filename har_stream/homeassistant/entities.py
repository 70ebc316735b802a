"""What Home Assistant is told that we have: entities of a camera and of a home, as pure data.

Keys are those of Home Assistant's MQTT integration; its rules that are easy to break stand beside
them.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from har_stream.config.camera_settings import CameraSettings
from har_stream.config.ids import label_id
from har_stream.config.settings import Settings
from har_stream.core.activity import IDLE, UNKNOWN, EventType, FallStage
from har_stream.mqtt.topics import Topics

HEARTBEAT_S = 30
"""A retained state is repeated this often while its stream is alive."""
EXPIRE_AFTER_S = 3 * HEARTBEAT_S
"""Home Assistant holds a state for unavailable after this long without a message."""
LIKELY_WITHIN = "60min"
FALL_STAGES = ("none", *get_args(FallStage), "acknowledged")

Config = dict[str, object]


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity.

    Attributes:
        platform: ``sensor``, ``binary_sensor``, ``event``, ``switch`` or ``button``.
        key: Its name within its device; part of its unique id.
        config: What the platform wants to know.
    """

    platform: str
    key: str
    config: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Device:
    """A camera or a home, and its entities.

    Attributes:
        id: Unique among all devices of a broker.
        name: For people.
        model: The bundle or forecaster behind it.
        area: The room, where it is known.
        entities: In the order in which they are announced.
    """

    id: str
    name: str
    model: str
    area: str | None
    entities: tuple[Entity, ...]


def camera_device(
    settings: Settings,
    camera: CameraSettings,
    *,
    model: str,
    labels: Iterable[str],
    watches_falls: bool,
) -> Device:
    """Describe a camera: activity, confidence, event, recognition switch, connectivity, falls."""
    topics = Topics(settings.base_topic)
    node, name = settings.node, camera.id

    def topic(*parts: str) -> str:
        return topics.camera(node, name, *parts)

    node_there = topics.node(node, "availability")
    whole = _available_with(node_there, topic("availability"))
    state: Config = {"state_topic": topic("activity"), "expire_after": EXPIRE_AFTER_S, **whole}
    activity = Entity(
        "sensor",
        "activity",
        {
            "name": "Activity",
            "device_class": "enum",
            "options": _options(labels),
            "value_template": "{{ value_json.activity }}",
            # On the state's own topic, attributes would fire automations a second time.
            "json_attributes_topic": topic("activity", "attributes"),
            "icon": "mdi:human",
            **state,
        },
    )
    confidence = Entity(
        "sensor",
        "confidence",
        {
            "name": "Confidence",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "value_template": "{{ (value_json.confidence * 100) | round(1) }}",
            **state,
        },
    )
    event = Entity(
        "event",
        "event",
        {
            "name": "Activity event",
            "state_topic": topic("event"),
            "event_types": list(get_args(EventType)),
            "icon": "mdi:human-greeting",
            **whole,
        },
    )
    switch = Entity(
        "switch",
        "recognition",
        {
            "name": "Recognition",
            "command_topic": topic("enabled", "set"),
            "state_topic": topic("enabled", "state"),
            "icon": "mdi:eye",
            **_available_with(node_there),
        },
    )
    connectivity = Entity(
        "binary_sensor",
        "camera",
        {
            "name": "Camera",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": topic("availability"),
            "payload_on": "online",
            "payload_off": "offline",
            # Without the camera's own: it would be unavailable when it has something to say.
            **_available_with(node_there),
        },
    )
    falls = _fall_entities(topic, _available_with(node_there)) if watches_falls else ()
    return Device(
        id=f"{node}_{name}",
        name=f"{name} ({node})",
        model=model,
        area=camera.room,
        entities=(activity, confidence, event, switch, connectivity, *falls),
    )


def _fall_entities(topic: Callable[..., str], available: Config) -> tuple[Entity, ...]:
    """Describe falls; they never expire, and a camera that is away takes no alarm back."""
    fall = {
        "name": "Fall",
        "device_class": "safety",
        "state_topic": topic("fall"),
        "value_template": "{{ 'ON' if value_json.alarm else 'OFF' }}",
        **available,
    }
    stage = {
        "name": "Fall stage",
        "device_class": "enum",
        "options": sorted(FALL_STAGES),
        "state_topic": topic("fall"),
        "value_template": "{{ value_json.stage }}",
        "icon": "mdi:human-handsdown",
        **available,
    }
    acknowledge = {
        "name": "Acknowledge fall",
        "command_topic": topic("fall", "ack"),
        "icon": "mdi:hand-okay",
        **available,
    }
    return (
        Entity("binary_sensor", "fall", fall),
        Entity("sensor", "fall_stage", stage),
        Entity("button", "acknowledge_fall", acknowledge),
    )


def home_device(settings: Settings, *, model: str, labels: Sequence[str]) -> Device:
    """Describe a home: next activity, its probability, its start, and what is likely soon."""
    topics = Topics(settings.base_topic)
    forecast: Config = {
        "state_topic": topics.home(settings.home, "forecast"),
        "expire_after": max(1, round(3 * settings.forecast.refresh_s)),
        **_available_with(
            topics.home(settings.home, "availability"),
            topics.home(settings.home, "forecast", "availability"),
        ),
    }
    following = Entity(
        "sensor",
        "next_activity",
        {
            "name": "Next activity",
            "device_class": "enum",
            "options": _options(labels),
            "value_template": "{{ value_json.next[0][0] if value_json.next else 'unknown' }}",
            "json_attributes_topic": topics.home(settings.home, "forecast", "attributes"),
            "icon": "mdi:crystal-ball",
            **forecast,
        },
    )
    probability = Entity(
        "sensor",
        "next_activity_probability",
        {
            "name": "Next activity probability",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            # "None" is how a template says that the state is not known.
            "value_template": "{{ (value_json.next[0][1] * 100) | round(1) "
            "if value_json.next else None }}",
            **forecast,
        },
    )
    start = Entity(
        "sensor",
        "next_start",
        {
            "name": "Next activity expected at",
            "device_class": "timestamp",
            "value_template": "{{ value_json.next_start.p50_at }}",
            **forecast,
        },
    )
    likely = (
        _likely(label, settings.forecast.likely_above, forecast)
        for label in settings.forecast.binary_sensors
    )
    n_residents = settings.forecast.residents
    residents = (
        _resident(number, labels, forecast) for number in range(n_residents) if n_residents > 1
    )
    return Device(
        id=f"home_{settings.home}",
        name=f"Home {settings.home}",
        model=model,
        area=None,
        entities=(
            *(following, probability, start),
            *residents,
            *_unusual_entities(settings),
            *likely,
        ),
    )


def _resident(number: int, labels: Sequence[str], forecast: Config) -> Entity:
    """Describe what somebody does: the first is who began something last, not always the same."""
    seen = f"value_json.residents[{number}]"
    config = {
        "name": f"Activity {number + 1}",
        "device_class": "enum",
        "options": _options(labels),
        "value_template": f"{{{{ {seen}.label if {seen} is defined else '{IDLE}' }}}}",
        "json_attributes_topic": forecast["state_topic"],
        "json_attributes_template": f"{{{{ ({seen} if {seen} is defined else {{}}) | tojson }}}}",
        "icon": "mdi:account",
        **forecast,
    }
    return Entity("sensor", f"activity_{number + 1}", config)


def _unusual_entities(settings: Settings) -> tuple[Entity, ...]:
    """Describe what is unusual, and the switch that pauses learning."""
    topics = Topics(settings.base_topic)
    state: Config = {
        "state_topic": topics.home(settings.home, "unusual"),
        **_available_with(topics.home(settings.home, "availability")),
    }
    unusual = {
        "name": "Unusual",
        "device_class": "problem",
        "value_template": "{{ 'ON' if value_json.findings else 'OFF' }}",
        "json_attributes_topic": state["state_topic"],
        **state,
    }
    learning = {
        "name": "Learning habits",
        "command_topic": topics.home(settings.home, "context", "learning", "set"),
        "value_template": "{{ 'ON' if value_json.learning else 'OFF' }}",
        "icon": "mdi:school",
        **state,
    }
    return (
        Entity("binary_sensor", "unusual", unusual),
        Entity("switch", "learning", learning),
    )


def _available_with(*topics: str) -> Config:
    return {"availability": [{"topic": topic} for topic in topics], "availability_mode": "all"}


def _likely(label: str, above: float, forecast: Config) -> Entity:
    soon = f"value_json.within['{LIKELY_WITHIN}'].get({json.dumps(label, ensure_ascii=False)}, 0)"
    config = {
        "name": f"{label.replace('_', ' ').capitalize()} likely within {LIKELY_WITHIN}",
        "value_template": f"{{{{ 'ON' if {soon} >= {above:g} else 'OFF' }}}}",
        "icon": "mdi:clock-fast",
        **forecast,
    }
    return Entity("binary_sensor", f"likely_{label_id(label)}", config)


def _options(labels: Iterable[str]) -> list[str]:
    """Every state that can come; Home Assistant ignores a value that is not among them."""
    return sorted({*labels, IDLE, UNKNOWN})
