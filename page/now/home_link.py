"""The page's connection to the broker: it listens, asks for changes and waits for the answers."""

import math
import threading
import time
import uuid
from collections.abc import Callable
from typing import Literal, get_args

from har_stream.config.settings import Settings
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.messages import Skeleton
from har_stream.mqtt.requests import (
    AcknowledgeRequest,
    BridgeRequest,
    BridgeResponse,
    CorrectionRequest,
    UndoRequest,
)
from har_stream.mqtt.topics import Topics
from page.now.home_now import HomeNow
from predictor.journal.records import CameraKey

SEEN_S = 3.0
"""So long somebody's joints are shown; a node that loses sight of them says no more."""
ANSWER_S = 5.0
"""So long an answer is waited for."""
Change = Literal["correct", "undo", "acknowledge"]
"""What may be asked of `har-forecast`."""
News = Literal["home", "journal", "fleet"]
"""What has changed: what goes on, or what the journal holds."""


class HomeLink:
    """Keeps what is known of a home up to date.

    Args:
        settings: Broker, base topic and home.
        tell: Called, in another thread, when something has changed.
        monotonic: Seconds that nobody can set.

    Attributes:
        home: What is known now.
        tell: The same.

    Raises:
        InputError: The broker's settings cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[News], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.home = HomeNow(settings.home)
        self._topics = Topics(settings.base_topic)
        self.tell = tell
        self._monotonic = monotonic
        self._skeletons: dict[CameraKey, tuple[float, Skeleton]] = {}
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
            *(base.home(home, *kind) for kind in _HOME_TOPICS),
        ):
            self._connection.subscribe(topic, self._take)
        self._connection.subscribe(base.camera("+", "+", "skeleton"), self._take_skeleton)
        self._connection.subscribe(base.camera("+", "+", "event", "ack"), self._take_ack)
        for name in get_args(Change):
            answer = base.home(home, "bridge", "response", name)
            self._connection.subscribe(answer, self._take_answer)
        self._connection.subscribe(base.node("+", "bridge", "response", "+"), self._take_answer)

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

    def skeleton(self, camera: CameraKey) -> Skeleton | None:
        """Return where somebody's joints are; ``None`` where nobody has been seen for `SEEN_S`."""
        heard_s, skeleton = self._skeletons.get(camera, (-math.inf, None))
        return skeleton if self._monotonic() - heard_s <= SEEN_S else None

    def acknowledge_fall(self, camera: CameraKey) -> bool:
        """Tell a node that somebody knows of a fall; returns whether it is on its way."""
        return self._connection.publish(self._topics.camera(*camera, "fall", "ack"), "seen")

    def switch(self, camera: CameraKey, *, is_on: bool) -> bool:
        """Switch a camera's recognition; returns whether that is on its way."""
        topic = self._topics.camera(*camera, "enabled", "set")
        return self._connection.publish(topic, "ON" if is_on else "OFF")

    def ask(
        self, name: Change, request: AcknowledgeRequest | CorrectionRequest | UndoRequest
    ) -> BridgeResponse | None:
        """Ask `har-forecast` for a change; returns its answer, or ``None`` where none came."""
        topic = self._topics.home(self.home.home, "bridge", "request", name)
        answer = self._ask(topic, request, wait_s=ANSWER_S)
        self.tell("journal")
        return answer

    def ask_node(
        self, node: str, name: str, request: BridgeRequest, *, wait_s: float = ANSWER_S
    ) -> BridgeResponse | None:
        """Ask a node for something; returns its answer, or ``None`` where none came in time."""
        return self._ask(self._topics.node(node, "bridge", "request", name), request, wait_s=wait_s)

    def _ask(
        self,
        topic: str,
        request: AcknowledgeRequest | BridgeRequest | CorrectionRequest | UndoRequest,
        *,
        wait_s: float,
    ) -> BridgeResponse | None:
        number = uuid.uuid4().hex
        answered = self._answered[number] = threading.Event()
        try:
            asked = request.model_copy(update={"transaction": number})
            if not self._connection.publish(topic, asked) or not answered.wait(wait_s):
                return None
            return self._answers.pop(number)
        finally:
            del self._answered[number]

    def _take(self, topic: str, payload: bytes) -> None:
        before = self.home
        self.home = before.take(self._topics.split(topic), payload)
        if self.home is not before:
            self.tell("home")

    def _take_skeleton(self, topic: str, payload: bytes) -> None:
        node, camera, _ = self._topics.split(topic)
        if (node, camera) in self.home.cameras:
            self._skeletons[node, camera] = self._monotonic(), Skeleton.decode(payload)

    def _take_ack(self, _topic: str, _payload: bytes) -> None:
        """The journal has an event: what is read from it now has it too."""
        self.tell("journal")

    def _take_answer(self, _topic: str, payload: bytes) -> None:
        answer = BridgeResponse.decode(payload)
        answered = self._answered.get(str(answer.transaction))
        if answered is not None:
            self._answers[str(answer.transaction)] = answer
            answered.set()


_HOME_TOPICS = (("forecast",), ("forecast", "attributes"), ("unusual",))
_CAMERA_TOPICS = (("activity",), ("fall",), ("availability",), ("enabled", "state"))
"""Of every camera; ``availability`` is the home's too."""
