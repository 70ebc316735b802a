"""How many messages a second of a fleet's mix one Mosquitto on one core carries, and what it costs.

Mosquitto has core 0, clients in C (fleet_broker.c, libmosquitto) the other. The mix is that of a
cell (docs/fleet.md): seven of ten messages have QoS 0, three QoS 1, 420 bytes each, all of them
heard by one partition. It needs gcc, mosquitto and libmosquitto1.

Usage: PYTHONPATH=tests python benchmarks/fleet_broker.py [--rate 10000] [--minutes 10]
"""

import argparse
import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path

from support.broker.real_broker import Listener, Mosquitto

HERE = Path(__file__).parent
N_LOTS, N_PARTITIONS, N_BYTES = 100, 5, 420
LINES = ("max_inflight_messages 1000", "max_queued_messages 100000", "sys_interval 1")
DROPPED = "$SYS/broker/publish/messages/dropped"
_TICKS = os.sysconf("SC_CLK_TCK")


def processor_s(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mb(pid: int) -> float:
    """The most memory that a process has held, in MB."""
    (line,) = (
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line
    )
    return int(line.split()[1]) / 1000


def main() -> None:
    """Run it and print a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=10_000, help="messages a second")
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "clients"
        source = str(HERE / "fleet_broker.c")
        compiler = ["gcc", "-O2", "-Wall", "-o", program, source, "-l:libmosquitto.so.1"]
        subprocess.run(compiler, check=True)  # noqa: S603 - no shell
        broker = Mosquitto(folder, LINES)
        broker.start()
        pid = broker.pid
        os.sched_setaffinity(pid, {0})
        before_s = processor_s(pid)
        numbers = (broker.port, N_LOTS, N_PARTITIONS, options.rate, 60 * options.minutes, N_BYTES)
        command = ["taskset", "-c", "1", program, *map(str, numbers)]
        listener = Listener(broker.port, DROPPED)
        clients = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - no shell
        found = json.loads(clients.stdout)
        spent_s = processor_s(pid) - before_s
        threading.Event().wait(2.0)  # so that the broker's last count comes
        listener.close()
        n_dropped = max(map(int, listener.on(DROPPED)), default=0)
        n_sent = sum(found["sent"])
        found |= {
            "a_second": round(n_sent / found["seconds"]),
            "lost": n_sent - sum(found["heard"]),
            "dropped": n_dropped,
            "broker_us_a_message": round(1e6 * spent_s / n_sent, 1),
            "broker_core": round(spent_s / found["seconds"], 2),
            "broker_mb": round(memory_mb(pid), 1),
            "load": os.getloadavg()[0],
        }
        broker.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
