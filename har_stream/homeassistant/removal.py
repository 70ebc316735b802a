"""Leaves nothing behind on the broker: `--forget` of a node and of a home."""

import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from har_stream.config.settings import Settings
from har_stream.config.state_dir import (
    home_announcements,
    home_client,
    node_announcements,
    node_client,
)
from har_stream.core.errors import InputError
from har_stream.homeassistant.discovery import (
    Announcer,
    Device,
    camera_device,
    home_device,
    to_messages,
)
from har_stream.mqtt.claim import claim_node
from har_stream.mqtt.connection import ONLINE, Connection
from har_stream.mqtt.topics import Topics

ANSWER_S = 5.0


def forget_node(settings: Settings) -> int:
    """Remove every retained message and entity of a node; return how many topics.

    Raises:
        InputError: The node is at work, or the broker cannot be reached or does not answer.
    """
    claim_node(settings)
    devices = [camera_device(settings, each, model="", labels=()) for each in settings.cameras]
    root = Topics(settings.base_topic).node(settings.node)
    retained = _retained(settings, root)
    topics = {*retained, *_announced(settings, devices)}
    return _forget(
        settings,
        topics,
        client_id=node_client(settings.node),
        memory=node_announcements(settings.state_dir, settings.node),
    )


def forget_home(settings: Settings) -> int:
    """Remove every retained message and entity of a home; return how many topics.

    Raises:
        InputError: Its forecaster is at work, or the broker cannot be reached or does not answer.
    """
    root = Topics(settings.base_topic).home(settings.home)
    retained = _retained(settings, root)
    if retained.get(f"{root}/availability") == ONLINE.encode():
        raise InputError(
            f"home {settings.home!r} is online; end its har-forecast first (after a power cut: "
            "start it once and end it)"
        )
    devices = [home_device(settings, model="", labels=())]
    topics = {*retained, *_announced(settings, devices)}
    return _forget(
        settings,
        topics,
        client_id=home_client(settings.home),
        memory=home_announcements(settings.state_dir, settings.home),
    )


def _retained(settings: Settings, root: str) -> Mapping[str, bytes]:
    """What the broker keeps below a topic."""
    found: dict[str, bytes] = {}
    mark = f"{root}/forget-{uuid.uuid4().hex}"
    all_heard = threading.Event()

    def hear(topic: str, payload: bytes) -> None:
        if topic == mark:
            all_heard.set()
        elif payload:
            found[topic] = payload

    connection = Connection(settings.broker, client_id=f"har-forget-{uuid.uuid4().hex[:12]}")
    connection.subscribe(f"{root}/#", hear)
    connection.on_connected(lambda: connection.publish(mark, ""))
    connection.start(fail_fast=True)
    try:
        if not all_heard.wait(ANSWER_S):
            raise InputError(f"broker {connection.address} does not let us read {root}/#")
    finally:
        connection.close()
    return found


def _announced(settings: Settings, devices: Sequence[Device]) -> Iterator[str]:
    """Where they would be announced, in either style."""
    for style in ("single", "device"):
        discovery = settings.discovery.model_copy(update={"style": style, "enabled": True})
        yield from to_messages(devices, discovery)


def _forget(settings: Settings, topics: Iterable[str], *, client_id: str, memory: Path) -> int:
    """Remove topics and all that the memory names; the client's session ends with it."""
    connection = Connection(settings.broker, client_id=client_id)
    connection.start(fail_fast=True)
    try:
        return Announcer(memory, connection).forget(topics)
    finally:
        connection.close()
