"""Leaves nothing behind on the broker: `--forget`."""

import threading
import uuid
from collections.abc import Iterable
from pathlib import Path

from har_stream.claim import claim_node
from har_stream.discovery import Announcer, camera_device, to_messages
from har_stream.errors import InputError
from har_stream.mqtt import Connection
from har_stream.settings import DiscoverySettings, Settings
from har_stream.topics import Topics

ANSWER_S = 5.0


def node_memory(settings: Settings) -> Path:
    """Where a node remembers what it has announced."""
    return settings.state_dir / f"announced-node-{settings.node}.json"


def forget_node(settings: Settings) -> int:
    """Remove every retained message and entity of a node; return how many topics.

    Raises:
        InputError: The node is at work, or the broker cannot be reached or does not answer.
    """
    claim_node(settings)
    styles = [
        settings.discovery.model_copy(update={"style": style, "enabled": True})
        for style in ("single", "device")
    ]
    announced = [topic for style in styles for topic in _announced(settings, style)]
    root = Topics(settings.base_topic).node(settings.node)
    return forget(settings, root=root, memory=node_memory(settings), announced=announced)


def forget(settings: Settings, *, root: str, memory: Path, announced: Iterable[str] = ()) -> int:
    """Remove what is retained below a topic, and what the memory or ``announced`` names.

    Raises:
        InputError: The broker cannot be reached or does not answer.
    """
    retained: set[str] = set()
    mark = f"{root}/forget-{uuid.uuid4().hex}"
    all_heard = threading.Event()

    def hear(topic: str, payload: bytes) -> None:
        if topic == mark:
            all_heard.set()
        elif payload:
            retained.add(topic)

    connection = Connection(settings.broker, client_id=f"har-forget-{uuid.uuid4().hex[:12]}")
    connection.subscribe(f"{root}/#", hear)
    connection.on_connected(lambda: connection.publish(mark, ""))
    connection.start(fail_fast=True)
    try:
        if not all_heard.wait(ANSWER_S):
            raise InputError(f"broker {connection.address} does not let us read {root}/#")
        return Announcer(memory, connection).forget({*retained, *announced})
    finally:
        connection.close()


def _announced(settings: Settings, discovery: DiscoverySettings) -> Iterable[str]:
    devices = [camera_device(settings, camera, model="", labels=()) for camera in settings.cameras]
    return to_messages(devices, discovery)
