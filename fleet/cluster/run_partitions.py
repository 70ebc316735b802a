"""The partitions of a running fleet: each on some machine, spread evenly over those there are."""

import time
from collections.abc import Collection, Mapping

from fleet.cluster.metrics import PARTITION, FleetCollector
from fleet.cluster.rolling_restart import RollingRestart
from fleet.cluster.supervisor import Supervisor, Workers
from fleet.inventory.fleet import Fleet
from fleet.partitions.partition_task import PartitionTask
from fleet.planning.plan import Plan, place
from har_stream.config.settings import DiscoverySettings, Settings
from har_stream.core.errors import InputError


def make_partition_tasks(fleet: Fleet, plan: Plan) -> dict[str, PartitionTask]:
    """Say what every partition of a plan is told; of homes that are in none, nobody is.

    Raises:
        InputError: The fleet names no database, or a camera is in no lot.
    """
    settings = fleet.settings
    homes: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for camera in fleet.cameras:
        lot, partition = plan.lots.get(camera.name), plan.partitions.get(camera.home)
        if lot is None:
            raise InputError(
                f"{fleet.plan_file}: camera {camera.name} is in no lot yet; run har-fleet plan "
                "first"
            )
        if partition is not None:
            homes.setdefault(partition, {}).setdefault(camera.home, []).append((lot, camera.name))
    return {
        partition: PartitionTask(
            partition=partition,
            homes={home: tuple(cameras) for home, cameras in of_partition.items()},
            settings=Settings(
                base_topic=settings.base_topic,
                timezone=settings.timezone,
                broker=fleet.broker_of(partition),
                discovery=DiscoverySettings(enabled=False),  # homes have no part in the broker
                state_dir=settings.state_dir,
                forecast=settings.forecast,
            ),
            database=fleet.database_of(partition),
        )
        for partition, of_partition in homes.items()
    }


class RunningPartitions:
    """Keeps every partition running on some machine, beside the lots.

    Args:
        tasks: What the workers read when they start a partition; kept up to date here.
        workers: Where partitions run.

    Attributes:
        restart: Follows orders to restart some of them.
    """

    def __init__(self, tasks: dict[str, PartitionTask], workers: Workers) -> None:
        self._tasks = tasks
        self._supervisor = Supervisor(
            workers, sizes={}, capacities={}, machines={}, clock=time.monotonic
        )
        self.restart = RollingRestart(self._supervisor, clock=time.monotonic)

    @property
    def names(self) -> Collection[str]:
        """Of the partitions."""
        return self._tasks.keys()

    @property
    def metrics(self) -> FleetCollector:
        """How they fare, for Prometheus."""
        return FleetCollector(PARTITION, lambda: self._supervisor.runs, self._n_homes)

    @property
    def is_running(self) -> bool:
        """Whether any partition runs."""
        return self._supervisor.is_running

    def take_plan(self, fleet: Fleet, plan: Plan) -> None:
        """Take on a plan; partitions that it does not touch run on.

        Raises:
            InputError: It lacks a camera; all stays as it was.
        """
        tasks = make_partition_tasks(fleet, plan)
        changed = {name for name, task in tasks.items() if self._tasks.get(name, task) != task}
        self._tasks.clear()
        self._tasks |= tasks
        # Any machine may carry them all, if it must; while there are more, each has its share.
        sizes = dict.fromkeys(tasks, 1)
        capacities = dict.fromkeys(fleet.settings.machines, len(tasks))
        machines = place(sizes, capacities=capacities, earlier={})
        self._supervisor.change(sizes, capacities, machines=machines, changed=changed)

    def step(self, drained: set[str], pinned: Mapping[str, str]) -> None:
        """Do what is due; see `Supervisor`."""
        self._supervisor.drained, self._supervisor.pinned = drained, dict(pinned)
        self._supervisor.step()

    def hear(self) -> None:
        """Hear what there is."""
        self._supervisor.hear()

    def close(self) -> None:
        """Tell all partitions to leave; `hear` hears of their ends."""
        self._supervisor.close()

    def _n_homes(self) -> dict[str, int]:
        return {name: len(task.homes) for name, task in self._tasks.items()}
