"""A real Mosquitto for tests, and a plain subscriber that is independent of our own client."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
_LOGGED = ("error", "warning", "notice", "information", "subscribe", "unsubscribe")
HOW_TO_INSTALL = "no mosquitto here: apt-get install mosquitto"
PATIENCE_S = 120.0
"""Longest wait for what is to come: a busy machine is no failure, and one that waits that long
says what did come, before pytest's own timeout ends the test without a word."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on, and that no client is given as its own.

    The system gives clients the ports above: one of those could be taken while a stopped server
    is away, even by the client that calls it (a socket may connect to itself).
    """
    first_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, first_of_clients)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Mosquitto:
    """One Mosquitto on a port of its own; it keeps port and files over `stop`/`kill` and `start`.

    Attributes:
        folder: Its configuration, password file, certificates and (with persistence) its store.
        log: What it has written so far, one line each.
    """

    def __init__(
        self,
        folder: Path,
        lines: Sequence[str] = (),
        *,
        scheme: str = "mqtt",
        anonymous: bool = True,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.log: list[str] = []
        self._logged = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._config = folder / "mosquitto.conf"
        access = f"allow_anonymous {'true' if anonymous else 'false'}"
        common = [f"listener {self.port} 127.0.0.1", access, "log_dest stderr"]
        if os.geteuid() == 0:
            common.append("user root")  # otherwise it could not read a test's private files
        common += [f"log_type {kind}" for kind in _LOGGED]
        self._config.write_text("\n".join([*common, *lines]) + "\n")

    def listen_also(self, address: str) -> None:
        """Listen on a further address, on the same port, from the next start on."""
        with self._config.open("a") as lines:
            lines.write(f"listener {self.port} {address}\n")

    def start(self) -> None:
        """Start it and return once it listens."""
        command = [str(PROGRAM), "-c", str(self._config)]
        self._process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, cwd=self.folder
        )
        running = threading.Event()
        threading.Thread(
            target=self._drain, args=(self._process, running), name="mosquitto-log", daemon=True
        ).start()
        if not running.wait(PATIENCE_S) or not self.log[-1].endswith("running"):
            raise RuntimeError("mosquitto did not start:\n" + "\n".join(self.log[-20:]))

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Stop it as an administrator would; a persistent one writes its store."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill -9: whatever it held in memory is gone."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it hang: its connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def wait_for_log(self, text: str, n_lines: int = 1, *, timeout_s: float = PATIENCE_S) -> None:
        """Block until so many lines of the log hold a text."""
        with self._logged:
            if not self._logged.wait_for(
                lambda: sum(text in line for line in self.log) >= n_lines, timeout_s
            ):
                raise AssertionError(f"not {n_lines} times {text!r} in:\n" + "\n".join(self.log))

    def _signal(self, sign: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(sign)

    def _end(self, sign: signal.Signals) -> None:
        if self._process is not None:
            self._signal(sign)
            self._process.wait(PATIENCE_S)
            self._process = None

    def _drain(self, process: subprocess.Popen[str], running: threading.Event) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            with self._logged:
                self.log.append(line.rstrip())
                self._logged.notify_all()
            if line.rstrip().endswith("running"):
                running.set()
        running.set()  # it ended; whoever waits sees that


@dataclass(frozen=True, slots=True)
class Received:
    """A message as the broker delivered it."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    properties: Properties | None


class Listener:
    """A plain paho client that keeps all it receives; `wait_for` blocks on a condition."""

    def __init__(
        self,
        port: int,
        *filters: str,
        protocol: int = paho.MQTTv5,
        username: str | None = None,
        password: str | None = None,
        on_message: Callable[["Listener", Received], None] | None = None,
    ) -> None:
        self.port = port
        self.messages: list[Received] = []
        self._changed = threading.Condition()
        self._filters = filters
        self._subscribed = threading.Event()
        self._on_message = on_message
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self.client.username_pw_set(username, password)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._received
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()
        if filters and not self._subscribed.wait(PATIENCE_S):
            raise RuntimeError(f"no subscription on port {port} within 10 s")

    def publish(
        self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False
    ) -> None:
        """Publish and wait until the broker has it."""
        self.client.publish(topic, payload, qos=qos, retain=retain).wait_for_publish(PATIENCE_S)

    def wait_for(
        self, holds: Callable[[list[Received]], object], *, timeout_s: float = PATIENCE_S
    ) -> list[Received]:
        """Block until ``holds(messages)``; return the messages, or fail with what came."""
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self.messages), timeout_s):
                came = "\n".join(f"{m.topic} {m.payload!r:.120}" for m in self.messages[-20:])
                raise AssertionError(f"not within {timeout_s} s; the last that came:\n{came}")
            return list(self.messages)

    def on(self, topic: str) -> list[bytes]:
        """Payloads that came on one topic so far."""
        with self._changed:
            return [m.payload for m in self.messages if m.topic == topic]

    def close(self) -> None:
        """Disconnect and end its thread."""
        self.client.disconnect()
        self.client.loop_stop()

    def _connected(self, client: paho.Client, *_: object) -> None:
        for topic_filter in self._filters:
            client.subscribe(topic_filter, qos=1)

    def _received(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        received = Received(
            message.topic, message.payload, message.retain, message.qos, message.properties
        )
        with self._changed:
            self.messages.append(received)
            self._changed.notify_all()
        if self._on_message is not None:
            self._on_message(self, received)


@contextlib.contextmanager
def listening(port: int, *filters: str) -> Iterator[Listener]:
    """A `Listener` for the length of a block."""
    listener = Listener(port, *filters)
    try:
        yield listener
    finally:
        listener.close()


def retained(broker: Mosquitto) -> dict[str, bytes]:
    """Everything that a broker keeps, by topic."""
    with listening(broker.port, "#") as listener:
        listener.publish("mark", "")
        listener.wait_for(lambda came: came and came[-1].topic == "mark")
        return {m.topic: m.payload for m in listener.messages if m.retain}
