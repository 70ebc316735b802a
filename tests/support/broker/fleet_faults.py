"""A fleet of three machines under faults, as a program for a network of its own.

`python -m support.broker.fleet_faults N_FAULTS SEED [MINUTES]`: three raylets, each on a network of
its own, six lots of ten cameras that say something twice a second, a real broker and a real
PostgreSQL. It prints a JSON object: how many faults of each kind there were (fewer than asked for
where the minutes are over), what was lost, doubled or out of order, and how long each lot that a
fault hit was silent.
"""

import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from bisect import bisect
from collections import defaultdict
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import ray
import sqlalchemy
from ray.cluster_utils import Cluster
from support.broker.busy_lot import actor_pids, busy_lot
from support.broker.machine_networks import BROKER, DATABASE, HERE, MachineNetworks
from support.broker.real_broker import Listener, Mosquitto, Received
from support.processes.postgresql import PostgreSQL, running_postgresql

from fleet.cluster import supervisor
from fleet.cluster.ray_workers import RayWorkers
from fleet.cluster.run_fleet import RunningFleet
from fleet.commands.fleet import main as har_fleet
from fleet.lots.lot import LotTask
from har_stream.mqtt.messages import ActivityEvent

MACHINES = ("m1", "m2", "m3")
N_LOTS, N_CAMERAS = 6, 10
FROZEN_S = 12.0
AWAY_S = 8.0
WAIT_S = 300.0
START_S = 180.0
"""A lot may take so long to start: three machines share the cores of one."""
NOTICED_S = 3.0
KINDS = (
    "kill lot",
    "freeze lot",
    "kill machine",
    "freeze machine",
    "freeze database",
    "cut from database",
    "cut from broker",
    "empty broker",
)


class World:
    """Everything that can fail, and what is heard of it."""

    def __init__(
        self, folder: Path, postgresql: PostgreSQL, broker: Mosquitto, networks: MachineNetworks
    ) -> None:
        self.postgresql, self.broker, self.networks = postgresql, broker, networks
        head = {"num_cpus": 1, "include_dashboard": False, "node_ip_address": HERE}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = {name: self.add(name) for name in MACHINES}
        ray.init(address=self.cluster.address, log_to_driver=False, _node_ip_address=HERE)
        rows = [f"c{n:02},h{n},sim:{n}\n" for n in range(N_LOTS * N_CAMERAS)]
        (folder / "cameras.csv").write_text("".join(["name,home,source\n", *rows]))
        machines = ", ".join(f"{name}: {N_LOTS * N_CAMERAS}" for name in MACHINES)
        path = folder / "fleet.yaml"
        path.write_text(
            f"name: town\nmachines: {{{machines}}}\nlot_cameras: {N_CAMERAS}\n"
            f"broker: {{url: 'mqtt://{BROKER}:{broker.port}'}}\ndatabase: postgresql://har@{DATABASE}:{postgresql.port}/postgres\n"
            f"state_dir: {folder}\ncameras_csv: cameras.csv\n"
        )
        assert har_fleet(["plan", str(path)]) == 0
        tasks: dict[str, LotTask] = {}
        self.fleet = RunningFleet(path, tasks, RayWorkers(tasks, make=busy_lot))
        self.lots = sorted(tasks)

    def add(self, name: str) -> object:
        """Add a machine."""
        with self.networks.inside(name):
            return self.cluster.add_node(
                num_cpus=1,
                resources={f"machine:{name}": 1},
                object_store_memory=80_000_000,
                node_ip_address=self.networks.addresses[name],
            )

    def pids_of(self, name: str) -> list[int]:
        """A machine's raylet and its workers."""
        raylet = self.nodes[name].all_processes["raylet"][0].process.pid  # type: ignore[attr-defined]
        children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
        return [raylet, *map(int, children)]


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to those that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def break_something(world: World, kind: str, draw: random.Random) -> threading.Timer | None:
    """Let one thing fail; returns what ends the failure, where it has an end."""
    machine = draw.choice(MACHINES)
    if kind == "kill lot":
        send([draw.choice(actor_pids())], signal.SIGKILL)
    elif kind == "kill machine":
        send(world.pids_of(machine), signal.SIGKILL)
        world.cluster.remove_node(world.nodes[machine], allow_graceful=False)
        world.nodes[machine] = world.add(machine)
    elif kind == "empty broker":
        world.broker.kill()  # it keeps nothing on disk
        world.broker.start()
    elif kind in ("freeze lot", "freeze machine"):
        frozen = [draw.choice(actor_pids())] if kind == "freeze lot" else world.pids_of(machine)
        send(frozen, signal.SIGSTOP)
        return threading.Timer(FROZEN_S, send, (frozen, signal.SIGCONT))
    elif kind == "freeze database":
        world.postgresql.hang()
        return threading.Timer(AWAY_S, world.postgresql.go_on)
    else:
        server = DATABASE if kind == "cut from database" else BROKER
        world.networks.cut(machine, server)
        return threading.Timer(AWAY_S, world.networks.heal, (machine, server))
    return None


class Heard:
    """Every event that came, and when."""

    def __init__(self) -> None:
        self.events: list[tuple[float, ActivityEvent]] = []

    def add(self, _listener: Listener, message: Received) -> None:
        """Note an event; called in the network thread."""
        self.events.append((time.monotonic(), ActivityEvent.decode(message.payload)))

    def times_of(self, lot: str) -> list[float]:
        """When events of a lot came."""
        return [at_s for at_s, event in [*self.events] if event.node == lot]


def judge(heard: Heard, url: str) -> dict[str, int]:
    """Compare what was heard with what the database holds."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as db:
        rows = db.execute(
            sqlalchemy.text("SELECT lot, camera, seq, id, sent FROM fleet_events")
        ).all()
        last = db.execute(sqlalchemy.text("SELECT sum(last_seq) FROM fleet_cameras")).scalar_one()
    engine.dispose()
    kept = {(row.lot, row.camera, row.seq): row.id for row in rows}
    by_camera: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    n_again = 0
    for _, event in heard.events:
        of_camera = by_camera[event.node, event.camera]
        n_again += event.id in of_camera
        of_camera.setdefault(event.id, event.seq)
    numbers = [
        (node, camera, seq)
        for (node, camera), events in by_camera.items()
        for seq in events.values()
    ]
    ids = {each for events in by_camera.values() for each in events}
    return {
        "events": len(kept),
        "lost": int(last) - len(kept),
        "unsent": sum(not row.sent for row in rows),
        "left to replay": len(kept.keys() - {*numbers}),
        "doubled": len(numbers) - len({*numbers}) + len(ids - {*kept.values()}),
        "cameras out of order": sum(
            sorted(events.values()) != list(events.values()) for events in by_camera.values()
        ),
        "sent again": n_again,
    }


@dataclass
class Found:
    """What came of the faults so far.

    Attributes:
        faults: By kind, how many there were.
        gaps_s: By kind, for how long each lot was silent that was for more than `NOTICED_S`.
    """

    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    gaps_s: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})


def run(
    world: World, heard: Heard, found: Found, *, n_faults: int, seed: int, until_s: float
) -> None:
    """Break things one after another; each time wait until every lot was heard again."""
    draw = random.Random(seed)
    pause = threading.Event()
    n_of, gaps_s = found.faults, found.gaps_s

    def wait_for_all(since_s: float) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while any(not t or t[-1] <= since_s for t in map(heard.times_of, world.lots)):
            assert time.monotonic() < deadline_s, "a lot is not heard of any more"
            pause.wait(0.2)

    wait_for_all(0.0)
    for n_fault in range(n_faults):
        if n_fault % len(KINDS) == 0:
            kinds = draw.sample(KINDS, len(KINDS))
        kind = kinds[n_fault % len(KINDS)]
        began_s = time.monotonic()
        if began_s > until_s:
            break
        n_of[kind] += 1
        end = break_something(world, kind, draw)
        if end is not None:
            end.start()
        wait_for_all(time.monotonic() + 1.0)
        if end is not None:
            end.join()
        pause.wait(2.0)
        for lot in world.lots:
            times = heard.times_of(lot)
            first = bisect(times, began_s) - 1
            gap_s = max(b - a for a, b in pairwise(times[max(first, 0) :]))
            if gap_s > NOTICED_S:
                gaps_s[kind].append(round(gap_s, 1))
        print(n_fault, kind, gaps_s[kind], file=sys.stderr, flush=True)


def main(n_faults: int, seed: int, minutes: float = 120.0) -> None:
    """Run a fleet under faults and print what came of it."""
    supervisor.START_S = START_S
    until_s = time.monotonic() + 60 * minutes
    networks = MachineNetworks(MACHINES)
    with (
        tempfile.TemporaryDirectory() as name,
        running_postgresql(address=DATABASE) as postgresql,
    ):
        folder = Path(name)
        broker = Mosquitto(folder)
        broker.listen_also(BROKER)
        broker.start()
        world = World(folder, postgresql, broker, networks)
        heard = Heard()
        stopped = threading.Event()
        running = threading.Thread(target=world.fleet.run, args=(stopped,))
        listener = Listener(broker.port, "har/+/+/event", on_message=heard.add)
        running.start()
        found = Found()
        try:
            run(world, heard, found, n_faults=n_faults, seed=seed, until_s=until_s)
        finally:
            stopped.set()
            running.join(WAIT_S)
            threading.Event().wait(2.0)
            listener.close()
            print(json.dumps(judge(heard, postgresql.url) | asdict(found)), flush=True)
            ray.shutdown()
            world.cluster.shutdown()
            broker.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:]))
