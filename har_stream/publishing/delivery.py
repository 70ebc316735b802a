"""Carries events from the outbox to the broker, in order; its user lets one thread in at a time."""

import logging
import queue
from collections.abc import Callable
from functools import partial

from har_stream.mqtt.connection import Connection
from har_stream.mqtt.connection_attempt import REFUSED
from har_stream.mqtt.messages import ActivityEvent
from har_stream.publishing.echo import Echo
from har_stream.publishing.outbox import Outbox, Pending

logger = logging.getLogger(__name__)

MAX_ON_WAY = 100
"""Events that are handed to the network and not answered for."""
REFUSED_RETRY_S = 60.0


class EventMail:
    """Sends what the outbox holds and notes what the broker took.

    Args:
        outbox: Where events wait.
        connection: The way to the broker.
        topic: The topic of an event.
        answered: Called (in the network thread) when `step` should run soon.
    """

    def __init__(
        self,
        outbox: Outbox,
        connection: Connection,
        *,
        topic: Callable[[ActivityEvent], str],
        answered: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._connection = connection
        self._topic = topic
        self._answered = answered
        self._answers: queue.SimpleQueue[tuple[int, Pending, bool]] = queue.SimpleQueue()
        self._n_connections = 0
        self._connection_seen = 0
        self._handed_on = 0
        self._n_on_way = 0
        self._retry_s: float | None = None
        self._echo = Echo()
        self._deaf = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way and nothing waits."""
        return self._n_on_way == 0 and not self._outbox.pending(after=self._handed_on, limit=1)

    def reconnected(self) -> None:
        """Begin anew: what the broker has not answered for may be lost; any thread may say so."""
        self._n_connections += 1

    def step(self, now_s: float) -> None:
        """Note the broker's answers and send what there is room for; ``now_s`` is monotonic."""
        if self._connection_seen != self._n_connections:
            self._connection_seen = self._n_connections
            self._handed_on = self._n_on_way = 0
            self._echo.reconnected()
        self._note_answers(now_s)
        if self._echo.is_missing(now_s):
            self._say_deaf()
        if self._retry_s is not None:
            if now_s < self._retry_s:
                return
            self._retry_s, self._handed_on = None, 0
        room = MAX_ON_WAY - self._n_on_way
        for waiting in self._outbox.pending(after=self._handed_on, limit=room):
            note = partial(self._note, self._connection_seen, waiting)
            if not self._connection.publish(
                self._topic(waiting.event), waiting.event, on_sent=note
            ):
                return
            self._handed_on = waiting.position
            self._n_on_way += 1

    def came_back(self, event: ActivityEvent) -> None:
        """Take in an event that the broker delivers to us too."""
        self._echo.heard(event.id)
        self._deaf = False

    def _note(self, n_connection: int, waiting: Pending, reason_code: int) -> None:
        self._answers.put((n_connection, waiting, reason_code < REFUSED))
        self._answered()

    def _note_answers(self, now_s: float) -> None:
        while not self._answers.empty():
            n_connection, waiting, taken = self._answers.get()
            is_of_now = n_connection == self._connection_seen
            if is_of_now:
                self._n_on_way -= 1
            if taken:
                self._outbox.mark_sent(waiting.position)
                if is_of_now and not self._connection.reports_refusals:
                    self._echo.taken(waiting.event.id, now_s)
            elif self._retry_s is None:
                self._retry_s = now_s + REFUSED_RETRY_S

    def _say_deaf(self) -> None:
        if not self._deaf:
            logger.warning(
                "broker %s took an event and does not deliver it: so MQTT 3.1.1 hides a forbidden "
                "topic; its access list must let us publish and read events",
                self._connection.address,
            )
        self._deaf = True
