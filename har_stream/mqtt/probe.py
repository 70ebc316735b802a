"""Asks a broker whether anybody listens to a topic; only MQTT 5 can answer."""

import threading
import uuid

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from har_stream.config.broker import BrokerSettings, password
from har_stream.mqtt.broker_address import read_address, tls_context

ANSWER_S = 5.0
NOBODY = 16
"""Reason code "no matching subscribers" (MQTT 5, 3.4.2.1)."""


def ask(broker: BrokerSettings, topic: str) -> int | None:
    """Publish an empty message, not retained, and return the reason code of its PUBACK.

    Returns:
        0: somebody listens (a broker need not tell `NOBODY`); `NOBODY`; 128 and more: forbidden.
        `None` where the broker does not speak MQTT 5 or does not answer.

    Raises:
        InputError: The URL, the password file or a certificate file cannot be used.
    """
    if broker.protocol == "3.1.1":
        return None
    answers: list[int] = []
    ended = threading.Event()

    def connected(
        client: paho.Client,
        _userdata: object,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            ended.set()
        else:
            client.publish(topic, b"", qos=1)

    def published(
        _client: paho.Client,
        _userdata: object,
        _mid: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        answers.append(reason.value)
        ended.set()

    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"har-ask-{uuid.uuid4().hex[:12]}",
        protocol=MQTTProtocolVersion.MQTTv5,
        reconnect_on_failure=False,
    )
    client.username_pw_set(broker.username, password(broker))
    if (tls := tls_context(broker)) is not None:
        client.tls_set_context(tls)
    client.on_connect, client.on_publish = connected, published
    client.on_disconnect = lambda *_: ended.set()
    address = read_address(broker.url)
    try:
        client.connect(address.host, address.port)
    except OSError:
        return None
    client.loop_start()
    ended.wait(ANSWER_S)
    client.disconnect()
    client.loop_stop()
    return answers[0] if answers else None
