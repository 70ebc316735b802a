"""What a look at a large fleet's tables costs a page, and what telling of all lots costs a run.

The tables are those of a real PostgreSQL, filled with 1,000 lots of five cameras, 5,000 homes with
one camera each, and five partitions; a tenth of the lots has a camera away. Processor time is that
of this process and of PostgreSQL's together.

Usage: PYTHONPATH=tests python benchmarks/fleet_overview.py
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from support.processes.postgresql import running_postgresql

from fleet.cluster.orders import write_plan, write_status
from fleet.cluster.overview import FleetReader
from fleet.cluster.supervisor import LotRun
from fleet.inventory.fleet import read_fleet
from fleet.lots.lot import LotStatus
from fleet.lots.lot_tables import open_database, run
from fleet.planning.plan import Plan, make_plan

N_HOMES = 5_000
N_TURNS = 5


def main() -> None:
    """Fill the tables, look at them, and print what that took."""
    with running_postgresql() as server, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.yaml"
        rows = [f"cam{n},home{n},sim:{n}\n" for n in range(N_HOMES)]
        (path.parent / "cameras.csv").write_text("".join(["name,home,source\n", *rows]))
        machines = ", ".join(f"m{n}: 100" for n in range(N_HOMES // 100))
        path.write_text(f"machines: {{{machines}}}\nlot_cameras: 5\ncameras_csv: cameras.csv\n")
        fleet = read_fleet(path)
        plan = make_plan(fleet, Plan())
        status = LotStatus(n_cameras=5, n_online=5, fps=50.0, latency_ms=30.0)
        runs = {lot: LotRun(machine, status) for lot, machine in plan.machines.items()}
        for lot in list(runs)[::10]:
            away = next(camera for camera, of in plan.lots.items() if of == lot)
            runs[lot].status = status.model_copy(update={"n_online": 4, "away": (away,)})
        engine = open_database(server.url)
        with engine.begin() as db:
            write_plan(db, fleet, plan)
            run(db, "CREATE SCHEMA fleet_homes")
            run(
                db,
                "CREATE TABLE fleet_homes.partitions AS SELECT DISTINCT partition,"
                " now() + interval '1 h' AS told_at FROM fleet_plan",
            )
        sizes = dict.fromkeys(runs, 5)

        def tell() -> None:
            with engine.begin() as db:
                write_status(db, runs, sizes)

        reader = FleetReader(server.url)
        measure("har-fleet run tells of all lots", tell)
        for sought in ("", "home4321"):
            found = reader.read(sought, machines_page=0, homes_page=0)
            what = f"{sum(found.lots.values())} lots, {sum(found.by_state.values())} homes"

            def look(sought: str = sought) -> None:
                reader.read(sought, machines_page=0, homes_page=0)

            measure(f"a look at {sought or 'all'} ({what})", look)
        reader.close()
        engine.dispose()


def measure(name: str, work: Callable[[], None]) -> None:
    """Print how long something takes, and its processor time."""
    took_s: list[float] = []
    before_s = processor_s()
    for _ in range(N_TURNS):
        began_s = time.monotonic()
        work()
        took_s.append(time.monotonic() - began_s)
    used_s = (processor_s() - before_s) / N_TURNS
    print(
        f"{name}: {1000 * statistics.median(took_s):.0f} ms, at most {1000 * max(took_s):.0f}; "
        f"{1000 * used_s:.0f} ms of processor time",
        flush=True,
    )


def processor_s() -> float:
    """Processor time so far of this process and of the server's, in seconds."""
    ticks, below = 0, [os.getpid()]
    while below:
        pid = below.pop()
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            below += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except OSError:  # it has just ended
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
