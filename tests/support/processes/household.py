"""All processes of a home, for tests that let faults befall them: broker, two nodes, forecaster.

The node n1 is `busy_node`: the real publisher, outbox and event file under many events a second.
The node n2 is the real `har-stream`, which watches a simulated home as fast as it can.
"""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.broker.real_broker import Mosquitto, free_port
from support.processes.node import NOON
from support.repository import ENVIRONMENT

from har_stream.bundles.bundle import MANIFEST, SHIPPED
from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal

SETTLE_S = 120.0
BUNDLE = "sim-home"
# As the installed command, but a test has no minute to wait until it tries again.
_COMMAND = (
    "from har_stream.mqtt import connection\n"
    "connection.RETRY_LONGEST_S = 2.0\n"
    "from {} import main\n"
    "raise SystemExit(main())\n"
)
Process = subprocess.Popen[bytes]


class Household:
    """A home at work.

    Args:
        folder: Where everything is kept.
        broker: Running.
        seed: For how long a pause is, and how many events lie between two faults.
        every_s: Pause of the busy node after each event.
        pace: How much faster than life the simulated home is; 0: as fast as it can be watched.

    Attributes:
        n_node_kills: How often a node was killed.
    """

    def __init__(
        self, folder: Path, broker: Mosquitto, *, seed: int, every_s: float = 0.05, pace: float = 0
    ) -> None:
        if not (SHIPPED / BUNDLE / MANIFEST).exists():
            pytest.skip(f"no bundle {BUNDLE} in the package; the README says how to train it")
        self.n_node_kills = 0
        self._broker = broker
        self._folder = folder
        self._dice = random.Random(seed)
        self._every_s = every_s
        self._camera = f"sim:{seed}?days=365&every=60" + (f"&pace={pace:g}" if pace else "")
        self._rest = threading.Event()
        self._starts: dict[str, Callable[[], Process]] = {
            "node": self._start_node,
            "har-stream": self._start_har_stream,
            "forecaster": self._start_forecaster,
        }
        self._running = {name: start() for name, start in self._starts.items()}

    @property
    def faults(self) -> dict[str, Callable[[], None]]:
        """Every kind of fault by its name."""
        return {
            "broker killed": lambda: self._broker_away(self._broker.kill),
            "har-stream killed": lambda: self._kill("har-stream"),
            "forecaster killed": lambda: self._kill("forecaster"),
            "node killed": lambda: self._kill("node"),
            "broker stopped": lambda: self._broker_away(self._broker.stop),
            "har-stream stopped": lambda: self._stop("har-stream"),
            "forecaster stopped": lambda: self._stop("forecaster"),
            "node stopped": lambda: self._stop("node"),
        }

    def befall(self, kind: str) -> None:
        """Let a fault happen some events after the one before, and in the midst of a node's own."""
        self.wait_for_events(self._dice.randint(1, 40))
        if kind.startswith("har-stream"):
            self._wait_for_events_of("n2", self._dice.randint(1, 4))
        self.faults[kind]()

    def leave_broker_away_for(self, seconds: float) -> None:
        """Stop the broker; when it comes back, it knows nothing."""
        self._broker.stop()
        self._rest.wait(seconds)
        self._broker.start()

    def leave_forecaster_away(self, *, n_events: int = 0, seconds: float = 0) -> None:
        """Let so many events happen, and so much time pass, while nobody listens."""
        self._end("forecaster", signal.SIGTERM)
        self._rest.wait(seconds)
        self.wait_for_events(n_events)
        self._running["forecaster"] = self._start_forecaster()

    def quieten(self) -> None:
        """Make no more events: one node falls silent, the other's camera is gone."""
        (self._folder / "node" / "quiet").touch()
        self._camera = f"rtsp://127.0.0.1:{free_port()}/absent"
        self._stop("har-stream")

    def announced(self) -> list[ActivityEvent]:
        """What `--record-events` of both nodes holds."""
        return [
            ActivityEvent.decode(line)
            for path in self._records()
            for line in path.read_bytes().splitlines()
        ]

    def journalled(self) -> list[ActivityEvent]:
        """What the journal holds, in the order of its arrival."""
        with Journal(sqlite_url(self._folder / "forecast" / "journal.db")) as journal:
            return [entry.event for entry in journal.entries()]

    def settle(self) -> float:
        """Wait until the journal holds all that was announced; return how long it took."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < SETTLE_S:
            missing = {e.id for e in self.announced()} - {e.id for e in self.journalled()}
            if not missing:
                return time.monotonic() - began_s
            self._rest.wait(0.25)
        raise AssertionError(f"{len(missing)} events are not in the journal after {SETTLE_S} s")

    def wait_for_events(self, n_more: int) -> None:
        """Block until so many more have been announced."""
        self._wait_for_events_of("*", n_more)

    def wait_for_each_node(self) -> None:
        """Block until each node has announced one more."""
        for node in ("n1", "n2"):
            self._wait_for_events_of(node, 1)

    def close(self) -> None:
        """End everything."""
        for process in self._running.values():
            process.kill()
            process.wait()

    def _wait_for_events_of(self, node: str, n_more: int) -> None:
        n_wanted = self._n_announced(node) + n_more
        deadline_s = time.monotonic() + 120
        while self._n_announced(node) < n_wanted:
            assert time.monotonic() < deadline_s, f"node {node} makes no events"
            self._rest.wait(0.05)

    def _n_announced(self, node: str) -> int:
        return sum(path.read_bytes().count(b"\n") for path in self._records(node))

    def _records(self, node: str = "*") -> list[Path]:
        return sorted(self._folder.glob(f"announced-{node}.jsonl"))

    def _broker_away(self, end: Callable[[], None]) -> None:
        end()
        self._pause(1.0)
        self._broker.start()

    def _kill(self, name: str) -> None:
        self.n_node_kills += name != "forecaster"
        self._end(name, signal.SIGKILL)
        self._running[name] = self._starts[name]()

    def _stop(self, name: str) -> None:
        # Perhaps it dies of the signal, for it comes before the process listens to it.
        assert self._end(name, signal.SIGTERM) in (0, -signal.SIGTERM)
        self._running[name] = self._starts[name]()

    def _end(self, name: str, sign: signal.Signals) -> int:
        self._running[name].send_signal(sign)
        status = self._running[name].wait(60)
        if name == "forecaster":
            self._pause(3.0)
        return status

    def _pause(self, longest_s: float) -> None:
        self._rest.wait(self._dice.uniform(0.0, longest_s))

    def _start_node(self) -> Process:
        program = Path(__file__).with_name("busy_node.py")
        record = self._folder / "announced-n1.jsonl"
        arguments = (self._broker.url, self._folder / "node", record, self._every_s)
        return subprocess.Popen(
            [sys.executable, str(program), *map(str, arguments)], env=ENVIRONMENT
        )

    def _start_har_stream(self) -> Process:
        """Its simulated life goes on from where it was."""
        record = self._folder / "announced-n2.jsonl"
        lines = record.read_bytes().splitlines() if record.exists() else []
        start_at = ActivityEvent.decode(lines[-1]).started_at if lines else NOON
        return self._start(
            *(
                "har_stream.commands.stream",
                "--node",
                "n2",
                "--camera",
                self._camera,
                "--bundle",
                BUNDLE,
            ),
            *("--engine", "litert", "--start-at", start_at.isoformat()),
            *("--record-events", record, "--state-dir", self._folder / "stream"),
        )

    def _start_forecaster(self) -> Process:
        state_dir = self._folder / "forecast"
        return self._start(
            "predictor.commands.forecast", "--state-dir", state_dir, "--model", "hmm"
        )

    def _start(self, module: str, *arguments: str | Path) -> Process:
        common = ["--broker", self._broker.url, "--log-level", "error"]
        command = [sys.executable, "-c", _COMMAND.format(module), *common, *map(str, arguments)]
        return subprocess.Popen(command)
