"""Carries events from the outbox to the broker, in order; its user lets one thread in at a time."""

import queue
from collections.abc import Callable
from functools import partial

from har_stream.messages import ActivityEvent
from har_stream.mqtt import Connection
from har_stream.outbox import Outbox

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
        self._answers: queue.SimpleQueue[tuple[int, int, bool]] = queue.SimpleQueue()
        self._n_connections = 0
        self._connection_seen = 0
        self._handed_on = 0
        self._n_on_way = 0
        self._retry_s: float | None = None

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
        self._note_answers(now_s)
        if self._retry_s is not None:
            if now_s < self._retry_s:
                return
            self._retry_s, self._handed_on = None, 0
        room = MAX_ON_WAY - self._n_on_way
        for waiting in self._outbox.pending(after=self._handed_on, limit=room):
            note = partial(self._note, self._connection_seen, waiting.position)
            if not self._connection.publish(
                self._topic(waiting.event), waiting.event, on_sent=note
            ):
                return
            self._handed_on = waiting.position
            self._n_on_way += 1

    def _note(self, n_connection: int, position: int, taken: bool) -> None:
        self._answers.put((n_connection, position, taken))
        self._answered()

    def _note_answers(self, now_s: float) -> None:
        while not self._answers.empty():
            n_connection, position, taken = self._answers.get()
            if n_connection == self._connection_seen:
                self._n_on_way -= 1
            if taken:
                self._outbox.mark_sent(position)
            elif self._retry_s is None:
                self._retry_s = now_s + REFUSED_RETRY_S
