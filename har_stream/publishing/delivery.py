"""Carries events from the outbox to the broker, in order; its user lets one thread in at a time."""

import logging
import queue
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from har_stream.config.ids import is_id
from har_stream.config.state_dir import outbox_files
from har_stream.core.errors import InputError
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.connection_attempt import REFUSED
from har_stream.mqtt.messages import ActivityEvent
from har_stream.publishing.outbox import EventStore, Outbox, Pending

logger = logging.getLogger(__name__)

MAX_ON_WAY = 100
"""Events that are handed to the network and not answered for."""
REFUSED_RETRY_S = 60.0
LOOPBACK_S = 10.0
"""What the broker took comes back within milliseconds; what has not after this long never will."""
N_REMEMBERED = 200
"""An event may come back before the broker's answer; so many are remembered until that comes."""
HELD_S = 60.0
"""An outbox of an earlier name is held no longer: a har-stream of that name may be started."""


class EventDelivery:
    """Sends what the outbox holds and notes what the broker took.

    Args:
        outbox: Where events wait.
        connection: The way to the broker.
        topic: The topic of an event.
        on_answer: Called (in the network thread) when `step` should run soon.
        comes_back: Whether we have subscribed to the events, and so hear of what was taken.
    """

    def __init__(
        self,
        outbox: EventStore,
        connection: Connection,
        *,
        topic: Callable[[ActivityEvent], str],
        on_answer: Callable[[], None],
        comes_back: bool = True,
    ) -> None:
        self._outbox = outbox
        self._connection = connection
        self._topic = topic
        self._on_answer = on_answer
        self._comes_back = comes_back
        self._answers: queue.SimpleQueue[tuple[int, Pending, bool]] = queue.SimpleQueue()
        self._n_connections = 0
        self._connection_seen = 0
        self._handed_on = 0
        self._n_on_way = 0
        self._retry_s: float | None = None
        self._loopback = LoopbackCheck()
        self._warned = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way and nothing waits."""
        return self._n_on_way == 0 and not self._outbox.pending(after=self._handed_on, limit=1)

    def restart(self) -> None:
        """Begin anew on a new connection, for what is unanswered may be lost; from any thread."""
        self._n_connections += 1

    def step(self, now_s: float) -> None:
        """Note the broker's answers and send what there is room for; ``now_s`` is monotonic."""
        # 1. After a new connection everything that was not answered for goes out again.
        if self._connection_seen != self._n_connections:
            self._connection_seen = self._n_connections
            self._handed_on = self._n_on_way = 0
            self._loopback.clear()
        # 2. What the broker answered for leaves the outbox.
        self._note_answers(now_s)
        if self._loopback.is_missing(now_s):
            self._warn_missing()
        # 3. After a refusal nothing goes out for a while, then all that waits, in order.
        if self._retry_s is not None:
            if now_s < self._retry_s:
                return
            self._retry_s, self._handed_on = None, 0
        # 4. The rest of the outbox, as far as there is room on the way.
        room = MAX_ON_WAY - self._n_on_way
        for waiting in self._outbox.pending(after=self._handed_on, limit=room):
            note = partial(self._note, self._connection_seen, waiting)
            if not self._connection.publish(
                self._topic(waiting.event), waiting.event, on_sent=note
            ):
                return
            self._handed_on = waiting.position
            self._n_on_way += 1

    def add_received(self, event: ActivityEvent) -> None:
        """Note an event that the broker delivers to us too."""
        self._loopback.add_received(event.id)
        self._warned = False

    def _note(self, n_connection: int, waiting: Pending, reason_code: int) -> None:
        self._answers.put((n_connection, waiting, reason_code < REFUSED))
        self._on_answer()

    def _note_answers(self, now_s: float) -> None:
        while not self._answers.empty():
            n_connection, waiting, taken = self._answers.get()
            is_of_now = n_connection == self._connection_seen
            if is_of_now:
                self._n_on_way -= 1
            if taken:
                self._outbox.mark_sent(waiting.position)
                if is_of_now and self._comes_back and not self._connection.reports_refusals:
                    self._loopback.add_taken(waiting.event.id, now_s)
            elif self._retry_s is None:
                self._retry_s = now_s + REFUSED_RETRY_S

    def _warn_missing(self) -> None:
        if not self._warned:
            logger.warning(
                "broker %s took an event and does not deliver it: so MQTT 3.1.1 hides a forbidden "
                "topic; its access list must let us publish and read events",
                self._connection.address,
            )
        self._warned = True


class EarlierOutboxes:
    """Sends what waits under earlier names, once for each connection.

    Its user lets one thread in at a time.

    Args:
        state_dir: Where they lie; one that a running har-stream holds is left alone.
        node: Our name, whose outbox is none of them.
        connection: The way to the broker.
        topic: The topic of an event; it names the node that made it.
        on_answer: Called (in the network thread) when `step` should run soon.
        signing_key: Signs the events.
    """

    def __init__(
        self,
        state_dir: Path,
        node: str,
        connection: Connection,
        *,
        topic: Callable[[ActivityEvent], str],
        on_answer: Callable[[], None],
        signing_key: bytes | None,
    ) -> None:
        self._state_dir = state_dir
        self._node = node
        self._connection = connection
        self._topic = topic
        self._on_answer = on_answer
        self._signing_key = signing_key
        self._open: list[tuple[Outbox, EventDelivery]] = []
        self._until_s: float | None = None

    def restart(self) -> None:
        """Look again, on a new connection; from any thread."""
        self._until_s = None

    def step(self, now_s: float) -> None:
        """Send what there is room for; ``now_s`` is monotonic."""
        if self._until_s is None:
            self.close()
            self._until_s = now_s + HELD_S
            self._open = [*self._with_events()]
        for outbox, delivery in [*self._open]:
            delivery.step(now_s)
            if delivery.is_idle or now_s > self._until_s:
                self._open.remove((outbox, delivery))
                outbox.close()

    def close(self) -> None:
        """Let go of them."""
        while self._open:
            self._open.pop()[0].close()

    @property
    def is_idle(self) -> bool:
        """Whether nothing of them is on its way."""
        return not self._open

    def _with_events(self) -> Iterator[tuple[Outbox, EventDelivery]]:
        for name, path in outbox_files(self._state_dir).items():
            if name == self._node or not is_id(name):
                continue
            try:
                outbox = Outbox(path, signing_key=self._signing_key)
            except InputError as error:
                logger.debug("left alone: %s", error)
                continue
            n_waiting = outbox.depth()
            if not n_waiting:
                outbox.close()
                continue
            logger.info("%s events of node %s, an earlier name, are sent", n_waiting, name)
            yield (
                outbox,
                EventDelivery(
                    outbox,
                    self._connection,
                    topic=self._topic,
                    on_answer=self._on_answer,
                    comes_back=False,
                ),
            )


class LoopbackCheck:
    """Whether our own events come back to us: all that shows a forbidden topic in MQTT 3.1.1.

    With MQTT 5 a broker says that it refuses a message. With 3.1.1 it has no word for it: it
    answers as if it had taken the message, and delivers it to nobody. ``now_s`` is monotonic, in
    seconds.
    """

    def __init__(self) -> None:
        self._awaited: dict[str, float] = {}
        self._early: deque[str] = deque(maxlen=N_REMEMBERED)

    def add_taken(self, event_id: str, now_s: float) -> None:
        """Note that the broker took an event; it should come back."""
        if event_id in self._early:
            self._early.remove(event_id)
        else:
            self._awaited[event_id] = now_s

    def add_received(self, event_id: str) -> None:
        """Note that an event came back."""
        if self._awaited.pop(event_id, None) is None:
            self._early.append(event_id)

    def is_missing(self, now_s: float) -> bool:
        """Tell whether an event should have come back by now; then none is waited for any more."""
        is_missing = any(now_s - taken_s > LOOPBACK_S for taken_s in self._awaited.values())
        if is_missing:
            self._awaited.clear()
        return is_missing

    def clear(self) -> None:
        """Wait for nothing that an earlier connection may have lost."""
        self._awaited.clear()
        self._early.clear()
