"""What a partition of homes costs and how late it is: its start, memory, due times, and kills.

Homes are simulated: one lives a year of eight activities and is learnt from it, each of the others
has a copy of its journal and snapshot. A snapshot is half a day old at the start. PostgreSQL and
Mosquitto are real ones of our own.

Usage: PYTHONPATH=tests python benchmarks/fleet_partition.py start --homes 1000
       PYTHONPATH=tests python benchmarks/fleet_partition.py kills --homes 2000 --partitions 2
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
from fleet_homes import MIDNIGHT, events_of, fill, happened_at, names
from support.broker.real_broker import Mosquitto
from support.processes.postgresql import running_postgresql
from support.repository import ENVIRONMENT

from fleet.partitions.partition import Partition
from fleet.partitions.partition_task import PartitionTask
from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.settings import Settings
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.messages import ActivityEvent
from har_stream.mqtt.requests import BridgeRequest, BridgeResponse, Replay

SPEED = 20.0
RESTART_S = 2.0
"""A dead process is noticed and started again after so long, as Ray does it."""
SLACK_S = 20.0


class Child:
    """One partition in a process of its own, which is started again after a kill."""

    def __init__(self, task: PartitionTask, folder: Path, owner: str) -> None:
        self._path = folder / f"{task.partition}.json"
        self._path.write_text(task.model_dump_json(exclude_unset=True))
        self._owner = owner
        self._n_starts = 0
        self.task = task
        self.start()

    def start(self) -> None:
        """Start it."""
        self.began_s = time.monotonic()
        self._n_starts += 1
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, __file__, "serve", str(self._path)], env=ENVIRONMENT
        )

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def rss_mb(self) -> float:
        """Its memory."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def processor_s(self) -> float:
        """The processor time that it has taken, whatever else the machine does."""
        content = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(content[11]) + int(content[12])) / os.sysconf("SC_CLK_TCK")

    def told(self) -> dict[str, Any]:
        """What it said last of itself."""
        with psycopg.connect(self._owner) as db:
            row = db.execute(
                "SELECT homes, forecasting, learning, late_s, refused FROM fleet_homes.partitions"
                " WHERE partition = %s AND starts = %s",
                (self.task.partition, self._n_starts),
            ).fetchone()
        keys = ("homes", "forecasting", "learning", "late_s", "refused")
        return dict(zip(keys, row or (0,) * 5, strict=True))


def serve(path: Path) -> None:
    """Be a partition."""
    Partition(PartitionTask.model_validate_json(path.read_text()), owner="here").run()


@contextmanager
def running(options: argparse.Namespace) -> Iterator[tuple[list[Child], Mosquitto, str]]:
    """Partitions of homes at work, their broker, and the database as its owner sees it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(running_postgresql())
        broker = Mosquitto(folder)
        broker.start()
        stack.callback(broker.stop)
        owner = server.url.replace("+psycopg", "")
        with psycopg.connect(owner, autocommit=True) as db:
            db.execute("CREATE ROLE fleet LOGIN")
            db.execute("CREATE DATABASE fleet OWNER fleet")
        owner = owner.replace("@/postgres", "@/fleet")
        url = server.url.replace("har@/postgres", "fleet@/fleet")
        settings = Settings.model_validate(
            {
                "broker": {"url": broker.url},
                "timezone": "Europe/Berlin",
                "state_dir": str(folder),
                "forecast": {"refresh_s": options.refresh_s},
            }
        )
        fill(server, url, settings, options)
        share = -(-options.homes // options.partitions)
        children = []
        for first in range(0, options.homes, share):
            numbers = range(first, min(first + share, options.homes))
            homes = {names(each)[0]: (names(each)[1:3],) for each in numbers}
            task = PartitionTask(
                partition=f"part-{first}", homes=homes, settings=settings, database=url
            )
            children.append(Child(task, folder, owner))
            stack.callback(children[-1].kill)
        yield children, broker, owner


def wait_until_ready(children: list[Child]) -> None:
    """Wait until all homes are forecast for."""
    while any(each.told()["forecasting"] < len(each.task.homes) for each in children):
        if any(each.process.poll() is not None for each in children):
            raise RuntimeError("a partition has ended")
        time.sleep(0.2)


def measure_start(options: argparse.Namespace) -> None:
    """Print how long a partition takes to start, what a home costs, and how late forecasts are."""
    with running(options) as (children, _, _):
        (child,) = children
        wait_until_ready(children)
        print(
            f"start: {options.homes} homes in {time.monotonic() - child.began_s:.1f} s, "
            f"{child.processor_s():.1f} s of its processor time"
        )
        after_start_mb = child.rss_mb()
        time.sleep(1.5 * options.refresh_s)
        print(
            f"memory: {after_start_mb:.0f} MB after the start, {child.rss_mb():.0f} MB after "
            f"a refresh: {child.rss_mb() / options.homes:.2f} MB a home, the process's own included"
        )
        child.kill()
        child.start()
        wait_until_ready(children)
        print(
            f"again, after a kill: {time.monotonic() - child.began_s:.1f} s, "
            f"{child.processor_s():.1f} s of its processor time"
        )
        time.sleep(1.5 * options.refresh_s)
        print(f"latest forecast of the last minute after its time: {child.told()}")


class Feeder:
    """The lots of all homes: says events at their pace, and gives out again what is asked for."""

    def __init__(self, broker: Mosquitto, options: argparse.Namespace) -> None:
        begin, end = (
            MIDNIGHT + timedelta(hours=12),
            MIDNIGHT + timedelta(hours=12 + options.hours),
        )
        self.told: dict[tuple[str, str], list[ActivityEvent]] = {}
        self.said_s: dict[str, list[float]] = defaultdict(list)
        for number in range(options.homes):
            _, lot, camera, _ = names(number)
            lived = events_of(number, days=range(2), first_seq=1, seed=1)
            due = [event for event in lived if begin <= happened_at(event) < end]
            self.told[lot, camera] = due
        self._begin = begin
        self._said: dict[tuple[str, str], int] = defaultdict(int)
        self._connection = Connection(BrokerSettings(url=broker.url), client_id="lots")
        self._connection.subscribe("har/+/bridge/request/replay", self._answer)
        self._connection.start(fail_fast=True)

    def number(self, first_seqs: dict[tuple[str, str], int]) -> None:
        """Number the events on from those that the journals hold."""
        for camera, events in self.told.items():
            self.told[camera] = [
                event.model_copy(update={"seq": first_seqs[camera] + at})
                for at, event in enumerate(events)
            ]

    def run(self) -> None:
        """Say all events, each at its time."""
        began_s = time.monotonic()
        due = sorted(
            ((happened_at(each), camera, each) for camera, of in self.told.items() for each in of),
            key=lambda item: item[0],
        )
        for at, camera, event in due:
            wait_s = began_s + (at - self._begin).total_seconds() / SPEED - time.monotonic()
            time.sleep(max(wait_s, 0.0))
            self._said[camera] += 1
            self.said_s[event.home or ""].append(time.monotonic())
            while not self._connection.publish(f"har/{camera[0]}/{camera[1]}/event", event):
                time.sleep(0.01)

    def _answer(self, topic: str, payload: bytes) -> None:
        lot = topic.split("/")[1]
        request = BridgeRequest.decode(payload)
        key = lot, str(request.camera)
        said = self.told[key][: self._said[key]]
        if not said:
            return
        replay = Replay(
            camera=key[1],
            first_seq=said[0].seq,
            last_seq=said[-1].seq,
            events=[event for event in said if event.seq >= (request.from_seq or 0)][:100],
        )
        data = replay.model_dump(mode="json")
        answer = BridgeResponse(status="ok", data=data, transaction=request.transaction)
        self._connection.publish(f"har/{lot}/bridge/response/replay", answer)


class Ear:
    """Hears every forecast.

    Attributes:
        heard_s: By home, when.
        n_wrong: How many named a room of another home.
    """

    def __init__(self, broker: Mosquitto) -> None:
        self.heard_s: dict[str, list[float]] = defaultdict(list)
        self.n_wrong = 0
        self._connection = Connection(BrokerSettings(url=broker.url), client_id="ear")
        self._connection.subscribe("har/home/+/forecast", self._hear, retained=False)
        self._connection.start(fail_fast=True)

    def close(self) -> None:
        """Hear no more."""
        self._connection.close()

    def _hear(self, topic: str, payload: bytes) -> None:
        home = topic.split("/")[2]
        self.heard_s[home].append(time.monotonic())
        rooms = [room for room, _ in json.loads(payload)["next_room"]]
        self.n_wrong += any(room[-5:] != home[-5:] for room in rooms)

    def gaps_s(self, home: str, began_s: float, ended_s: float) -> list[float]:
        """How long a home was without a new forecast, each time."""
        times = [began_s, *(each for each in self.heard_s[home] if each < ended_s), ended_s]
        return [later - earlier for earlier, later in pairwise(times)]

    def delay_s(self, home: str, said_s: float) -> float:
        """How long after an event a forecast came."""
        after = bisect_left(self.heard_s[home], said_s)
        later = self.heard_s[home][after : after + 1]
        return later[0] - said_s if later else float("inf")


def report(ear: Ear, feeder: Feeder, began_s: float, options: argparse.Namespace) -> None:
    """Print what was heard until now."""
    ended_s = time.monotonic()
    homes = [names(number)[0] for number in range(options.homes)]
    gaps = [gap for home in homes for gap in ear.gaps_s(home, began_s, ended_s)]
    delays = [ear.delay_s(home, said) for home in homes for said in feeder.said_s[home]]
    allowed_s = options.refresh_s + SLACK_S
    print(
        f"{options.homes} homes in {options.partitions} processes, {options.hours} h at "
        f"{SPEED:g}x, {options.kills} kills: {sum(map(len, ear.heard_s.values()))} forecasts, "
        f"{ear.n_wrong} of a wrong home; longest without a new one {max(gaps):.1f} s (allowed "
        f"{allowed_s:g} s, {sum(gap > allowed_s for gap in gaps)} times more)"
    )
    print(
        f"from an event to a forecast: median {statistics.median(delays):.2f} s, "
        f"99 % {statistics.quantiles(delays, n=100)[98]:.1f} s, longest {max(delays):.1f} s"
    )


def measure_kills(options: argparse.Namespace) -> None:
    """Print how late forecasts are while forecasters are killed, and whether any is another's."""
    with running(options) as (children, broker, owner), psycopg.connect(owner) as db:
        wait_until_ready(children)
        feeder, ear = Feeder(broker, options), Ear(broker)
        cameras = db.execute("SELECT node, camera, contiguous_seq FROM fleet_homes.cameras")
        feeder.number({(node, camera): seq + 1 for node, camera, seq in cameras.fetchall()})
        count = "SELECT home, count(*) FROM fleet_homes.events GROUP BY home"
        before = dict(db.execute(count).fetchall())
        db.rollback()
        feeding = threading.Thread(target=feeder.run)
        began_s = time.monotonic()
        feeding.start()
        step_s = 3600.0 * options.hours / SPEED / (options.kills + 1)
        for number in range(options.kills):
            time.sleep(max(began_s + step_s * (number + 1) - time.monotonic(), 0.0))
            child = children[number % len(children)]
            child.kill()
            time.sleep(RESTART_S)
            child.start()
        feeding.join()
        time.sleep(2 * SLACK_S)
        ear.close()
        report(ear, feeder, began_s, options)
        after = dict(db.execute(count).fetchall())
        n_said = {home: len(said) for home, said in feeder.said_s.items()}
        wrong = [home for home in before if after[home] - before[home] != n_said.get(home, 0)]
        mixed = "SELECT count(*) FROM fleet_homes.events WHERE right(home, 5) <> right(camera, 5)"
        print(
            f"{sum(n_said.values())} events said; homes whose journal has more or fewer: "
            f"{len(wrong)}; events in another home's journal: {db.execute(mixed).fetchone()}"
        )
        print([each.told() for each in children])


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("start", "kills", "serve"))
    parser.add_argument("task", nargs="?", type=Path)
    parser.add_argument("--homes", type=int, default=1000)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--hours", type=float, default=12.0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--refresh-s", type=float, default=90.0)
    options = parser.parse_args()
    if options.what == "serve":
        serve(options.task)
    elif options.what == "start":
        measure_start(options)
    else:
        measure_kills(options)


if __name__ == "__main__":
    main()
