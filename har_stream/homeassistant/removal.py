"""Leaves nothing behind on the broker: `--forget` of a node and of a home."""

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from har_stream.config.camera_settings import CameraSettings
from har_stream.config.ids import is_id
from har_stream.config.settings import Settings
from har_stream.config.state_dir import (
    announced_nodes,
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
    remove_if_empty,
    to_messages,
)
from har_stream.mqtt.connection import ONLINE, Connection
from har_stream.mqtt.probe import check_name_is_free, read_retained
from har_stream.mqtt.topics import Topics


def forget_node(settings: Settings) -> int:
    """Remove every retained message and entity of a node; return how many topics.

    Raises:
        InputError: The node is at work, or the broker cannot be reached or does not answer.
    """
    check_name_is_free(settings)
    devices = [
        camera_device(settings, each, model="", labels=(), watches_falls=True)
        for each in settings.cameras
    ]
    root = Topics(settings.base_topic).node(settings.node)
    retained = read_retained(settings.broker, root)
    topics = {*retained, *_announcement_topics(settings, devices)}
    return _forget(
        settings,
        topics,
        client_id=node_client(settings.node),
        memory=node_announcements(settings.state_dir, settings.node),
    )


def find_camera(settings: Settings, node: str, camera: str) -> set[str]:
    """Find where messages and entities of a camera may be retained.

    Raises:
        InputError: Its node is at work with it, or the broker cannot be reached.
    """
    owner = settings.model_copy(update={"node": node})
    retained = read_retained(settings.broker, Topics(settings.base_topic).camera(node, camera))
    if retained:
        try:
            check_name_is_free(owner)
        except InputError as error:
            raise InputError(
                f"node {node!r} is at work and has the camera {camera!r}; end its har-stream, or "
                "take the camera out of its settings, and try again"
            ) from error
    known = CameraSettings(source="0", name=camera)
    device = camera_device(owner, known, model="", labels=(), watches_falls=True)
    return {*retained, *_announcement_topics(settings, [device])}


def remove_topics(settings: Settings, topics: Iterable[str]) -> None:
    """Remove retained messages.

    Raises:
        InputError: The broker cannot be reached.
    """
    # An id of its own: with that of the node or the home, it would cut a running one off.
    connection = Connection(settings.broker, client_id=f"har-forget-{uuid.uuid4().hex[:12]}")
    connection.start(fail_fast=True)
    for topic in topics:
        connection.publish(topic, "", retain=True)
    connection.close()


def find_orphans(settings: Settings) -> list[str]:
    """Nodes of other names that this state directory has announced, and that are not at work."""
    orphans = []
    for node in announced_nodes(settings.state_dir):
        with contextlib.suppress(InputError):
            if node != settings.node and is_id(node):
                check_name_is_free(settings.model_copy(update={"node": node}))
                orphans.append(node)
    return orphans


def forget_home(settings: Settings) -> int:
    """Remove every retained message and entity of a home; return how many topics.

    Raises:
        InputError: Its forecaster is at work, or the broker cannot be reached or does not answer.
    """
    root = Topics(settings.base_topic).home(settings.home)
    retained = read_retained(settings.broker, root)
    if retained.get(f"{root}/availability") == ONLINE.encode():
        raise InputError(
            f"home {settings.home!r} is online; end its har-forecast first (after a power cut: "
            "start it once and end it)"
        )
    devices = [home_device(settings, model="", labels=())]
    topics = {*retained, *_announcement_topics(settings, devices)}
    return _forget(
        settings,
        topics,
        client_id=home_client(settings.home),
        memory=home_announcements(settings.state_dir, settings.home),
    )


def _announcement_topics(settings: Settings, devices: Sequence[Device]) -> Iterator[str]:
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
        remove_if_empty(memory)
