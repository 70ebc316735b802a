"""`har-fleet run`: every lot of a plan on some machine, until somebody ends it.

Once a second it hears lots, moves what has to move, reads what a person asks and says how all fare.
A plan that `har-fleet plan` changes meanwhile is taken on; lots that it does not touch run on.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fleet.cluster.fleet_owner import take_fleet
from fleet.cluster.metrics import LOT, FleetCollector
from fleet.cluster.orders import end_restarts, read_orders, write_plan, write_status
from fleet.cluster.rolling_restart import RestartOrder, RollingRestart
from fleet.cluster.run_partitions import RunningPartitions
from fleet.cluster.supervisor import Supervisor, Workers
from fleet.inventory.fleet import Fleet, read_fleet
from fleet.lots.lot import LotTask
from fleet.lots.lot_tables import EpochLostError, open_database, show_epoch
from fleet.planning.plan import Plan
from fleet.planning.plan_file import read_plan
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.settings import DiscoverySettings, Settings
from har_stream.core.errors import InputError
from har_stream.core.log_once import LogOnce

logger = logging.getLogger(__name__)

TICK_S = 1.0
LEAVE_S = 20.0
"""At its end the fleet waits so long for its lots to leave."""


def _read_planned(path: Path) -> tuple[Fleet, Plan]:
    """Read a fleet to begin with: what is not planned yet keeps nobody else from being watched.

    Raises:
        InputError: Fleet or plan cannot be used, or nothing is planned.
    """
    fleet = read_fleet(path)
    plan = read_plan(fleet.plan_file)
    planned = tuple(camera for camera in fleet.cameras if camera.name in plan.lots)
    new = [
        camera
        for camera in fleet.cameras
        if camera.name not in plan.lots or camera.home not in plan.partitions
    ]
    if planned and new:
        logger.warning(
            "%s: no lot has camera %s yet, or no partition its home (such cameras: %d); run "
            "har-fleet plan",
            fleet.plan_file,
            new[0].name,
            len(new),
        )
    return (replace(fleet, cameras=planned) if planned else fleet), plan


def make_tasks(fleet: Fleet, plan: Plan) -> dict[str, LotTask]:
    """Say what every lot of a plan is told.

    Raises:
        InputError: The fleet names no database, or a camera is in no lot.
    """
    settings = fleet.settings
    cameras: dict[str, list[CameraSettings]] = {lot: [] for lot in plan.machines}
    for camera in fleet.cameras:
        lot = plan.lots.get(camera.name)
        if lot is None:
            raise InputError(
                f"{fleet.plan_file}: camera {camera.name} is in no lot yet; run har-fleet plan "
                "first"
            )
        told = camera.model_dump(exclude_unset=True)
        cameras[lot].append(CameraSettings.model_validate(told))
    tasks = {}
    for lot, of_lot in cameras.items():
        tasks[lot] = LotTask(
            settings=Settings(
                node=lot,
                base_topic=settings.base_topic,
                broker=fleet.broker_of(lot),
                discovery=DiscoverySettings(enabled=False),  # homes have no part in the broker
                bundle=settings.bundle,
                engine=settings.engine,
                state_dir=settings.state_dir,
                cameras=tuple(of_lot),
            ),
            database=fleet.database_of(lot),
            recognise_on=settings.recognise_on,
        )
    return {lot: task for lot, task in tasks.items() if task.settings.cameras}


class RunningFleet:
    """A fleet at work.

    Args:
        path: Of `fleet.yaml`.
        tasks: What the workers read when they start a lot; kept up to date here.
        workers: Where lots run.
        partitions: Those of homes, beside them; none: nobody forecasts.

    Raises:
        InputError: Fleet, plan or database cannot be used, or another process runs the fleet.
    """

    def __init__(
        self,
        path: Path,
        tasks: dict[str, LotTask],
        workers: Workers,
        partitions: RunningPartitions | None = None,
    ) -> None:
        self._path = path
        self._tasks = tasks
        self._once = LogOnce()
        fleet, plan = _read_planned(path)
        tasks |= make_tasks(fleet, plan)
        self._partitions = partitions
        if partitions is not None:
            partitions.take_plan(fleet, plan)
        self._untold: tuple[Fleet, Plan] | None = (fleet, plan)
        self._plan_file = fleet.plan_file
        self._changed_ns = _changed_ns(fleet.plan_file)
        self._capacities: Mapping[str, int] = fleet.settings.machines
        self._engine: Engine = open_database(fleet.settings.database or "")
        self._name = fleet.settings.name
        self._epoch = take_fleet(self._engine, self._name)
        self._is_lost = False
        self._supervisor = Supervisor(
            workers,
            sizes=self._sizes(),
            capacities=self._capacities,
            machines=plan.machines,
            clock=time.monotonic,
        )
        self._restart = RollingRestart(self._supervisor, clock=time.monotonic)

    @property
    def metrics(self) -> list[FleetCollector]:
        """How lots and partitions fare, for Prometheus."""
        found = [FleetCollector(LOT, lambda: self._supervisor.runs, self._sizes)]
        if self._partitions is not None:
            found.append(self._partitions.metrics)
        return found

    def run(self, stopped: threading.Event) -> None:
        """Work until somebody sets `stopped`; then all lots leave in good order.

        Raises:
            InputError: Another process has taken the fleet meanwhile.
        """
        while not self._is_lost and not stopped.wait(TICK_S):
            self.step()
        leaving: list[Supervisor | RunningPartitions] = [self._supervisor]
        if self._partitions is not None:
            leaving.append(self._partitions)
        for each in leaving:
            each.close()
        deadline_s = time.monotonic() + LEAVE_S
        while any(each.is_running for each in leaving) and time.monotonic() < deadline_s:
            time.sleep(TICK_S / 5)
            for each in leaving:
                each.hear()
        self._engine.dispose()
        if self._is_lost:
            raise InputError(f"another har-fleet run has taken fleet {self._name}: this one ends")

    def step(self) -> None:
        """Do what is due, unless another process has taken the fleet; the database may be away."""
        restarts: Sequence[RestartOrder] | None = None
        try:
            with self._engine.begin() as db:
                show_epoch(db, self._name, self._epoch)
                orders = read_orders(db)
            restarts = orders.restarts
            self._supervisor.drained = set(orders.drained)
            self._supervisor.pinned = dict(orders.pinned)
            self._supervisor.capacities = {**self._capacities, **orders.capacities}
        except EpochLostError:
            self._is_lost = True
            return
        except DBAPIError as error:
            self._once.warn("orders", f"nothing new can be asked: {error.orig}")
        self._take_plan()
        self._supervisor.step()
        if self._partitions is not None:
            self._partitions.step(self._supervisor.drained, self._supervisor.pinned)
        ended = self._follow(restarts) if restarts is not None else ()
        try:
            with self._engine.begin() as db:
                end_restarts(db, ended)
                write_status(db, self._supervisor.runs, self._sizes())
                if self._untold is not None:
                    write_plan(db, *self._untold)
            self._untold = None
            self._once.forget(("orders", "status"))
        except DBAPIError as error:
            self._once.warn("status", f"how lots fare cannot be told: {error.orig}")

    def _follow(self, restarts: Sequence[RestartOrder]) -> Set[RestartOrder]:
        """Restart what is next of lots and of partitions; returns the orders that are done."""
        if self._partitions is None:
            return self._restart.step(restarts)
        of_partitions = [each for each in restarts if each.lot in self._partitions.names]
        of_lots = [each for each in restarts if each not in of_partitions]
        return self._restart.step(of_lots) | self._partitions.restart.step(of_partitions)

    def _take_plan(self) -> None:
        """Take on a plan that was kept since, if it makes sense."""
        changed_ns = _changed_ns(self._plan_file)
        if changed_ns == self._changed_ns:
            return
        self._changed_ns = changed_ns
        try:
            fleet = read_fleet(self._path)
            plan = read_plan(fleet.plan_file)
            tasks = make_tasks(fleet, plan)
            if self._partitions is not None:
                self._partitions.take_plan(fleet, plan)
        except InputError as error:
            logger.error("the new plan is not taken, all runs on as it was: %s", error)
            return
        changed = {lot for lot, task in tasks.items() if self._tasks.get(lot, task) != task}
        for lot in self._tasks.keys() - tasks.keys():
            del self._tasks[lot]
        self._tasks |= tasks
        self._capacities = fleet.settings.machines
        self._untold = (fleet, plan)
        logger.info("a new plan; lots: %d, changed: %d", len(tasks), len(changed))
        self._supervisor.change(
            self._sizes(), self._capacities, machines=plan.machines, changed=changed
        )

    def _sizes(self) -> dict[str, int]:
        return {lot: len(task.settings.cameras) for lot, task in self._tasks.items()}


def _changed_ns(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
