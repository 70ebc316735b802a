"""The client stays connected, says so truthfully and once, and survives any message."""

import logging
import subprocess
import sys
import threading
import time
from functools import partial

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from support.broker.real_broker import free_port, listening

from har_stream.config.broker_settings import BrokerSettings
from har_stream.core.backoff import backoff_s
from har_stream.core.errors import InputError
from har_stream.core.log_once import LogOnce
from har_stream.mqtt import connection as mqtt_connection
from har_stream.mqtt import connection_errors
from har_stream.mqtt.broker_address import read_address
from har_stream.mqtt.connection import (
    MAX_PAYLOAD_BYTES,
    MAX_UNACKNOWLEDGED,
    RETRY_FIRST_S,
    RETRY_LONGEST_S,
    Connection,
    Receiver,
)
from har_stream.mqtt.connection_attempt import REFUSED
from har_stream.mqtt.messages import EventAck, MessageError


@pytest.fixture
def connect() -> "object":
    """Make connections that are closed in the end."""
    made: list[Connection] = []

    def make(url: str, **options: object) -> Connection:
        settings = BrokerSettings(url=url, **options.pop("broker", {}))  # type: ignore[arg-type]
        connection = Connection(settings, client_id=f"test{len(made)}", **options)  # type: ignore[arg-type]
        made.append(connection)
        return connection

    yield make
    for connection in made:
        connection.close()


def test_online_comes_after_the_subscriptions_and_the_hooks(mosquitto, connect) -> None:
    with listening(mosquitto.port, "har/#") as listener:
        connection = connect(mosquitto.url, availability="har/n1/availability")
        connection.on_connected(lambda: connection.publish("har/n1/first", "1"))
        connection.on_connected(lambda: connection.publish("har/n1/second", "2"))
        connection.start()
        listener.wait_for(lambda came: len(came) >= 3)
        assert [m.topic for m in listener.messages] == [
            "har/n1/first",
            "har/n1/second",
            "har/n1/availability",
        ]
        assert connection.is_connected
        connection.close()
        listener.wait_for(lambda came: came[-1].payload == b"offline")
        assert not connection.is_connected


def test_json_is_labelled_and_expires_text_is_not(mosquitto, connect) -> None:
    with listening(mosquitto.port, "t/#") as listener:
        connection = connect(mosquitto.url)
        connection.start()
        connection.publish("t/json", EventAck(journal="j", seq=3), expiry_s=90)
        connection.publish("t/map", {"a": "ü"})
        connection.publish("t/text", "ON")
        listener.wait_for(lambda came: len(came) == 3)
        json_properties = listener.messages[0].properties.json()
        assert listener.messages[0].payload == b'{"journal":"j","seq":3}'
        assert json_properties["ContentType"] == "application/json"
        assert 1 <= json_properties["MessageExpiryInterval"] <= 90
        assert listener.messages[1].payload == '{"a":"ü"}'.encode()
        assert "ContentType" not in listener.messages[2].properties.json()


def test_who_may_not_speak_says_nothing_and_comes_back_once_it_may(
    mosquitto, connect, monkeypatch
) -> None:
    for name in ("RETRY_FIRST_S", "SILENT_S"):
        monkeypatch.setattr(mqtt_connection, name, 0.01)
    may_speak = threading.Event()
    connected = threading.Semaphore(0)
    with listening(mosquitto.port, "t") as listener:
        connection = connect(mosquitto.url, may_speak=may_speak.is_set)
        connection.on_connected(connected.release)
        may_speak.set()
        connection.start()
        assert connected.acquire(timeout=60)
        assert connection.publish("t", "1")
        may_speak.clear()
        assert not connection.publish("t", "2")
        connection.drop()
        assert not connected.acquire(timeout=0.1)
        assert not connection.is_connected
        may_speak.set()
        assert connected.acquire(timeout=60)
        assert connection.publish("t", "3")
        listener.wait_for(lambda came: len(came) == 2)
        assert listener.on("t") == [b"1", b"3"]


def test_it_comes_back_and_says_each_thing_once(mosquitto, connect, caplog) -> None:
    caplog.set_level(logging.INFO, logger="har_stream")
    connection = connect(mosquitto.url, availability="har/n1/availability")
    connected = threading.Semaphore(0)
    got = threading.Event()
    connection.on_connected(connected.release)
    connection.subscribe("har/n1/x", lambda *_: got.set())
    connection.start()
    assert connected.acquire(timeout=60)
    mosquitto.kill()
    mosquitto.start()
    assert connected.acquire(timeout=60)
    with listening(mosquitto.port, "har/n1/availability") as listener:
        listener.wait_for(lambda came: came[-1:] and came[-1].payload == b"online")
        listener.publish("har/n1/x", "again")
        assert got.wait(60)
    lines = [r.getMessage() for r in caplog.records]
    assert [("lost" in line, "connected to" in line) for line in lines] == [
        (False, True),
        (True, False),
        (False, True),
    ], lines


def test_a_broker_that_is_not_there_yet_is_said_once_and_found_later(
    make_mosquitto, connect, caplog, monkeypatch
) -> None:
    monkeypatch.setattr(mqtt_connection, "RETRY_FIRST_S", 0.1)
    broker = make_mosquitto()
    broker.kill()
    connection = connect(broker.url)
    up = threading.Event()
    connection.on_connected(up.set)
    connection.start()
    assert not connection.is_connected
    assert not connection.publish("t", "lost")
    broker.start()
    assert up.wait(60)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "does not answer: Connection refused" in warnings[0]


def test_fail_fast_gives_the_line_as_an_error(connect) -> None:
    connection = connect(f"mqtt://127.0.0.1:{free_port()}")
    with pytest.raises(InputError, match="does not answer"):
        connection.start(fail_fast=True)


def test_the_will_says_offline_when_the_process_dies(mosquitto) -> None:
    program = (
        "import time\n"
        "from har_stream.mqtt.connection import Connection\n"
        "from har_stream.config.settings import BrokerSettings\n"
        f"c = Connection(BrokerSettings(url='{mosquitto.url}'), client_id='x', availability='a')\n"
        "c.start(); time.sleep(60)\n"
    )
    with listening(mosquitto.port, "a") as listener:
        process = subprocess.Popen([sys.executable, "-c", program])
        listener.wait_for(lambda came: came and came[-1].payload == b"online")
        process.kill()
        process.wait()
        listener.wait_for(lambda came: came[-1].payload == b"offline")


@given(n=st.integers(0, 10_000), jitter=st.floats(0, 1))
def test_the_back_off_lies_within_its_bounds_and_grows(n: int, jitter: float) -> None:
    wait_s = partial(backoff_s, first_s=RETRY_FIRST_S, longest_s=RETRY_LONGEST_S)
    assert 1.0 <= wait_s(n, jitter=jitter) <= 60.0
    assert wait_s(n + 1, jitter=jitter) >= wait_s(n, jitter=jitter)
    assert wait_s(10, jitter=1.0) == 60.0


def test_a_broker_that_says_so_tells_that_another_client_has_our_id() -> None:
    """MQTT 5 has a reason for it, 142; Mosquitto 2.0.11 just hangs up."""
    address = read_address("mqtt://broker")
    problem = connection_errors.explain_end(
        address, accepted=True, code=142, name="Session taken over"
    )
    assert problem.kind == "taken"
    assert "another client came with our id" in problem.text


def test_a_broker_that_hangs_neither_fills_memory_nor_holds_up_the_end(mosquitto, connect) -> None:
    connection = connect(mosquitto.url)
    connection.start()
    mosquitto.freeze()
    accepted = [connection.publish("t", "x" * 1000) for _ in range(MAX_UNACKNOWLEDGED + 100)]
    assert accepted.count(True) <= MAX_UNACKNOWLEDGED
    assert not accepted[-1], "the caller is told that there is no room"
    began_s = time.monotonic()
    connection.close()
    assert time.monotonic() - began_s < 8
    mosquitto.thaw()


def test_an_answer_is_reported_whether_it_comes_before_or_after_publish_returns(
    mosquitto, connect
) -> None:
    connection = connect(mosquitto.url)
    connection.start()
    taken: list[int] = []
    all_taken = threading.Event()

    def note(number: int, reason_code: int) -> None:
        assert reason_code < REFUSED
        taken.append(number)
        if len(taken) == 500:
            all_taken.set()

    for number in range(500):
        while not connection.publish("t", "x", on_sent=partial(note, number)):
            pass
    assert all_taken.wait(60)
    assert sorted(taken) == list(range(500))


def test_a_handler_that_fails_costs_its_message_alone(mosquitto, connect, caplog) -> None:
    connection = connect(mosquitto.url)
    good: list[bytes] = []
    twice = threading.Event()

    def handler(_topic: str, payload: bytes) -> None:
        if payload == b"bad":
            raise MessageError("nonsense")
        if payload == b"bug":
            raise ZeroDivisionError
        good.append(payload)
        if len(good) == 2:
            twice.set()

    connection.subscribe("t/#", handler)
    connection.start()
    with listening(mosquitto.port, "t/#") as stranger:
        for payload in (b"1", b"bad", b"bad", b"bug", b"bug", b"2"):
            stranger.publish("t/a", payload)
        assert twice.wait(60)
    assert good == [b"1", b"2"]
    assert connection.n_malformed == 4
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 2


def test_a_payload_that_is_too_big_is_not_even_looked_at(caplog) -> None:
    """MQTT 5 brokers keep it from us, as we ask them to; others cannot be asked."""
    seen: list[bytes] = []
    receiver = Receiver("t/#", lambda _, payload: seen.append(payload), LogOnce())
    for size in (MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES + 1):
        message = paho.MQTTMessage(topic=b"t/a")
        message.payload = b"x" * size
        receiver(paho.Client(CallbackAPIVersion.VERSION2), None, message)
    assert [len(payload) for payload in seen] == [MAX_PAYLOAD_BYTES]
    assert receiver.n_malformed == 1
    assert "are too many" in caplog.text
