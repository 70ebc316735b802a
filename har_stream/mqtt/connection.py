"""One MQTT client for every process: a connection that comes back by itself and says so once.

It speaks MQTT 5 and falls back to 3.1.1. Nothing is queued while the broker is away: last-value
topics are published anew by the `on_connected` hooks, and what must not be lost waits in the
outbox. Handlers and hooks run in the network thread, one at a time; a message counts as received
for the broker once its handlers have returned.
"""

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from har_stream.config.broker_settings import BrokerSettings, read_password
from har_stream.core.backoff import backoff_s
from har_stream.core.errors import InputError
from har_stream.core.log_once import LogOnce
from har_stream.mqtt import connection_errors
from har_stream.mqtt.broker_address import read_address, tls_context
from har_stream.mqtt.connection_attempt import (
    MAX_PAYLOAD_BYTES,
    BoundedClient,
    ConnectionAttempt,
    OnSent,
)
from har_stream.mqtt.connection_errors import Problem
from har_stream.mqtt.messages import Message, MessageError

logger = logging.getLogger(__name__)

ONLINE, OFFLINE = "online", "offline"
STABLE_S = 5.0
"""A connection that lived this long starts the back-off anew."""
RETRY_FIRST_S, RETRY_LONGEST_S = 2.0, 60.0
FIRST_ANSWER_S = 10.0
SILENT_S = 0.2
"""Who may not speak asks so often whether it may again."""
SESSION_S = 7 * 24 * 3600
"""How long a broker keeps a persistent session, in seconds."""
MAX_UNACKNOWLEDGED = 1000

Payload = Message | Mapping[str, object] | str
Handler = Callable[[str, bytes], None]
"""Takes a topic and a payload; raises `MessageError` where the payload makes no sense."""
V5, V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
_VERSIONS = {"auto": (V5, V311), "5": (V5,), "3.1.1": (V311,)}


class Publishes(Protocol):
    """What most users need of a `Connection`; a test passes a list of messages in its place."""

    def publish(
        self,
        topic: str,
        payload: Payload,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: float | None = None,
        on_sent: OnSent | None = None,
    ) -> bool:
        """Publish if there is a connection; see `Connection.publish`."""


class Connection:
    """A connection to the broker.

    Args:
        broker: Where it is and how to sign in.
        client_id: Unique among the processes that may run at once; a second one with the same id
            takes the first one's place.
        availability: Topic that says ``online`` while connected and ``offline`` otherwise (also by
            the will, should this process die).
        persistent: The broker keeps our subscriptions, and what arrives on them, while we are away.
        may_speak: Whether we may be heard now, from any thread; while false nothing goes out, and
            no connection is made.

    Attributes:
        address: Where the broker is.

    Raises:
        InputError: The URL, the password file or a certificate file cannot be used.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        *,
        client_id: str,
        availability: str | None = None,
        persistent: bool = False,
        may_speak: Callable[[], bool] = lambda: True,
    ) -> None:
        self.address = read_address(broker.url)
        self._broker = broker
        self._client_id = client_id
        self._availability = availability
        self._persistent = persistent
        self._may_speak = may_speak
        self._versions = _VERSIONS[broker.protocol]
        self._tls = tls_context(broker)
        self._password = read_password(broker)
        self._receivers: dict[str, Receiver] = {}
        self._hooks: list[Callable[[], object]] = []
        self._attempt: ConnectionAttempt | None = None
        self._announced = False
        self._once = LogOnce()
        self._closing = threading.Event()
        self._answered = threading.Event()
        self._first_problem: Problem | None = None
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_connected(self) -> bool:
        """Whether the broker knows that we are there, and has not been lost since."""
        attempt = self._attempt
        return attempt is not None and attempt.accepted and self._announced

    @property
    def reports_refusals(self) -> bool:
        """Whether a broker can tell us that it forbids what we publish: not in MQTT 3.1.1."""
        return self._attempt is not None and self._attempt.version == V5

    @property
    def n_malformed(self) -> int:
        """How many messages no handler could read."""
        return sum(receiver.n_malformed for receiver in self._receivers.values())

    def subscribe(
        self, topic_filter: str, handler: Handler, *, retained: bool | Handler = True
    ) -> None:
        """Have ``handler`` called with every message that matches (QoS 1); call before `start`.

        A message for which it raises is skipped: counted, and logged once a kind.

        Args:
            topic_filter: Which topics.
            handler: What is called.
            retained: Whether also with what somebody said before we listened, or what is called
                with that instead.
        """
        self._receivers[topic_filter] = Receiver(
            topic_filter, handler, self._once, retained=retained
        )

    def on_connected(self, hook: Callable[[], object]) -> None:
        """Have ``hook`` called at every connection, after subscribing and before ``online``."""
        self._hooks.append(hook)

    def start(self, *, fail_fast: bool = False) -> None:
        """Connect in the background; return after the first attempt, whatever came of it.

        Raises:
            InputError: The broker refuses our credentials or, with ``fail_fast``, anything else
                keeps us from it.
        """
        self._thread.start()
        if not self._answered.wait(FIRST_ANSWER_S):
            silence = TimeoutError(f"no answer within {FIRST_ANSWER_S:g} s")
            self._first_problem = connection_errors.explain_error(self.address, silence)
        problem = self._first_problem
        if problem is None:
            return
        if fail_fast or problem.by_credentials:
            self.close()
            raise InputError(problem.text)
        self._once.warn(problem.kind, f"{problem.text}; trying again")

    def publish(
        self,
        topic: str,
        payload: Payload,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: float | None = None,
        on_sent: OnSent | None = None,
    ) -> bool:
        """Publish, if there is a connection.

        Args:
            topic: Where.
            payload: Messages and mappings go out as JSON, strings as they are.
            qos: 0 or 1.
            retain: Whether the broker keeps it for later subscribers.
            expiry_s: After so many seconds the broker forgets it (MQTT 5 only).
            on_sent: Called once with the reason code of the broker's answer (`REFUSED` and more: it
                did not take it), in the network thread, where it must not publish; never called
                where the connection is lost before the answer.

        Returns:
            Whether it is on its way; if not, the caller keeps what must not be lost.
        """
        attempt = self._attempt
        if attempt is None or not attempt.accepted or not self._may_speak():
            return False
        fields: dict[str, object] = {}
        if expiry_s is not None:
            fields["MessageExpiryInterval"] = max(1, round(expiry_s))
        if not isinstance(payload, str):
            fields |= {"ContentType": "application/json", "PayloadFormatIndicator": 1}
        return attempt.send(
            topic,
            _encode(payload),
            qos=qos,
            retain=retain,
            properties=_properties(PacketTypes.PUBLISH, fields) if attempt.version == V5 else None,
            on_sent=on_sent,
        )

    def drop(self) -> None:
        """Disconnect without a word; it connects again by itself, once it may speak."""
        if self._attempt is not None:
            self._attempt.end()

    def close(self) -> None:
        """Say ``offline``, let what is on its way arrive (2 s at most) and disconnect."""
        if self._availability is not None:
            self.publish(self._availability, OFFLINE, retain=True)
        attempt = self._attempt
        if attempt is not None and attempt.accepted:
            attempt.wait_until_sent(2.0)
        self._closing.set()
        if attempt is not None:
            attempt.end()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _run(self) -> None:
        n_failed = 0
        while not self._closing.is_set():
            if not self._may_speak():
                self._closing.wait(SILENT_S)
                continue
            began = time.monotonic()
            # 1. Lasts as long as the connection does; whoever closed us wants no news of its end.
            problem = self._connect_once()
            if self._closing.is_set():
                return
            # 2. The first failure is `start`'s to tell, each later kind is said once.
            if self._answered.is_set():
                self._once.warn(problem.kind, f"{problem.text}; trying again")
                if problem.kind == "lost":  # what follows while it restarts is no news
                    self._once.is_news("unreachable")
                    self._once.is_news("closed")
            else:
                self._first_problem = problem
                self._answered.set()
            # 3. Back off, from the first span again after a connection that was stable.
            if time.monotonic() - began > STABLE_S:
                n_failed = 0
            self._closing.wait(_retry_s(n_failed))
            n_failed += 1

    def _connect_once(self) -> Problem:
        """Stay connected for as long as it lasts; return why it ended or did not begin."""
        for version in self._versions:
            self._announced = False
            self._attempt = ConnectionAttempt(
                self._make_client(version),
                self.address,
                version=version,
                filters=tuple(self._receivers),
                on_accepted=self._announce,
                on_forbidden=self._warn_forbidden,
            )
            problem = self._attempt.run(self._connect_options(version))
            # A broker that refuses the version, or hangs up without a word, may know the other one.
            if problem.kind not in ("version", "closed") or self._closing.is_set():
                break
        # Next time the version that was tried last comes first.
        self._versions = tuple(sorted(self._versions, key=lambda known: known != version))
        return problem

    def _make_client(self, version: MQTTProtocolVersion) -> paho.Client:
        client = BoundedClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if version == V5 else not self._persistent,
            protocol=version,
            reconnect_on_failure=False,
        )
        client.max_queued_messages_set(MAX_UNACKNOWLEDGED)
        client.username_pw_set(self._broker.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._availability is not None:
            client.will_set(self._availability, OFFLINE, qos=1, retain=True)
        for topic_filter, receiver in self._receivers.items():
            client.message_callback_add(topic_filter, receiver)
        return client

    def _connect_options(self, version: MQTTProtocolVersion) -> dict[str, object]:
        if version != V5:
            return {}
        fields: dict[str, object] = {"MaximumPacketSize": MAX_PAYLOAD_BYTES}
        if self._persistent:
            fields["SessionExpiryInterval"] = SESSION_S
        properties = _properties(PacketTypes.CONNECT, fields)
        return {"clean_start": not self._persistent, "properties": properties}

    def _announce(self) -> None:
        """Publish what the broker must know, and only then be ``online``."""
        for hook in self._hooks:
            try:
                hook()
            except Exception:
                logger.exception("not everything could be announced to the broker")
        if self._availability is not None:
            self.publish(self._availability, ONLINE, retain=True)
            logger.info("connected to broker %s", self.address)
        self._announced = True
        self._once.forget(connection_errors.KINDS)
        self._answered.set()

    def _warn_forbidden(self, doing: str, topic: str) -> None:
        user = self._broker.username or "anonymous"
        root = topic.split("/")[0]
        self._once.warn(
            ("forbidden", doing, root),
            f"broker {self.address} forbids user {user!r} {doing} {topic} (other topics below "
            f"{root}/ are not named again); its access list must allow it",
        )


class Receiver:
    """Calls one handler; a message for which it raises is skipped and counted, and said once.

    Attributes:
        n_malformed: How many messages were skipped.
    """

    def __init__(
        self,
        topic_filter: str,
        handler: Handler,
        once: LogOnce,
        *,
        retained: bool | Handler = True,
    ) -> None:
        self.n_malformed = 0
        self._retained = handler if retained is True else retained
        self._topic_filter = topic_filter
        self._handler = handler
        self._once = once

    def __call__(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        """Take a message from paho."""
        handler = self._retained if message.retain else self._handler
        if not callable(handler):
            return
        try:
            if len(message.payload) > MAX_PAYLOAD_BYTES:
                raise MessageError(f"{len(message.payload)} bytes are too many")
            handler(message.topic, bytes(message.payload))
        except MessageError as error:
            self.n_malformed += 1
            # Quoted and cut: a stranger wrote it.
            text = f"skipped a malformed message on {message.topic[:100]!r}: {str(error)[:200]!r}"
            self._once.warn((self._topic_filter, MessageError), f"{text}; the next ones silently")
        except Exception as error:
            self.n_malformed += 1
            if self._once.is_news((self._topic_filter, type(error))):
                logger.exception("a message on %.100r could not be handled", message.topic)


def _retry_s(n_failed: int) -> float:
    jitter = random.random()  # noqa: S311 -- it spreads retries; no secret hangs on it
    return backoff_s(n_failed, jitter=jitter, first_s=RETRY_FIRST_S, longest_s=RETRY_LONGEST_S)


def _properties(packet: int, fields: Mapping[str, object]) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    for name, value in fields.items():
        setattr(properties, name, value)
    return properties


def _encode(payload: Payload) -> bytes:
    if isinstance(payload, Message):
        return payload.encode()
    if isinstance(payload, str):
        return payload.encode()
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
