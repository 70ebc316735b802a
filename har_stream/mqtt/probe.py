"""Questions put to a broker: who works under a name, what lies retained, who listens."""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.settings import Settings
from har_stream.core.errors import InputError
from har_stream.mqtt.broker_address import Address
from har_stream.mqtt.connection import ONLINE, Connection, Payload
from har_stream.mqtt.connection_attempt import REFUSED
from har_stream.mqtt.messages import MessageError
from har_stream.mqtt.requests import BridgeRequest, BridgeResponse
from har_stream.mqtt.topics import Topics

ANSWER_S = 5.0
NODE_ANSWER_S = 2.0
"""A node that is at work answers a health check within milliseconds."""


class Probe:
    """A connection that lasts for a question, and what came over it; from `open_probe`.

    Attributes:
        address: Where the broker is.
    """

    def __init__(self, connection: Connection) -> None:
        self.address: Address = connection.address
        self._connection = connection
        self._messages: list[tuple[str, bytes]] = []
        self._reason_codes: dict[str, int] = {}
        self._news = threading.Condition()

    def publish(self, topic: str, payload: Payload = "") -> None:
        """Publish once, not retained."""
        self._connection.publish(topic, payload, on_sent=lambda code: self._note(topic, code))

    def reason_code(self, topic: str) -> int | None:
        """Return how the broker answered for what was published on a topic, waiting for it.

        Returns:
            The reason code of its PUBACK: 0, 16 where nobody listens (a broker need not tell), or
            from `REFUSED` on. `None` where it does not answer, or speaks MQTT 3.1.1, in which every
            answer looks like success.
        """
        answered = self.wait_until(lambda: topic in self._reason_codes)
        if not (answered and self._connection.reports_refusals):
            return None
        return self._reason_codes[topic]

    def is_refused(self, topic: str) -> bool:
        """Tell whether the broker has refused what was published on a topic."""
        return self._reason_codes.get(topic, 0) >= REFUSED

    def wait_until(self, condition: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Wait (`ANSWER_S` unless told otherwise) until what came meets a condition."""
        with self._news:
            return self._news.wait_for(condition, ANSWER_S if timeout_s is None else timeout_s)

    def payloads(self, topic: str) -> list[bytes]:
        """Return what came on a topic so far."""
        return [payload for name, payload in self._messages if name == topic]

    def last_payloads(self) -> Mapping[str, bytes]:
        """Return the last payload of each topic; a topic whose last one is empty is left out."""
        return {topic: payload for topic, payload in dict(self._messages).items() if payload}

    def keep(self, topic: str, payload: bytes) -> None:
        """Keep a message; called in the network thread."""
        with self._news:
            self._messages.append((topic, payload))
            self._news.notify_all()

    def _note(self, topic: str, reason_code: int) -> None:
        with self._news:
            self._reason_codes[topic] = reason_code
            self._news.notify_all()


@contextmanager
def open_probe(broker: BrokerSettings, *filters: str) -> Iterator[Probe]:
    """Connect for a moment and keep what comes on some topic filters.

    A broker sends what it retains before it delivers anything newer. So once a message comes back
    that was published through the probe, all that lies retained below the filters has come.

    Raises:
        InputError: The broker cannot be reached.
    """
    # An id of its own: with that of a node or a home, it would cut the running one off.
    connection = Connection(broker, client_id=f"har-probe-{uuid.uuid4().hex[:12]}")
    probe = Probe(connection)
    for topic_filter in filters:
        connection.subscribe(topic_filter, probe.keep)
    connection.start(fail_fast=True)
    try:
        yield probe
    finally:
        connection.close()


def check_name_is_free(settings: Settings) -> None:
    """Refuse a node name under which another process is at work.

    Where no broker answers yet, nothing is refused: the connection proper meets the same, and says
    so.

    Raises:
        InputError: Another process answers to the name.
    """
    topics = partial(Topics(settings.base_topic).node, settings.node)
    address = _find_at_work(settings.broker, topics)
    if address is not None:
        raise InputError(
            f"node {settings.node!r} is already at work on broker {address}; stop "
            "that har-stream, or give this one another name with --node"
        )


def check_home_is_free(settings: Settings) -> None:
    """Refuse a home of which another `har-forecast` keeps the journal; like `check_name_is_free`.

    Raises:
        InputError: Another process answers for the home.
    """
    topics = partial(Topics(settings.base_topic).home, settings.home)
    address = _find_at_work(settings.broker, topics)
    if address is not None:
        raise InputError(
            f"home {settings.home!r} has a har-forecast at work on broker {address}; stop that "
            "one, or give this one a home of its own with --home"
        )


def read_retained(broker: BrokerSettings, root: str) -> Mapping[str, bytes]:
    """Return every retained payload below a topic.

    Raises:
        InputError: The broker cannot be reached, or does not let us read there.
    """
    mark = f"{root}/forget-{uuid.uuid4().hex}"
    with open_probe(broker, f"{root}/#") as probe:
        probe.publish(mark)
        if not probe.wait_until(lambda: bool(probe.payloads(mark))):
            raise InputError(f"broker {probe.address} does not let us read {root}/#")
        return probe.last_payloads()


def _find_at_work(broker: BrokerSettings, topic: Callable[..., str]) -> Address | None:
    """Return the broker's address where somebody answers below the topics of a node or home."""
    topics = (
        topic("availability"),
        topic("bridge", "request", "health_check"),
        topic("bridge", "response", "health_check"),
    )
    try:
        with open_probe(broker, *topics) as probe:
            return probe.address if _is_answered(probe, *topics) else None
    except InputError:
        return None


def _is_answered(probe: Probe, availability: str, asked: str, answered: str) -> bool:
    """Ask for a health check: after a power cut `online` may lie there though nobody is."""
    request = BridgeRequest(transaction=f"check-{uuid.uuid4()}")

    def came_back() -> bool:
        return request.encode() in probe.payloads(asked)

    def is_answered() -> bool:
        return any(_answers(payload, request) for payload in probe.payloads(answered))

    probe.publish(asked, request)
    probe.wait_until(came_back, NODE_ANSWER_S)  # what was retained has come before it
    if ONLINE.encode() not in probe.payloads(availability):
        return False
    return probe.wait_until(is_answered, NODE_ANSWER_S)


def _answers(payload: bytes, request: BridgeRequest) -> bool:
    try:
        return BridgeResponse.decode(payload).transaction == request.transaction
    except MessageError:  # somebody else's, who knows no better
        return False
