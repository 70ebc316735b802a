"""What a node is and how it fares, without anything secret."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from har_stream.bundles.bundle import Bundle
from har_stream.config.settings import Settings
from har_stream.core.activity import CameraState
from har_stream.mqtt.connection import Connection
from har_stream.publishing.camera_topics import CameraTopics
from har_stream.publishing.outbox import EventStore


@dataclass(frozen=True, slots=True)
class Health:
    """Whether all is well with a node.

    Attributes:
        alive: Recognition goes on; an engine or a decoder that hangs ends it.
        connected: The broker is there.
        cameras: Per camera, whether it delivers; one that is switched off is left out.
        outbox_depth: Events that the broker has not taken.
        n_malformed: Messages that made no sense.
    """

    alive: bool
    connected: bool
    cameras: Mapping[str, bool]
    outbox_depth: int
    n_malformed: int

    @property
    def is_well(self) -> bool:
        """Everything that should be there is there."""
        return self.alive and self.connected and all(self.cameras.values())


def describe(
    settings: Settings, bundle: Bundle, cameras: Iterable[CameraTopics], *, outbox: EventStore
) -> Mapping[str, object]:
    """Answer `info`; sources and broker may hold credentials and stay out of it."""
    return {
        "version": version("har-stream"),
        "node": settings.node,
        "home": settings.home,
        "bundle": {
            "name": bundle.manifest.name,
            "hash": bundle.hash,
            "labels": list(bundle.manifest.labels),
        },
        "cameras": {
            camera.id: {
                "room": camera.room,
                "enabled": camera.enabled,
                "state": camera.state.value,
                "reason": camera.reason,
            }
            for camera in cameras
        },
        # Also of cameras that have left the configuration: a journal may lack their events.
        "last_seq": outbox.last_seqs(),
        "outbox_depth": outbox.depth(),
    }


def check_health(
    connection: Connection, cameras: Iterable[CameraTopics], *, outbox_depth: int, alive: bool
) -> Health:
    """Say how things are now."""
    return Health(
        alive=alive,
        connected=connection.is_connected,
        cameras={
            camera.id: camera.state is CameraState.ONLINE for camera in cameras if camera.enabled
        },
        outbox_depth=outbox_depth,
        n_malformed=connection.n_malformed,
    )
