"""What `har-fleet` does with a fleet at work: runs it, says how it fares, moves its lots."""

import argparse
import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fleet.cluster import orders
from fleet.cluster.overview import SILENT_S, read_lots
from fleet.inventory.fleet import NO_DATABASE, Fleet, read_fleet
from fleet.lots.lot import LotTask
from fleet.lots.lot_tables import open_database
from fleet.lots.lot_tables import run as run_statement
from fleet.partitions.home_tables import PartitionRow, make_all_tables, read_status
from fleet.partitions.partition_task import PartitionTask
from fleet.planning.access_list import users
from fleet.planning.plan_file import read_plan
from har_stream.core.errors import InputError


def run(options: argparse.Namespace) -> None:
    """Run a fleet until SIGINT or SIGTERM."""
    from fleet.cluster.metrics import serve_metrics
    from fleet.cluster.ray_workers import PartitionActor, RayWorkers, make_partition, start_ray
    from fleet.cluster.run_fleet import RunningFleet
    from fleet.cluster.run_partitions import RunningPartitions

    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(message)s")
    fleet = read_fleet(options.fleet)
    if fleet.settings.database is not None:
        make_all_tables(fleet.settings.database)  # those with roles of their own may make none
    stopped = threading.Event()
    tasks: dict[str, LotTask] = {}
    homes: dict[str, PartitionTask] = {}
    forecasters = RayWorkers(homes, make=make_partition, actor=PartitionActor)
    partitions = RunningPartitions(homes, forecasters)
    running = RunningFleet(options.fleet, tasks, RayWorkers(tasks), partitions)
    start_ray(
        fleet.settings.machines, address=options.address
    )  # after all mistakes, for it is slow
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with ExitStack() as stack:
        if fleet.settings.metrics_port is not None:
            stack.enter_context(serve_metrics(fleet.settings.metrics_port, running.metrics))
        running.run(stopped)


def show_status(options: argparse.Namespace) -> None:
    """Print how every lot fares, as the running fleet last said."""
    with _database(options.fleet) as (_, db):
        rows = read_lots(db)
        planned = {*run_statement(db, "SELECT partition FROM fleet_plan").scalars()} - {None}
        partitions = [row for row in read_status(db) if row.partition in planned]
        now = run_statement(db, "SELECT now()").scalar_one()
        n_to_restart = len(orders.read_orders(db).restarts)
    width = max([len("lot"), *(len(row.lot) for row in rows)])
    machine_width = max([len("machine"), *(len(row.machine or "") for row in rows)])
    print(
        f"{'lot':{width}}  {'machine':{machine_width}}  online     fps  latency  waiting  restarts"
        "  state"
    )
    for row in rows:
        online = f"{row.online}/{row.cameras}"
        print(
            f"{row.lot:{width}}  {row.machine or '-':{machine_width}}  {online:>6}  {row.fps:6.1f}"
            f"  {row.latency_ms:4.0f} ms  {row.waiting:7}  {row.restarts:8}  {row.state}"
        )
    if not rows:
        print("no har-fleet run has said anything yet")
        return
    print(
        f"cameras online: {sum(row.online for row in rows)} of {sum(row.cameras for row in rows)}, "
        f"lots nowhere: {sum(row.machine is None for row in rows)} of {len(rows)}, as of "
        f"{max(row.told_at for row in rows).astimezone():%H:%M:%S}"
    )
    if n_to_restart:
        print(f"still to be restarted: {n_to_restart}")
    if partitions:
        _show_partitions(partitions)
    heard = {row.partition for row in partitions if (now - row.told_at).total_seconds() < SILENT_S}
    if planned - heard:
        names = ", ".join(sorted(planned - heard))
        print(f"partitions that have said nothing for {SILENT_S:.0f} s: {names}")


def _show_partitions(partitions: Sequence[PartitionRow]) -> None:
    width = max([len("partition"), *(len(row.partition) for row in partitions)])
    machine_width = max([len("machine"), *(len(row.machine) for row in partitions)])
    print(
        f"{'partition':{width}}  {'machine':{machine_width}}  forecast for  learning  latest"
        "  refused  restarts"
    )
    for row in partitions:
        homes = f"{row.forecasting}/{row.homes}"
        print(
            f"{row.partition:{width}}  {row.machine:{machine_width}}  {homes:>12}  "
            f"{row.learning:8}  {row.late_s:4.0f} s  {row.refused:7}  {row.starts - 1:8}"
        )


def drain(options: argparse.Namespace) -> None:
    """Ask that a machine be emptied, or used again."""
    with _database(options.fleet) as (fleet, db):
        _check_machine(fleet, options.machine)
        orders.drain(db, options.machine, not options.undo)
        is_any_left = bool(fleet.settings.machines.keys() - orders.read_orders(db).drained)
    leaves = "its lots leave" if is_any_left else "its lots stay: no other machine is to be used"
    print(f"{options.machine}: {'is used again' if options.undo else leaves}")


def move(options: argparse.Namespace) -> None:
    """Ask that a lot run on a machine, or that nobody ask it any more."""
    with _database(options.fleet) as (fleet, db):
        if options.machine is not None:
            _check_machine(fleet, options.machine)
        if options.lot not in read_plan(fleet.plan_file).machines:
            raise InputError(f"{fleet.plan_file}: there is no lot {options.lot!r}")
        orders.move(db, options.lot, options.machine)
    where = f"goes to {options.machine}" if options.machine else "stays, and may go anywhere again"
    print(f"{options.lot}: {where}")


def scale(options: argparse.Namespace) -> None:
    """Ask that a machine carry so many cameras, or as many as the settings say."""
    with _database(options.fleet) as (fleet, db):
        _check_machine(fleet, options.machine)
        orders.scale(db, options.machine, options.cameras)
    cameras = options.cameras or fleet.settings.machines[options.machine]
    print(f"{options.machine}: cameras that it carries: {cameras}")


def restart(options: argparse.Namespace) -> None:
    """Ask that lots and partitions be restarted, one after another."""
    with _database(options.fleet) as (fleet, db):
        names = users(read_plan(fleet.plan_file))
        for name in options.names:
            if name not in names:
                raise InputError(f"{fleet.plan_file}: there is no lot or partition {name!r}")
        names = options.names or names
        orders.restart(db, names)
    print(f"to be restarted, each once the former has decided something again: {len(names)}")


@contextmanager
def _database(path: Path) -> Iterator[tuple[Fleet, Connection]]:
    """A fleet, and a transaction on its database."""
    fleet = read_fleet(path)
    if fleet.settings.database is None:
        raise InputError(f"{path}: {NO_DATABASE}")
    engine = open_database(fleet.settings.database)
    try:
        with engine.begin() as db:
            yield fleet, db
    except DBAPIError as error:
        raise InputError(f"database: {' '.join(str(error.orig).split())}") from error
    finally:
        engine.dispose()


def _check_machine(fleet: Fleet, machine: str) -> None:
    if machine not in fleet.settings.machines:
        known = ", ".join(sorted(fleet.settings.machines))
        raise InputError(f"there is no machine {machine!r}; there are {known}")
