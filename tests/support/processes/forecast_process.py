"""The real `har-forecast`, to its end or as a process, and a node that holds events for it."""

import io
import logging
import subprocess
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Self

from support.broker.real_broker import PATIENCE_S, Listener, Received

from har_stream.mqtt.messages import ActivityEvent, EventAck
from har_stream.mqtt.requests import BridgeRequest, BridgeResponse, Replay
from predictor.commands.forecast import main
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal

COMMAND = (sys.executable, "-m", "predictor.commands.forecast")


def har_forecast(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Call `har-forecast` to its end, in this process: its imports take a second each time."""
    words = [*map(str, arguments)]
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []  # pytest's, beside which the command would set up no logging
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            status = main(words)
        except SystemExit as ended:  # argparse's
            status = int(ended.code or 0)
        finally:
            root.handlers, root.level = handlers, level
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


class HarForecast:
    """A running `har-forecast` of the home h1, its state in a folder that outlives it.

    Attributes:
        log: What it has written so far.
    """

    def __init__(self, url: str, state_dir: Path, *arguments: str | Path) -> None:
        self.log = ""
        self._state_dir = state_dir
        common = ["--broker", url, "--state-dir", str(state_dir), "--home", "h1", "--model", "hmm"]
        self._command = [*COMMAND, *common, *map(str, arguments)]
        self._grew = threading.Condition()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, or start it again."""
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def stop(self) -> int:
        """Stop it as systemd would; returns its exit status."""
        self._process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait until it ends; returns its exit status."""
        status = self._process.wait(PATIENCE_S)
        self._reader.join()
        return status

    def wait_for_log(self, words: str, n_times: int = 1, *, timeout_s: float = PATIENCE_S) -> None:
        """Block until it has said something."""
        with self._grew:
            said = self._grew.wait_for(lambda: self.log.count(words) >= n_times, timeout_s)
        assert said, f"it did not say {words!r} {n_times} times:\n{self.log}"

    def kept(self) -> list[ActivityEvent]:
        """The events of its journal, in order."""
        with Journal(sqlite_url(self._state_dir / "journal.db")) as journal:
            return [entry.event for entry in journal.entries()]

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            with self._grew:
                self.log += line
                self._grew.notify_all()


class Node:
    """The node n1 with one camera: it holds all its events and gives them out when asked.

    Attributes:
        asked: The numbers from which replays were asked for.
        acknowledged: The newest number that the journal has acknowledged.
    """

    def __init__(self, port: int, events: list[ActivityEvent]) -> None:
        self.asked: list[int] = []
        self.acknowledged = 0
        self._events = events
        self._listener = Listener(
            port,
            "har/n1/bridge/request/replay",
            "har/n1/cam1/event/ack",
            "har/home/h1/#",
            "home/#",
            "homeassistant/#",
            on_message=self._take,
        )
        self.wait_for = self._listener.wait_for
        self.on = self._listener.on
        self.publish = self._listener.publish
        self.publish_soon = partial(self._listener.client.publish, qos=1)
        self.close = self._listener.close

    def wait_until_online(self, n_times: int = 1) -> None:
        """Block until the forecaster has said so; the broker knows by then what it wants."""
        said = "har/home/h1/availability"
        self.wait_for(lambda _: self.on(said).count(b"online") >= n_times)

    def send(self, *events: ActivityEvent) -> None:
        """Publish events; the broker has them when this returns."""
        for event in events:
            self.publish("har/n1/cam1/event", event.encode())

    def wait_until_acknowledged(self, seq: int, *, timeout_s: float = PATIENCE_S) -> None:
        """Block until the journal holds everything up to ``seq``."""
        self.wait_for(lambda _: self.acknowledged >= seq, timeout_s=timeout_s)

    def _take(self, listener: Listener, message: Received) -> None:
        if message.topic.endswith("/ack"):
            self.acknowledged = EventAck.decode(message.payload).seq
        elif message.topic.endswith("/replay"):
            request = BridgeRequest.decode(message.payload)
            assert request.from_seq is not None
            self.asked.append(request.from_seq)
            replay = Replay(
                camera="cam1",
                first_seq=1,
                last_seq=len(self._events),
                events=self._events[request.from_seq - 1 :][:100],
            )
            answer = BridgeResponse(status="ok", data=replay.model_dump(mode="json"))
            listener.client.publish("har/n1/bridge/response/replay", answer.encode(), qos=1)
