"""Every MQTT topic name, in one place; `docs/schema` describes what travels on each."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below one base, ``har`` by default."""

    base: str = "har"

    def node(self, node: str, *parts: str) -> str:
        """``har/<node>/...``: availability, stats, bridge/request/<x>, bridge/response/<x>."""
        return "/".join((self.base, node, *parts))

    def camera(self, node: str, camera: str, *parts: str) -> str:
        """``har/<node>/<cam>/...``: availability, activity, event, fall, enabled, skeleton."""
        return "/".join((self.base, node, camera, *parts))

    def home(self, home: str, *parts: str) -> str:
        """``har/home/<home>/...``: availability, forecast, forecast/attributes, context, rule."""
        return "/".join((self.base, "home", home, *parts))

    def all_events(self) -> str:
        """Filter that matches the events of every camera of every node."""
        return f"{self.base}/+/+/event"

    def retained(self, node: str, cameras: Iterable[str]) -> list[str]:
        """Every topic on which a node keeps a retained message."""
        kinds = (
            ("availability",),
            ("activity",),
            ("activity", "attributes"),
            ("enabled", "state"),
            ("fall",),
        )
        of_cameras = [self.camera(node, camera, *kind) for camera in cameras for kind in kinds]
        return [self.node(node, "availability"), *of_cameras]

    def split(self, topic: str) -> tuple[str, ...]:
        """Take the base off a topic; an empty tuple where it lies elsewhere."""
        prefix = f"{self.base}/"
        return tuple(topic[len(prefix) :].split("/")) if topic.startswith(prefix) else ()
