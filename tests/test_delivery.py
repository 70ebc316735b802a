"""Whatever dies: every event that was announced is in the journal, exactly once and in order.

The real broker, the real har-forecast and a node with the real publisher are stopped and killed at
random points under load; the file of `--record-events` says what was announced.
"""

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from real_broker import Mosquitto

from har_stream.messages import ActivityEvent

pytest.importorskip("sqlalchemy")

_FORECAST = (
    "from har_stream import backoff\n"
    "backoff.LONGEST_S = 2.0  # a test has no minute to wait\n"
    "from predictor.forecast_cli import main\n"
    "raise SystemExit(main())\n"
)
SETTLE_S = 60.0


class House:
    """All processes of a home, and the faults that may befall them."""

    def __init__(
        self, folder: Path, broker: Mosquitto, *, seed: int = 1, every_s: float = 0.05
    ) -> None:
        self.broker = broker
        self.record = folder / "announced.jsonl"
        self._state = {name: folder / name for name in ("node", "forecast")}
        for path in self._state.values():
            path.mkdir()
        self._dice = random.Random(seed)
        self._every_s = every_s
        self._rest = threading.Event()
        self.n_node_kills = 0
        self._node = self._start_node()
        self._forecast = self._start_forecast()

    @property
    def faults(self) -> dict[str, Callable[[], None]]:
        """Every kind of fault by its name."""
        return {
            "broker stopped": self._broker_away(self.broker.stop),
            "broker killed": self._broker_away(self.broker.kill),
            "node killed": self._kill_node,
            "node stopped": self._stop_node,
            "forecaster killed": self._forecaster_away(subprocess.Popen.kill),
            "forecaster stopped": self._forecaster_away(subprocess.Popen.terminate),
        }

    def befall(self, kind: str) -> None:
        """Let a fault happen some events after the one before."""
        self._wait_for_events(self._dice.randint(1, 40))
        self.faults[kind]()

    def quieten(self) -> None:
        """Make no more events."""
        (self._state["node"] / "quiet").touch()

    def announced(self) -> list[ActivityEvent]:
        """What `--record-events` holds."""
        return [ActivityEvent.decode(line) for line in self.record.read_bytes().splitlines()]

    def journalled(self) -> list[ActivityEvent]:
        """What the journal holds, in the order of its arrival per camera."""
        from predictor.database import sqlite_url
        from predictor.journal import Journal

        with Journal(sqlite_url(self._state["forecast"] / "journal.db")) as journal:
            return [entry.event for entry in journal.entries()]

    def settle(self) -> float:
        """Wait until the journal holds all that was announced; return how long it took."""
        began = time.monotonic()
        while time.monotonic() - began < SETTLE_S:
            missing = {e.id for e in self.announced()} - {e.id for e in self.journalled()}
            if not missing:
                return time.monotonic() - began
            self._rest.wait(0.25)
        raise AssertionError(f"{len(missing)} events are not in the journal after {SETTLE_S} s")

    def close(self) -> None:
        """End everything."""
        for process in (self._node, self._forecast):
            process.kill()
            process.wait()

    def _wait_for_events(self, n_more: int) -> None:
        n_wanted = self._n_announced() + n_more
        deadline_s = time.monotonic() + 60
        while self._n_announced() < n_wanted:
            assert time.monotonic() < deadline_s, "the node makes no events"
            self._rest.wait(0.05)

    def _n_announced(self) -> int:
        return self.record.read_bytes().count(b"\n") if self.record.exists() else 0

    def _pause(self, longest_s: float) -> None:
        self._rest.wait(self._dice.uniform(0.0, longest_s))

    def _broker_away(self, end: Callable[[], None]) -> Callable[[], None]:
        def befall() -> None:
            end()
            self._pause(1.0)
            self.broker.start()

        return befall

    def _kill_node(self) -> None:
        self._node.kill()
        self._node.wait()
        self.n_node_kills += 1
        self._node = self._start_node()

    def _stop_node(self) -> None:
        self._node.terminate()
        assert self._node.wait(30) in (0, -signal.SIGTERM)  # perhaps before it listened to it
        self._node = self._start_node()

    def _forecaster_away(
        self, end: Callable[["subprocess.Popen[bytes]"], None]
    ) -> Callable[[], None]:
        def befall() -> None:
            end(self._forecast)
            self._forecast.wait(30)
            self._pause(3.0)
            self._forecast = self._start_forecast()

        return befall

    def leave_forecaster_away_for(self, n_events: int) -> None:
        """Let so many events happen while nobody listens."""
        self._wait_for_events(1)
        self._forecast.terminate()
        assert self._forecast.wait(30) in (0, -signal.SIGTERM)
        self._wait_for_events(n_events)
        self._forecast = self._start_forecast()

    def _start_node(self) -> "subprocess.Popen[bytes]":
        program = Path(__file__).with_name("busy_node.py")
        arguments = [
            self.broker.url,
            str(self._state["node"]),
            str(self.record),
            str(self._every_s),
        ]
        return subprocess.Popen([sys.executable, str(program), *arguments])

    def _start_forecast(self) -> "subprocess.Popen[bytes]":
        arguments = ["--broker", self.broker.url, "--state-dir", str(self._state["forecast"])]
        model = ["--model", "hmm", "--log-level", "error"]
        return subprocess.Popen([sys.executable, "-c", _FORECAST, *arguments, *model])


@pytest.fixture
def make_house(
    make_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def make(*lines: str, **options: Any) -> House:
        houses.append(House(tmp_path, make_mosquitto(*lines), **options))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


@pytest.mark.parametrize(
    "n_faults", [5, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(5400)])]
)
def test_random_faults_lose_nothing_and_double_nothing(make_house, n_faults: int) -> None:
    house = make_house(seed=n_faults)
    dice = random.Random(n_faults)
    kinds = list(house.faults)
    # Each kind comes equally often, in a random order; five faults leave out one of the six.
    befallen = [kinds[n % len(kinds)] for n in range(n_faults)]
    dice.shuffle(befallen)
    for kind in befallen:
        house.befall(kind)
    house.quieten()
    settled_s = house.settle()
    announced, journalled = house.announced(), house.journalled()
    print(
        f"\n{n_faults} faults ({dict(Counter(befallen))}): {len(announced)} events announced, "
        f"{len(journalled)} in the journal, complete {settled_s:.1f} s after the last"
    )
    assert len(announced) > 5 * n_faults
    # A kill between outbox and file leaves an event that was sent and not announced.
    assert 0 <= len(journalled) - len(announced) <= house.n_node_kills
    _check_once_and_in_order(announced, journalled)


def test_a_forecaster_that_was_away_gets_more_than_the_broker_keeps_for_it(make_house) -> None:
    house = make_house("max_queued_messages 20", every_s=0.005)
    house.leave_forecaster_away_for(250)  # an answer to `replay` holds 100
    house.quieten()
    house.settle()
    announced, journalled = house.announced(), house.journalled()
    assert len(journalled) == len(announced)
    _check_once_and_in_order(announced, journalled)


def _check_once_and_in_order(
    announced: list[ActivityEvent], journalled: list[ActivityEvent]
) -> None:
    assert len({event.id for event in journalled}) == len(journalled)
    for camera in ("cam1", "cam2"):
        said = [event.id for event in announced if event.camera == camera]
        kept = {event.seq: event.id for event in journalled if event.camera == camera}
        assert sorted(kept) == list(range(1, len(kept) + 1)), "numbers without a gap"
        known = set(said)
        assert [kept[seq] for seq in sorted(kept) if kept[seq] in known] == said
