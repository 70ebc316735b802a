"""An archive on three raylets, killed again and again, as a program for a network of its own.

`python -m support.processes.archive_kills N_CLIPS N_KILLS SEED FILM_S`: recognises the same
recordings, of FILM_S seconds each, by plain processes, by `har-fleet archive`, and by that again
while workers and machines are killed. It prints a JSON object: how long each took, what was killed,
and whether all came to the same file.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from training.benchmark.stream_cost import make_video

MACHINES = ("m1", "m2")
FPS = 25
FLAGS = ("--bundle", "lrcn-ucf", "--start-at", "2026-11-22T18:00:00+00:00")


def archive_pids() -> Iterator[int]:
    """Processes that recognise a recording now; Ray names them after the function."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().startswith(b"ray::recognise_on_machine"):
                yield int(path.parent.name)


class World:
    """A head that recognises nothing, and two machines of one core."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster  # the tests that need no machine need no Ray either

        head = {"num_cpus": 0, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = {name: self._add(name) for name in MACHINES}

    def kill(self, draw: random.Random) -> str:
        """Kill a process that works, or a machine, in whose place another comes."""
        if draw.random() < 0.5:
            pids = [*archive_pids()]
            while not pids:
                time.sleep(0.05)
                pids = [*archive_pids()]
            with suppress(ProcessLookupError):
                os.kill(draw.choice(pids), signal.SIGKILL)
            return "process"
        name = draw.choice(MACHINES)
        raylet = self.nodes[name].all_processes["raylet"][0].process.pid  # type: ignore[attr-defined]
        children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
        for pid in (raylet, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.cluster.remove_node(self.nodes[name], allow_graceful=False)
        self.nodes[name] = self._add(name)
        return "machine"

    def _add(self, name: str) -> object:
        return self.cluster.add_node(
            num_cpus=1, resources={f"machine:{name}": 1}, object_store_memory=80_000_000
        )


def start(module: str, *arguments: str | Path) -> "subprocess.Popen[bytes]":
    """Start a command of ours, which says nothing here."""
    command = [sys.executable, "-m", module, *map(str, arguments), *FLAGS]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def finish(process: "subprocess.Popen[bytes]", began_s: float) -> float:
    """Wait for a command, and return the seconds that it took."""
    assert process.wait() == 0
    return round(time.monotonic() - began_s, 1)


def main() -> None:
    """Print the figures."""
    n_clips, n_kills, seed, film_s = map(int, sys.argv[1:])
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        root, footage = Path(scratch), Path(scratch, "footage")
        footage.mkdir()
        film = make_video(root / "film.mp4", size="640x360", fps=FPS, duration_s=film_s)
        for n in range(n_clips):
            shutil.copy(film, footage / f"{n:04}.mp4")
        plain = root / "plain.parquet"
        began_s = time.monotonic()
        stream = "har_stream.commands.stream"
        told = ("--archive", footage, "--out", plain, "--workers", len(MACHINES))
        plain_s = finish(start(stream, *map(str, told)), began_s)
        world = World()
        on_ray = ("archive", footage, "--address", world.cluster.address, "--out")
        fleet = "fleet.commands.fleet"
        began_s = time.monotonic()
        ray_s = finish(start(fleet, *on_ray, root / "ray"), began_s)
        killed: Counter[str] = Counter()
        began_s = time.monotonic()
        process = start(fleet, *on_ray, root / "killed")
        while killed.total() < n_kills and process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0.5, 3.0))
                break
            killed[world.kill(draw)] += 1
        killed_s = finish(process, began_s)
        found = {
            "frames": n_clips * film_s * FPS,
            "seconds": {"plain": plain_s, "ray": ray_s, "ray, killed": killed_s},
            "killed": killed,
            "same": [
                (root / name / "events.parquet").read_bytes() == plain.read_bytes()
                for name in ("ray", "killed")
            ],
        }
        world.cluster.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
