"""Odd messages on every topic that a program subscribes to: no crash, no growth, one line a kind.

The real processes on a real broker; the broker's log says what they subscribe to, so that no topic
can be forgotten here.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.broker.real_broker import Listener, Mosquitto, free_port, listening
from support.event_builder import event
from support.processes.forecast_process import HarForecast
from support.processes.stream_process import shipped_bundle, start_har_stream

from har_stream.mqtt import message_schema
from har_stream.mqtt.messages import Message, MessageError

N_ODD = [1_000, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
"""On every topic filter."""
ROUND = 500
"""A broker drops what is more than it queues for one client (Mosquitto: 1,000)."""
EXTREMES = (b"", b"[" * 3000, b'{"seq":1e400}', b'{"seq":%d}' % 2**70, b"\x00" * 500, b"null")
GROWTH_KB = 20_000
PAYLOAD_OF = {
    "event": "event",
    "event/ack": "event_ack",
    "activity": "activity",
    "bridge/request/+": "bridge_request",
    "bridge/response/info": "bridge_response",
    "bridge/response/replay": "bridge_response",
}
"""By the end of a topic filter; all other topics take plain words."""
WORDS = (b"ON", b"OFF", b"online", b"offline", b"21.5")


class Stranger:
    """Makes odd messages for topic filters: broken copies of good ones, noise, and extremes."""

    def __init__(self, filters: list[str]) -> None:
        self._dice = random.Random(27)
        self._filters = filters
        self._examples = {each: _example(each) for each in filters}

    def messages(self, n_each: int) -> Iterator[tuple[str, bytes]]:
        """As many on every filter, in turn."""
        for _ in range(n_each):
            for topic_filter in self._filters:
                yield self._topic(topic_filter), self._payload(topic_filter)

    def _topic(self, topic_filter: str) -> str:
        names = ("n1", "cam1", "attic", "\U0001f47b", f"x{self._dice.randrange(10**9)}")
        return re.sub(r"\+", lambda _: self._dice.choice(names), topic_filter)

    def _payload(self, topic_filter: str) -> bytes:
        example = self._examples[topic_filter]
        while True:
            kind = self._dice.random()
            if kind < 0.1:
                payload = self._dice.choice(EXTREMES)
            elif kind < 0.4:
                payload = self._dice.randbytes(self._dice.randrange(80))
            else:
                good = self._dice.choice(WORDS) if example is None else example.encode()
                payload = self._broken(good)
            if example is None or _is_malformed(type(example), payload):
                return payload

    def _broken(self, good: bytes) -> bytes:
        broken = bytearray(good)
        for _ in range(self._dice.randrange(1, 4)):
            broken[self._dice.randrange(len(broken))] = self._dice.randrange(256)
        return bytes(broken[: self._dice.randrange(len(broken) + 1)])


def _example(topic_filter: str) -> Message | None:
    ends = [end for end in PAYLOAD_OF if topic_filter.endswith(f"/{end}")]
    return message_schema.PAYLOADS[PAYLOAD_OF[ends[0]]].example if ends else None


def _is_malformed(kind: type[Message], payload: bytes) -> bool:
    try:
        kind.decode(payload)
    except MessageError:
        return True
    return False


def _filters_of(client_id: str, broker: Mosquitto) -> list[str]:
    """What a client has subscribed to, as the broker tells it; discovery's topic comes last."""
    broker.wait_for_log(f"{client_id} 1 homeassistant/status")
    subscribed = rf"\d+: {client_id} 1 (\S+)"
    return sorted({match[1] for line in broker.log if (match := re.fullmatch(subscribed, line))})


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])


def _pester(
    listener: Listener, filters: list[str], n_each: int, *, pid: int, ask: Callable[[], None]
) -> None:
    """Send odd messages, so many on every filter; after each round the program must answer."""
    began_s = time.monotonic()
    n_all = n_each * len(filters)
    resident_kb: list[int] = []
    for n, (topic, payload) in enumerate(Stranger(filters).messages(n_each), start=1):
        listener.client.publish(topic, payload)
        if n % ROUND == 0 or n == n_all:
            ask()
            listener.messages.clear()
            resident_kb.append(_resident_kb(pid))
    settled_kb, last_kb = resident_kb[len(resident_kb) // 5], resident_kb[-1]
    print(
        f"\n{n_all} odd messages on {len(filters)} topic filters in "
        f"{time.monotonic() - began_s:.0f} s: {settled_kb} kB resident after a fifth of them, "
        f"{last_kb} kB at the end"
    )
    assert last_kb - settled_kb < GROWTH_KB


def _check_lines(log: str, filters: list[str]) -> None:
    complaints = [line for line in log.splitlines() if re.search("WARNING|ERROR|Traceback", line)]
    odd = [line for line in complaints if "skipped a malformed message" in line]
    rest = [line for line in complaints if line not in odd]
    assert 0 < len(odd) <= len(filters)
    assert all("are left out: too many" in line for line in rest)  # names of contexts
    assert len(rest) <= 1


@pytest.mark.parametrize("n_each", N_ODD)
def test_har_stream_bears_odd_messages(n_each: int, mosquitto: Mosquitto, tmp_path: Path) -> None:
    shipped_bundle()
    absent = f"rtsp://127.0.0.1:{free_port()}/cam1"
    process = start_har_stream(
        *("--camera", absent, "--node", "n1", "--broker", mosquitto.url, "--engine", "litert"),
        *("--state-dir", tmp_path),
    )
    health = "har/n1/bridge/response/health_check"
    with listening(mosquitto.port, "har/n1/availability", health) as listener:
        listener.wait_for(lambda _: listener.on("har/n1/availability") == [b"online"])
        filters = _filters_of("har-stream-n1", mosquitto)
        assert len(filters) == 5

        def ask() -> None:
            listener.publish("har/n1/bridge/request/health_check", '{"transaction": "sane"}')
            listener.wait_for(lambda _: [1 for said in listener.on(health) if b"sane" in said])

        _pester(listener, filters, n_each, pid=process.pid, ask=ask)
    process.terminate()
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    log = "\n".join(line for line in log.splitlines() if absent not in line)
    _check_lines(log, filters)


@pytest.mark.parametrize("n_each", N_ODD)
def test_har_forecast_bears_odd_messages(n_each: int, mosquitto: Mosquitto, tmp_path: Path) -> None:
    known = event(seq=1)
    acknowledged = "har/n1/cam1/event/ack"
    with (
        HarForecast(mosquitto.url, tmp_path / "state") as forecaster,
        listening(mosquitto.port, acknowledged) as listener,
    ):
        forecaster.wait_for_log("connected")
        filters = _filters_of("har-forecast-h1", mosquitto)
        assert len(filters) == 7

        def ask() -> None:
            listener.publish("har/n1/cam1/event", known.encode())
            listener.wait_for(lambda _: listener.on(acknowledged))

        _pester(listener, filters, n_each, pid=forecaster.pid, ask=ask)
        assert forecaster.stop() == 0
        assert forecaster.kept() == [known]
        _check_lines(forecaster.log, filters)
