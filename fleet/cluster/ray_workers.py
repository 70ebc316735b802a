"""Lots and partitions as Ray's actors: started on a machine by name, asked without waiting.

A machine is a Ray node that was started with the resource `machine:NAME`. Ray's own restarts are
off: only the supervisor starts a lot, for it knows where.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fleet.cluster.machine_recognition import MachineEngine, start_recognition
from fleet.cluster.supervisor import Answer
from fleet.lots.lot import Lot, LotStatus, LotTask, Watch
from fleet.partitions.partition import Partition
from fleet.partitions.partition_task import PartitionTask
from har_stream.config.settings import Settings
from har_stream.core.errors import InputError
from har_stream.core.log_once import LogOnce

logger = logging.getLogger(__name__)

ASK_S = 1.0
KNOCK_S = 5.0
HEALTH_CHECKS = {"initial_delay_ms": 1000, "period_ms": 1000, "timeout_ms": 3000}
"""Of Ray's nodes; by default a killed one is noticed after some 20 s and a frozen one after 60."""
HEALTH_CHECK_FAILURES = 3
Task = LotTask | PartitionTask


class Work(Protocol):
    """What an actor does: a lot, or a partition."""

    def run(self) -> None:
        """Do it until it is left, or lost."""

    def leave(self) -> None:
        """Have `run` end soon; from any thread."""

    def status(self) -> LotStatus:
        """How it fares; of a partition, its homes are what cameras are to a lot."""


MakeWork = Callable[[Any, str], Work]
"""Makes it of its task and the machine's name."""


def make_lot(task: LotTask, owner: str, recognition: Any = None) -> Lot:
    """Make a lot of cameras, whose engine may be that of its machine."""
    if recognition is None:
        return Lot(task, owner=owner)
    settings = task.settings
    watch = Watch(settings, lambda bundle: MachineEngine(recognition, settings.node, bundle))
    return Lot(task, owner=owner, watch=watch)


def make_partition(task: PartitionTask, owner: str) -> Partition:
    """Make a partition of homes."""
    return Partition(task, owner=owner)


def start_ray(machines: Collection[str], *, address: str | None) -> None:
    """Join a running Ray, or start one here that stands for all machines.

    Args:
        machines: Their names.
        address: Of the running one; none: one of our own.

    Raises:
        InputError: There is no Ray at the address, or none starts here.
    """
    if ray.is_initialized():  # joined before
        return
    if address is not None:
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False)
        except (OSError, RuntimeError) as error:
            raise InputError(f"--address {address}: no Ray answers there: {error}") from error
        return
    for name, value in HEALTH_CHECKS.items():
        os.environ.setdefault(f"RAY_health_check_{name}", str(value))
    os.environ.setdefault("RAY_health_check_failure_threshold", str(HEALTH_CHECK_FAILURES))
    try:
        ray.init(
            address="local",  # never one that happens to run here
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=100_000_000,
            resources={_resource(name): 1.0 for name in machines},
        )
    except Exception as error:  # Ray's own; it gives a node 30 s
        raise InputError(f"Ray did not start here: {error} Is this machine very busy?") from error


def _knock(address: str) -> None:
    """See whether anybody listens there: Ray itself tries for many minutes.

    Raises:
        OSError: Nobody does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


class LotActor:
    """One lot in a process of its own, which Ray starts.

    Args:
        task: Its task as JSON.
        owner: The machine.
        make: Makes the lot.
    """

    task_class: type[Task] = LotTask

    def __init__(self, task: str, owner: str, make: MakeWork) -> None:
        self._lot: Work | None = None
        self._error = ""
        self._is_leaving = False
        arguments = (self.task_class.model_validate_json(task), owner, make)
        self._thread = threading.Thread(target=self._work, args=arguments, daemon=True)
        self._thread.start()

    def status(self) -> tuple[str | None, str]:
        """How it fares, as JSON, and why it ended; nothing of the first once it has."""
        if not self._thread.is_alive():
            return None, self._error
        lot = self._lot
        status = LotStatus(n_cameras=0) if lot is None else lot.status()
        return status.model_dump_json(), ""

    def leave(self) -> None:
        """End in good order."""
        self._is_leaving = True
        if self._lot is not None:
            self._lot.leave()

    def _work(self, task: Task, owner: str, make: MakeWork) -> None:
        try:
            self._lot = make(task, owner)
            if not self._is_leaving:
                self._lot.run()
        except InputError as error:
            self._error = str(error)
        except Exception as error:  # an actor that says why is worth more than one that dies
            logger.exception("%s", getattr(task, "partition", task.settings.node))
            self._error = repr(error)


class PartitionActor(LotActor):
    """One partition in a process of its own."""

    task_class = PartitionTask


@dataclass(slots=True)
class _Worker:
    actor: Any
    node: str
    asked: Any
    asked_s: float


class RayWorkers:
    """Lots on the nodes of a Ray that this process has joined; see `Workers`.

    Args:
        tasks: By lot, what it is told when it starts; whoever changes it restarts the lot.
        make: Makes a lot, or a partition, in its process.
        actor: What holds it there.
        recognition_gpus: Of a machine's recognition, where lots have it in common; 0: on its CPU.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        *,
        make: MakeWork = make_lot,
        actor: type[LotActor] = LotActor,
        recognition_gpus: float = 1.0,
    ) -> None:
        self._tasks = tasks
        self._make = make
        self._workers: dict[str, _Worker] = {}
        self._actor_class = ray.remote(actor)
        self._recognition_gpus = recognition_gpus
        self._recognitions: dict[str, tuple[str | None, Any]] = {}
        self._once = LogOnce()

    def machines(self) -> Collection[str]:
        """Machines whose nodes are alive."""
        return self._nodes().keys()

    def start(self, lot: str, machine: str) -> None:
        """Start a lot; that its machine is gone is answered later."""
        node = self._nodes().get(machine)
        if node is None:
            return
        task, make = self._tasks[lot], self._make
        if isinstance(task, LotTask) and task.recognise_on == "machine":
            recognition = self._recognition(task.settings, node, machine)
            if recognition is not None:
                make = partial(make_lot, recognition=recognition)
        actor: Any = self._actor_class.options(
            num_cpus=0,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote(task.model_dump_json(exclude_unset=True), machine, make)
        self._workers[lot] = _Worker(actor, node, actor.status.remote(), time.monotonic())

    def answers(self) -> Mapping[str, Answer]:
        """What has come since the last time; who has answered is asked again after `ASK_S`."""
        found: dict[str, Answer] = {}
        asked = {each.asked: lot for lot, each in self._workers.items() if each.asked is not None}
        ready = ray.wait([*asked], num_returns=len(asked), timeout=0)[0] if asked else []
        for ref in ready:
            lot = asked[ref]
            self._workers[lot].asked = None
            try:
                status, why = ray.get(ref)
            except RayError as error:
                found[lot] = Answer(None, f"its process died: {type(error).__name__}")
            else:
                read = None if status is None else LotStatus.model_validate_json(status)
                found[lot] = Answer(read, why)
        now_s = time.monotonic()
        for worker in self._workers.values():
            if worker.asked is None and now_s - worker.asked_s >= ASK_S:
                worker.asked, worker.asked_s = worker.actor.status.remote(), now_s
        return found

    def leave(self, lot: str) -> None:
        """Tell a lot to end in good order."""
        if lot in self._workers:
            self._workers[lot].actor.leave.remote()

    def kill(self, lot: str) -> None:
        """End a lot's process at once, if its machine still obeys."""
        worker = self._workers.pop(lot, None)
        if worker is None:
            return
        ray.kill(worker.actor)
        if worker.node in self._recognitions:
            self._recognitions[worker.node][1].forget.remote(lot)

    def _recognition(self, settings: Settings, node: str, machine: str) -> Any:
        """Return what recognises for all lots of a node; none where there is no GPU for it."""
        found = ray.nodes()  # type: ignore[no-untyped-call]  # Ray leaves it untyped
        n_gpus = sum(each["Resources"].get("GPU", 0.0) for each in found if each["NodeID"] == node)
        if n_gpus < self._recognition_gpus:
            self._once.warn(node, f"{machine} has no GPU: its lots recognise in their processes")
            return None
        bundle, actor = self._recognitions.get(node, (None, None))
        if actor is None or bundle != settings.bundle:
            if actor is not None:
                ray.kill(actor)
            affinity = NodeAffinitySchedulingStrategy(node, soft=False)
            actor = start_recognition(
                settings,
                node=affinity,
                n_gpus=self._recognition_gpus,
                engine="keras" if self._recognition_gpus else "auto",
            )
            self._recognitions[node] = settings.bundle, actor
        return actor

    def _nodes(self) -> dict[str, str]:
        """By machine, the id of its node."""
        return {
            name.removeprefix(_resource("")): node["NodeID"]
            for node in ray.nodes()  # type: ignore[no-untyped-call]  # Ray leaves it untyped
            if node["Alive"]
            for name in node["Resources"]
            if name.startswith(_resource(""))
        }


def _resource(machine: str) -> str:
    return f"machine:{machine}"
