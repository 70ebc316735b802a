"""What the service needs of an MQTT connection: to say something, if there is one."""

from collections.abc import Callable
from typing import Protocol

from har_stream.mqtt.connection import Payload


class Publisher(Protocol):
    """Says something to the broker, or tells that it cannot."""

    def publish(
        self,
        topic: str,
        payload: Payload,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: float | None = None,
        on_sent: Callable[[bool], None] | None = None,
    ) -> bool:
        """Publish if there is a connection; as `har_stream.mqtt.connection.Connection.publish`."""
