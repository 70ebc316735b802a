"""Home Assistant's MQTT discovery: entities to topics and payloads, and their clean removal.

Two styles: `single`, one message an entity, which every version and openHAB understand; `device`,
one message a device (Home Assistant 2024.11 and later).
"""

import json
import logging
import threading
from collections.abc import Iterable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

from har_stream.config.settings import DiscoverySettings
from har_stream.core.atomic_file import replacing
from har_stream.homeassistant.entities import Config, Device, Entity, camera_device, home_device
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.connection_attempt import REFUSED, OnSent

__all__ = [
    "Announcer",
    "Device",
    "camera_device",
    "home_device",
    "remove_if_empty",
    "to_messages",
]

logger = logging.getLogger(__name__)

BIRTH_TOPIC = "status"
"""Below the discovery prefix: Home Assistant says ``online`` there once it listens."""


def to_messages(devices: Iterable[Device], discovery: DiscoverySettings) -> dict[str, Config]:
    """Return the retained discovery payload of every topic; none where discovery is off."""
    if not discovery.enabled:
        return {}
    style = _as_device if discovery.style == "device" else _as_singles
    return {
        topic: payload
        for device in devices
        for topic, payload in style(device, discovery.prefix).items()
    }


def _as_singles(device: Device, prefix: str) -> dict[str, Config]:
    return {
        f"{prefix}/{entity.platform}/{device.id}/{entity.key}/config": {
            **_component(device, entity),
            "device": _device(device),
            "origin": _origin(),
        }
        for entity in device.entities
    }


def _as_device(device: Device, prefix: str) -> dict[str, Config]:
    components = {
        entity.key: {"platform": entity.platform, **_component(device, entity)}
        for entity in device.entities
    }
    payload: Config = {
        "device": _device(device),
        "origin": _origin(),
        "components": components,
    }
    return {f"{prefix}/device/{device.id}/config": payload}


def _component(device: Device, entity: Entity) -> Config:
    object_id = f"{device.id}_{entity.key}"
    return {
        **entity.config,
        "unique_id": f"har_{object_id}",
        "object_id": object_id,
        "default_entity_id": f"{entity.platform}.{object_id}",
        "qos": 1,
    }


def _device(device: Device) -> Config:
    described: Config = {
        "identifiers": [f"har_{device.id}"],
        "name": device.name,
        "manufacturer": "har-stream",
        "model": device.model,
        "sw_version": version("har-stream"),
    }
    return described | ({"suggested_area": device.area} if device.area else {})


def _origin() -> Config:
    return {"name": "har-stream", "sw_version": version("har-stream")}


class Announcer:
    """Announces entities, and takes back what an earlier configuration had announced.

    It remembers on disk every topic on which something retained of ours may lie, and strikes one
    out only when the broker has taken the removal.

    Args:
        path: The memory, a JSON file; made where absent.
        connection: Where to announce.
    """

    def __init__(self, path: Path, connection: Connection) -> None:
        self._path = path
        self._connection = connection
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, str]] = _read(path)

    def announce(self, messages: Mapping[str, Config], *, states: Iterable[str] = ()) -> None:
        """Publish discovery messages; remove every topic and component that is not ours any more.

        Args:
            messages: From `to_messages`.
            states: Further topics on which we keep retained messages; published by the caller.
        """
        now = {topic: _components(payload) for topic, payload in messages.items()}
        now |= {topic: {} for topic in states}
        with self._lock:
            before = dict(self._known)
            self._known |= {topic: before.get(topic, {}) | now[topic] for topic in now}
            self._save()
        for topic in before.keys() - now.keys():
            self._remove(topic)
        for topic, payload in messages.items():
            gone = before.get(topic, {}).items() - now[topic].items()
            if gone:  # a component leaves by being named with its platform only, then omitted
                leaving = {key: {"platform": platform} for key, platform in gone}
                remaining = payload["components"]
                assert isinstance(remaining, dict)  # noqa: S101 -- `_as_device` made it
                self._publish(topic, payload | {"components": {**leaving, **remaining}})
            self._publish(topic, payload, on_sent=partial(self._note_announced, topic, now[topic]))

    def forget(self, topics: Iterable[str] = ()) -> int:
        """Remove everything that we ever announced, and ``topics``; return how many topics."""
        with self._lock:
            self._known |= {topic: {} for topic in topics}
            known = list(self._known)
        for topic in known:
            self._remove(topic)
        return len(known)

    def _publish(self, topic: str, payload: Config, on_sent: OnSent | None = None) -> None:
        self._connection.publish(topic, payload, retain=True, on_sent=on_sent)

    def _note_announced(self, topic: str, components: dict[str, str], reason_code: int) -> None:
        with self._lock:
            if reason_code < REFUSED and self._known.get(topic) != components:
                self._known[topic] = components
                self._save()

    def _remove(self, topic: str) -> None:
        self._connection.publish(topic, "", retain=True, on_sent=partial(self._note_removed, topic))

    def _note_removed(self, topic: str, reason_code: int) -> None:
        with self._lock:
            if reason_code < REFUSED and self._known.pop(topic, None) is not None:
                self._save()

    def _save(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as file:
                json.dump(self._known, file, indent=1)
        except OSError as error:
            logger.warning("%s: cannot be written: %s", self._path, error.strerror)


def remove_if_empty(memory: Path) -> None:
    """Delete an announcer's memory in which nothing stands any more."""
    if memory.exists() and not _read(memory):
        memory.unlink(missing_ok=True)


def _components(payload: Mapping[str, object]) -> dict[str, str]:
    components = payload.get("components", {})
    assert isinstance(components, dict)  # noqa: S101 -- `_as_device` made it
    return {key: component["platform"] for key, component in components.items()}


def _read(path: Path) -> dict[str, dict[str, str]]:
    """What was announced; a file that makes no sense is as good as none."""
    try:
        content = json.loads(path.read_text())
        return {str(topic): dict(components) for topic, components in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        logger.warning("%s: cannot be read, so older entities may stay: %s", path, error)
        return {}
