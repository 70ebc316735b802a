"""A publisher for tests that needs no broker: it keeps what is said, or is not connected."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from har_stream.mqtt.connection import Payload
from har_stream.mqtt.messages import Message


@dataclass(frozen=True, slots=True)
class Said:
    """One message as it was published."""

    topic: str
    payload: str
    retain: bool
    expiry_s: float | None


class RecordingPublisher:
    """Takes everything while it is connected, and then says that the broker has it.

    Attributes:
        is_connected: Whether there is a connection.
        answers: Whether the broker confirms what it takes.
    """

    def __init__(self) -> None:
        self.messages: list[Said] = []
        self.is_connected = True
        self.answers = True

    def publish(
        self,
        topic: str,
        payload: Payload,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: float | None = None,
        on_sent: Callable[[int], None] | None = None,
    ) -> bool:
        """Keep a message."""
        assert qos in (0, 1)
        if not self.is_connected:
            return False
        text = payload.encode().decode() if isinstance(payload, Message) else payload
        self.messages.append(Said(topic, str(text), retain, expiry_s))
        if on_sent is not None and self.answers:
            on_sent(0)
        return True

    def on(self, topic: str) -> list[Any]:
        """What was said on a topic, read as JSON."""
        return [json.loads(said.payload) for said in self.messages if said.topic == topic]

    def texts(self, topic: str) -> list[str]:
        """What was said on a topic, as it is."""
        return [said.payload for said in self.messages if said.topic == topic]
