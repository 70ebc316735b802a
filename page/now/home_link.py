"""The page's connection to the broker: it listens, asks for changes and waits for the answers."""

import threading
import uuid
from collections.abc import Callable
from typing import Literal

from har_stream.config.settings import Settings
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.requests import BridgeResponse, CorrectionRequest, UndoRequest
from har_stream.mqtt.topics import Topics
from page.now.home_now import HomeNow
from predictor.journal.records import CameraKey

ANSWER_S = 5.0
"""So long an answer is waited for."""
News = Literal["home", "journal"]
"""What has changed: what goes on, or what the journal holds."""


class HomeLink:
    """Keeps what is known of a home up to date.

    Args:
        settings: Broker, base topic and home.
        tell: Called, in another thread, when something has changed.

    Attributes:
        home: What is known now.
        tell: The same.

    Raises:
        InputError: The broker's settings cannot be used.
    """

    def __init__(self, settings: Settings, tell: Callable[[News], None]) -> None:
        self.home = HomeNow(settings.home)
        self._topics = Topics(settings.base_topic)
        self.tell = tell
        self._answered: dict[str, threading.Event] = {}
        self._answers: dict[str, BridgeResponse] = {}
        self._connection = Connection(
            settings.broker, client_id=f"har-page-{settings.home}-{uuid.uuid4().hex[:8]}"
        )
        base, home = self._topics, settings.home
        for topic in (
            *(base.camera("+", "+", *kind) for kind in _CAMERA_TOPICS),
            base.node("+", "availability"),
            base.node("+", "stats"),
            *(base.home(home, *kind) for kind in (("forecast",), ("forecast", "attributes"))),
        ):
            self._connection.subscribe(topic, self._take)
        self._connection.subscribe(base.camera("+", "+", "event", "ack"), self._take_ack)
        for name in ("correct", "undo"):
            answer = base.home(home, "bridge", "response", name)
            self._connection.subscribe(answer, self._take_answer)

    @property
    def is_connected(self) -> bool:
        """Whether the broker is there."""
        return self._connection.is_connected

    @property
    def address(self) -> str:
        """Where the broker is."""
        return str(self._connection.address)

    def start(self) -> None:
        """Connect in the background.

        Raises:
            InputError: The broker refuses our credentials.
        """
        self._connection.start()

    def close(self) -> None:
        """Let go of the broker."""
        self._connection.close()

    def acknowledge_fall(self, camera: CameraKey) -> bool:
        """Tell a node that somebody knows of a fall; returns whether it is on its way."""
        return self._connection.publish(self._topics.camera(*camera, "fall", "ack"), "seen")

    def switch(self, camera: CameraKey, *, is_on: bool) -> bool:
        """Switch a camera's recognition; returns whether that is on its way."""
        topic = self._topics.camera(*camera, "enabled", "set")
        return self._connection.publish(topic, "ON" if is_on else "OFF")

    def ask(
        self, name: Literal["correct", "undo"], request: CorrectionRequest | UndoRequest
    ) -> BridgeResponse | None:
        """Ask `har-forecast` for a change; returns its answer, or ``None`` where none came."""
        number = uuid.uuid4().hex
        answered = self._answered[number] = threading.Event()
        topic = self._topics.home(self.home.home, "bridge", "request", name)
        try:
            asked = request.model_copy(update={"transaction": number})
            if not self._connection.publish(topic, asked) or not answered.wait(ANSWER_S):
                return None
            return self._answers.pop(number)
        finally:
            del self._answered[number]

    def _take(self, topic: str, payload: bytes) -> None:
        before = self.home
        self.home = before.take(self._topics.split(topic), payload)
        if self.home is not before:
            self.tell("home")

    def _take_ack(self, _topic: str, _payload: bytes) -> None:
        """The journal has an event: what is read from it now has it too."""
        self.tell("journal")

    def _take_answer(self, _topic: str, payload: bytes) -> None:
        answer = BridgeResponse.decode(payload)
        answered = self._answered.get(str(answer.transaction))
        if answered is not None:
            self._answers[str(answer.transaction)] = answer
            answered.set()
        self.tell("journal")


_CAMERA_TOPICS = (("activity",), ("fall",), ("availability",), ("enabled", "state"))
"""Of every camera; ``availability`` is the home's too."""
