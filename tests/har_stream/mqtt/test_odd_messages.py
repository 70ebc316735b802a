"""Odd messages on every topic that a program subscribes to: no crash, no growth, one line a kind.

The real processes on a real broker; the broker's log says what they subscribe to, so that no topic
can be forgotten here.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support.broker.message_maker import MessageMaker
from support.broker.real_broker import Listener, Mosquitto, free_port, listening
from support.event_builder import event
from support.processes.forecast_process import HarForecast
from support.processes.stream_process import shipped_bundle, start_har_stream

LONG = [pytest.mark.slow, pytest.mark.timeout(3600)]
N_ODD_STREAM = [500, pytest.param(100_000, marks=LONG)]
N_ODD_FORECAST = [500, pytest.param(75_000, marks=LONG)]
"""On each of 5 and of 10 topic filters, so that the long runs have 1,250,000 messages together."""
LAST_OF_FORECAST = "har/home/h1/bridge/request/health_check"
ROUND = 500
"""A broker drops what is more than it queues for one client (Mosquitto: 1,000)."""
EXTREMES = (b"", b"[" * 3000, b'{"seq":1e400}', b'{"seq":%d}' % 2**70, b"\x00" * 500, b"null")
GROWTH_KB = 5_000
GOOD_EVENTS = 0.702
"""One in five hundred messages on an event's topic is good, and kept: disks are slow."""
NAMES = ("n1", "cam1", "attic", "\U0001f47b")
PAYLOAD_OF = {
    "event": "event",
    "event/ack": "event_ack",
    "activity": "activity",
    "bridge/request/+": "bridge_request",
    "bridge/request/correct": "correction_request",
    "bridge/request/undo": "undo_request",
    "bridge/response/info": "bridge_response",
    "bridge/response/replay": "bridge_response",
}
"""By the end of a topic filter; all other topics take plain words."""
MAY_SAY = (
    "are left out: too many",  # names of contexts
    "gives no events out again",
    "an event at",  # of a wrong clock
    "dated by wrong clocks",
    "is new to the model",
    "is of home",
    "a former owner",
    "messages that made no sense",
)
WORDS = (b"ON", b"OFF", b"online", b"offline", b"21.5")


class Stranger:
    """Makes messages for topic filters.

    Within the schema and beyond it, good ones with a few bytes changed, noise, and extremes.

    Attributes:
        good_ids: Ids of the events that a journal may keep.
    """

    def __init__(self, filters: list[str]) -> None:
        self.good_ids: set[str] = set()
        self._dice = random.Random(27)
        self._filters = filters
        self._makers = {each: self._maker(each) for each in filters}

    def messages(self, n_each: int) -> Iterator[tuple[str, bytes]]:
        """As many on every filter, in turn."""
        for _ in range(n_each):
            for topic_filter in self._filters:
                yield self.message(topic_filter)

    def message(self, topic_filter: str) -> tuple[str, bytes]:
        """One message for a filter."""
        maker = self._makers[topic_filter]
        topic = self._topic(topic_filter, (*NAMES, f"x{self._dice.randrange(10**9)}"))
        kind = self._dice.random()
        if kind < 0.1:
            return topic, self._dice.choice(EXTREMES)
        if kind < 0.3:
            return topic, self._dice.randbytes(self._dice.randrange(80))
        if maker is None:
            good = self._dice.choice(WORDS)
            return topic, good if kind > 0.8 else self._broken(good)
        if kind < 0.5:
            return topic, self._broken(maker.within())
        if kind < 0.7:
            return topic, maker.beyond()
        if topic_filter.endswith("/event") and kind < GOOD_EVENTS:
            return self._good_event(topic_filter, maker)
        return topic, maker.within()

    def garbage(self, topic_filter: str) -> Iterator[tuple[str, bytes]]:
        """What no program can read, each kind on another topic if the filter leaves a choice."""
        maker = self._makers[topic_filter]
        kinds = [*EXTREMES, self._dice.randbytes(40), b"{}", b"[]", b"\xff" * 20]
        if maker is not None:
            kinds += [maker.beyond(), maker.beyond(), maker.within()[:-5]]
        for number, payload in enumerate(kinds):
            if payload:  # nothing would remove what is retained
                yield re.sub(r"\+", f"x{number}", topic_filter), payload

    def _maker(self, topic_filter: str) -> MessageMaker | None:
        ends = [end for end in PAYLOAD_OF if topic_filter.endswith(f"/{end}")]
        return MessageMaker(PAYLOAD_OF[ends[0]], self._dice) if ends else None

    def _topic(self, topic_filter: str, names: Sequence[str]) -> str:
        return re.sub(r"\+", lambda _: self._dice.choice(names), topic_filter)

    def _good_event(self, topic_filter: str, maker: MessageMaker) -> tuple[str, bytes]:
        topic = self._topic(topic_filter, NAMES)
        node, camera = topic.split("/")[1:3]
        number = f"good {len(self.good_ids)}"
        self.good_ids.add(number)
        return topic, maker.within(id=number, node=node, camera=camera)

    def _broken(self, good: bytes) -> bytes:
        broken = bytearray(good)
        for _ in range(self._dice.randrange(1, 4)):
            broken[self._dice.randrange(len(broken))] = self._dice.randrange(256)
        return bytes(broken[: self._dice.randrange(len(broken) + 1)])


def _filters_of(
    client_id: str, broker: Mosquitto, *, last: str = "homeassistant/status"
) -> list[str]:
    """What a client has subscribed to, as the broker tells it, up to the last one."""
    broker.wait_for_log(f"{client_id} 1 {last}")
    subscribed = rf"\d+: {client_id} 1 (\S+)"
    return sorted({match[1] for line in broker.log if (match := re.fullmatch(subscribed, line))})


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])


def _pester(
    listener: Listener, stranger: Stranger, n_each: int, *, pid: int, ask: Callable[[], None]
) -> None:
    """Send odd messages, so many on every filter; after each round the program must answer."""
    began_s = time.monotonic()
    n_all = 0
    resident_kb: list[int] = []
    for n_all, (topic, payload) in enumerate(stranger.messages(n_each), start=1):
        listener.client.publish(topic, payload)
        if n_all % ROUND == 0:
            ask()
            listener.messages.clear()
            resident_kb.append(_resident_kb(pid))
    ask()
    settled_kb, last_kb = resident_kb[len(resident_kb) // 5], _resident_kb(pid)
    print(
        f"\n{n_all} odd messages, {n_each} on each topic filter, in "
        f"{time.monotonic() - began_s:.0f} s: {settled_kb} kB resident after a fifth of them, "
        f"{last_kb} kB at the end"
    )
    if n_each > 10_000:  # before that a program is still warming up
        assert last_kb - settled_kb < GROWTH_KB


def _check_lines(log: str, filters: list[str]) -> None:
    """At most one line a kind, and no traceback."""
    complaints = [line for line in log.splitlines() if re.search("WARNING|ERROR|Traceback", line)]
    odd = [line for line in complaints if "skipped a malformed message" in line]
    assert 0 < len(odd) <= len(filters)
    rest = [line.partition("WARNING ")[2] for line in complaints if line not in odd]
    assert len(rest) == len(set(rest))
    for line in rest:
        assert any(words in line for words in MAY_SAY), line


@pytest.mark.parametrize("n_each", N_ODD_STREAM)
def test_har_stream_bears_odd_messages(n_each: int, mosquitto: Mosquitto, tmp_path: Path) -> None:
    absent = f"rtsp://127.0.0.1:{free_port()}/cam1"
    process = start_har_stream(
        *("--camera", absent, "--node", "n1", "--broker", mosquitto.url, "--engine", "litert"),
        *("--state-dir", tmp_path, "--bundle", shipped_bundle()),
    )
    health = "har/n1/bridge/response/health_check"
    with listening(mosquitto.port, "har/n1/availability", health) as listener:
        listener.wait_for(lambda _: listener.on("har/n1/availability") == [b"online"])
        filters = _filters_of("har-stream-n1", mosquitto)
        assert len(filters) in (5, 6), "6 where the bundle watches for falls"

        def ask() -> None:
            listener.publish("har/n1/bridge/request/health_check", '{"transaction": "sane"}')
            listener.wait_for(lambda _: [1 for said in listener.on(health) if b"sane" in said])

        _pester(listener, Stranger(filters), n_each, pid=process.pid, ask=ask)
    process.terminate()
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    log = "\n".join(line for line in log.splitlines() if absent not in line)
    _check_lines(log, filters)


@pytest.mark.parametrize("n_each", N_ODD_FORECAST)
def test_har_forecast_bears_odd_messages(n_each: int, mosquitto: Mosquitto, tmp_path: Path) -> None:
    known = event(seq=1, node="friend")  # no stranger speaks of it: each answer is to us
    acknowledged = "har/friend/cam1/event/ack"
    with (
        HarForecast(mosquitto.url, tmp_path / "state") as forecaster,
        listening(mosquitto.port, acknowledged) as listener,
    ):
        forecaster.wait_for_log("connected")
        filters = _filters_of("har-forecast-h1", mosquitto, last=LAST_OF_FORECAST)
        assert len(filters) == 11

        def ask() -> None:
            listener.publish("har/friend/cam1/event", known.encode())
            listener.wait_for(lambda _: listener.on(acknowledged))

        stranger = Stranger(filters)
        _pester(listener, stranger, n_each, pid=forecaster.pid, ask=ask)
        assert forecaster.stop() == 0
        kept = forecaster.kept()
        assert known in kept
        assert {each.id for each in kept} - {known.id} <= stranger.good_ids
        _check_lines(forecaster.log, filters)


def _retain_garbage(broker: Mosquitto, filters: list[str]) -> None:
    stranger = Stranger(filters)
    with listening(broker.port, "none") as listener:
        for topic_filter in filters:
            for topic, payload in stranger.garbage(topic_filter):
                listener.publish(topic, payload, retain=True)


def test_har_stream_starts_and_works_where_garbage_is_retained(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    absent = f"rtsp://127.0.0.1:{free_port()}/cam1"
    arguments = (
        *("--camera", absent, "--node", "n1", "--broker", mosquitto.url, "--engine", "litert"),
        *("--state-dir", tmp_path, "--bundle", shipped_bundle()),
    )
    first = start_har_stream(*arguments)
    filters = _filters_of("har-stream-n1", mosquitto)
    first.terminate()
    first.communicate(timeout=60)
    _retain_garbage(mosquitto, filters)
    process = start_har_stream(*arguments)
    health = "har/n1/bridge/response/health_check"
    with listening(mosquitto.port, "har/n1/availability", health) as listener:
        listener.wait_for(lambda _: b"online" in listener.on("har/n1/availability"))
        listener.publish("har/n1/bridge/request/health_check", '{"transaction": "sane"}')
        listener.wait_for(lambda _: [1 for said in listener.on(health) if b"sane" in said])
    process.terminate()
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    _check_lines("\n".join(line for line in log.splitlines() if absent not in line), filters)


def test_har_forecast_starts_and_works_where_garbage_is_retained(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    known = event(seq=1)
    with HarForecast(mosquitto.url, tmp_path / "state") as first:
        filters = _filters_of("har-forecast-h1", mosquitto, last=LAST_OF_FORECAST)
        assert first.stop() == 0
    _retain_garbage(mosquitto, filters)
    with (
        HarForecast(mosquitto.url, tmp_path / "state") as forecaster,
        listening(mosquitto.port, "har/n1/cam1/event/ack") as listener,
    ):
        forecaster.wait_for_log("connected")
        listener.publish("har/n1/cam1/event", known.encode())
        listener.wait_for(lambda _: listener.on("har/n1/cam1/event/ack"))
        assert forecaster.stop() == 0
        assert forecaster.kept() == [known]
        _check_lines(forecaster.log, filters)
