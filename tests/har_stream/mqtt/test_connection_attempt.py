"""A packet of 256 MB, the largest that MQTT knows, is skipped; what comes after it is heard."""

import socket
import struct
import threading

import pytest
from support.processes.measured import run_python

HEAR = """
import logging, sys, threading
from har_stream.config.broker_settings import BrokerSettings
from har_stream.mqtt.connection import Connection
logging.basicConfig(level="WARNING", format="%(message)s", stream=sys.stdout)
settings = BrokerSettings(url=f"mqtt://127.0.0.1:{sys.argv[1]}", protocol=sys.argv[2])
heard = threading.Event()
def hear(topic, payload):
    print("heard", topic, payload)
    heard.set()
connection = Connection(settings, client_id="huge-packet")
connection.subscribe("#", hear)
with connection:
    heard.wait(60)
    print("malformed", connection.n_malformed)
"""
SIZE = (1 << 28) - 1


class HostileBroker(threading.Thread):
    """Accepts one client, and sends it a packet that no other broker would send.

    Attributes:
        answers: The bodies of all packets but pings that came after the huge one, up to its answer.
    """

    def __init__(self, *, is_v5: bool) -> None:
        super().__init__(daemon=True)
        self._is_v5 = is_v5
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.answers: list[bytes] = []

    def run(self) -> None:
        """Serve the one client to its end."""
        properties = b"\x00" if self._is_v5 else b""
        client = self._accept()
        with client, self._listening:
            client.sendall(self._packet(0x20, b"\x00\x00" + properties))
            subscribe = self._next(client)
            client.sendall(self._packet(0x90, subscribe[:2] + properties + b"\x01"))
            head = self._topic("huge") + b"\x00\x01" + properties
            client.sendall(self._header(0x32, SIZE) + head)
            for start in range(len(head), SIZE, 1 << 20):
                client.sendall(bytes(min(1 << 20, SIZE - start)))
            self.answers.append(self._next(client))  # PUBACK
            client.sendall(self._packet(0x30, self._topic("small") + properties + b"{}"))
            self._next(client)  # DISCONNECT

    def _accept(self) -> socket.socket:
        """Wait for our client: another test's may still ask for a broker that had this port."""
        while True:
            client, _ = self._listening.accept()
            if self._next(client).endswith(b"\x00\x0bhuge-packet"):
                return client
            client.close()

    def _next(self, client: socket.socket) -> bytes:
        """Read the next packet's body; pings, as of a slow machine, are passed over."""
        while True:
            kind = client.recv(1)
            length = shift = 0
            while True:
                (byte,) = client.recv(1)
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            body = client.recv(length, socket.MSG_WAITALL) if length else b""
            if kind != b"\xc0":  # PINGREQ
                return body

    def _packet(self, kind: int, body: bytes) -> bytes:
        return self._header(kind, len(body)) + body

    def _header(self, kind: int, length: int) -> bytes:
        encoded = [kind]
        while True:
            length, rest = divmod(length, 128)
            encoded.append(rest | (128 if length else 0))
            if not length:
                return bytes(encoded)

    def _topic(self, name: str) -> bytes:
        return struct.pack("!H", len(name)) + name.encode()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_huge_packet_is_skipped_and_answered(protocol: str) -> None:
    broker = HostileBroker(is_v5=protocol == "5")
    broker.start()
    run = run_python(HEAR, str(broker.port), protocol)
    broker.join(10)
    assert run.status == 0, run.output
    assert [answer[:2] for answer in broker.answers] == [b"\x00\x01"], run.output
    told, heard, malformed = run.output.splitlines()
    assert told.startswith("skipped a malformed message on 'huge': ")
    assert heard == "heard small b'{}'"
    assert malformed == "malformed 1"
    print(f"a packet of 256 MB over MQTT {protocol}: {run.peak_mb:.0f} MB, {run.wall_s:.1f} s")
    assert run.peak_mb < 150
