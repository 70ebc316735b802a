"""One MQTT connection from CONNECT to its end; `Connection` makes a new one each time."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from har_stream.mqtt import connection_errors
from har_stream.mqtt.broker_address import Address
from har_stream.mqtt.connection_errors import Problem

KEEPALIVE_S = 30
ANSWER_S = 5.0
"""A broker that has not answered CONNECT by then does not understand it."""
MAX_PAYLOAD_BYTES = 256 * 1024
"""A message with more is refused."""
MAX_PACKET_BYTES = 2 * MAX_PAYLOAD_BYTES
"""So much of a packet is kept: enough to see that its payload is too large."""
CHUNK_BYTES = 64 * 1024
REFUSED = 128
"""Reason codes of a PUBACK from here on are failures (MQTT 5, 3.4.2.1); 3.1.1 knows none."""
OnSent = Callable[[int], None]
"""Takes the reason code with which the broker answered for a message."""


class BoundedClient(paho.Client):
    """A paho client that keeps no more than the first `MAX_PACKET_BYTES` of a packet.

    MQTT 5 brokers are asked to send none that is larger; those of 3.1.1 cannot be, and a packet may
    have 256 MB. The rest is read and dropped, so that the packet is answered and not sent again.
    """

    def _sock_recv(self, bufsize: int) -> bytes:
        received = super()._sock_recv(min(bufsize, CHUNK_BYTES))
        if len(received) > 1 and len(self._in_packet["packet"]) > MAX_PACKET_BYTES:
            self._in_packet["to_process"] -= len(received) - 1
            return received[:1]  # none at all would mean that the connection has ended
        return received


class ConnectionAttempt:
    """A paho client and what is on its way through it.

    Args:
        client: Configured, not connected.
        address: Where to.
        version: The MQTT version that the client speaks.
        filters: Topic filters to subscribe to (QoS 1) as soon as the broker accepts.
        on_accepted: Called then, in the network thread, after subscribing.
        on_forbidden: Called with what the broker forbids us ("publishing to") and the topic.

    Attributes:
        accepted: Whether the broker has accepted the connection, and it has not ended.
    """

    def __init__(
        self,
        client: paho.Client,
        address: Address,
        *,
        version: MQTTProtocolVersion,
        filters: Sequence[str],
        on_accepted: Callable[[], None],
        on_forbidden: Callable[[str, str], None],
    ) -> None:
        self.accepted = False
        self.version = version
        self._client = client
        self._address = address
        self._filters = filters
        self._on_accepted = on_accepted
        self._on_forbidden = on_forbidden
        self._problem: Problem | None = None
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._unanswered = threading.Condition()
        self._sent: dict[int, tuple[str, OnSent | None]] = {}
        self._answered_early: dict[int, int] = {}
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe

    def run(self, options: Mapping[str, Any]) -> Problem:
        """Connect and stay until the connection ends; return why it did or did not come about."""
        host, port = self._address.host, self._address.port
        try:
            self._client.connect(host, port, KEEPALIVE_S, **options)
        except OSError as error:
            self._ended.set()
            return connection_errors.explain_error(self._address, error)
        self._client.loop_start()  # this thread ends by itself with the connection
        if not self._answered.wait(ANSWER_S):
            self._problem = connection_errors.explain_silence(self._address, ANSWER_S)
            self.end()
        self._ended.wait()
        self.accepted = False
        return self._problem or Problem("lost", f"broker {self._address}: connection closed")

    def end(self) -> None:
        """Disconnect; the broker then sends no will."""
        self._client.disconnect()
        if not self._ended.wait(1.0):  # a broker that hangs does not hold us up
            self._ended.set()

    def send(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        properties: Properties | None,
        on_sent: OnSent | None,
    ) -> bool:
        """Hand a message to the network thread; false where the connection or the room is gone."""
        info = self._client.publish(topic, payload, qos, retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        # The network thread may have seen the broker's answer before we come to note the question.
        with self._unanswered:
            early = self._answered_early.pop(info.mid, None)
            if early is None:
                self._sent[info.mid] = (topic, on_sent)
        if early is not None:
            self._note_answer(topic, on_sent, early)
        return True

    def wait_until_sent(self, timeout_s: float) -> None:
        """Block until the broker has answered for everything that is on its way."""
        with self._unanswered:
            self._unanswered.wait_for(lambda: not self._sent, timeout_s)

    def _note_answer(self, topic: str, on_sent: OnSent | None, reason_code: int) -> None:
        if reason_code >= REFUSED:
            self._on_forbidden("publishing to", topic)
        if on_sent is not None:
            on_sent(reason_code)

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: object,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._problem = connection_errors.explain_refusal(
                self._address, reason.value, reason.getName()
            )
            self._answered.set()
            return
        self.accepted = True
        self._answered.set()
        if self._filters:
            self._client.subscribe([(topic_filter, 1) for topic_filter in self._filters])
        self._on_accepted()

    def _on_disconnect(
        self,
        _client: paho.Client,
        _userdata: object,
        _flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self._problem is None:
            self._problem = connection_errors.explain_end(
                self._address, accepted=self.accepted, code=reason.value, name=reason.getName()
            )
        self.accepted = False
        self._answered.set()
        self._ended.set()

    def _on_publish(
        self,
        _client: paho.Client,
        _userdata: object,
        mid: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        with self._unanswered:
            noted = self._sent.pop(mid, None)
            if noted is None:
                self._answered_early[mid] = reason.value
            self._unanswered.notify_all()
        if noted is not None:
            topic, on_sent = noted
            self._note_answer(topic, on_sent, reason.value)

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        for topic_filter, reason in zip(self._filters, reasons, strict=False):
            if reason.is_failure:
                self._on_forbidden("subscribing to", topic_filter)
