"""Decides which machine runs which lot, from what is heard of them; knows nothing of Ray.

A lot that is not heard of is started elsewhere without waiting for news of its machine: its epoch
(see `fleet.lots.lot_tables`) makes sure that nobody hears of the former owner.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass
from typing import Protocol

from fleet.lots.lot import LotStatus
from fleet.planning.plan import place
from har_stream.core.backoff import backoff_s
from har_stream.core.errors import InputError
from har_stream.core.log_once import LogOnce

logger = logging.getLogger(__name__)

SILENT_S = 6.0
"""A lot that has not answered for so long is started elsewhere; it is asked every second."""
START_S = 60.0
"""A lot's first answer may take so long: packages are imported and networks loaded."""
LEAVE_S = 15.0
"""A lot that was told to leave sends what waits, and is ended after so long."""
AILING_S = 60.0
"""A machine on which a lot fell silent gets none for so long."""
DOUBTFUL_S = 10.0
"""Where a lot has ended none is started for so long, unless another one there is heard of."""
RETRY_LONGEST_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is heard of a lot.

    Attributes:
        status: How it fares; none: it has ended.
        error: Why it ended; empty: it was told to, or its cameras ended.
    """

    status: LotStatus | None
    error: str = ""


class Workers(Protocol):
    """Where lots run: `RayWorkers`, or a test's."""

    def machines(self) -> Collection[str]:
        """Machines that are there, by name."""

    def start(self, lot: str, machine: str) -> None:
        """Start a lot on a machine; returns at once."""

    def answers(self) -> Mapping[str, Answer]:
        """What was heard of lots since the last time, without waiting."""

    def leave(self, lot: str) -> None:
        """Tell a lot to end in good order; its end is answered."""

    def kill(self, lot: str) -> None:
        """End a lot at once; nothing more is answered of it."""


@dataclass(slots=True)
class LotRun:
    """A lot as it runs.

    Attributes:
        machine: Where; none: nowhere yet.
        status: What it said last; none: nothing yet.
        n_restarts: How often it was started again because it had ended or was silent.
        started_s: When it was started last.
    """

    machine: str | None = None
    status: LotStatus | None = None
    n_restarts: int = 0
    started_s: float = 0.0
    heard_s: float = 0.0
    left_s: float | None = None
    n_failed: int = 0
    not_before_s: float = 0.0


class Supervisor:
    """Keeps every lot running on some machine.

    Args:
        workers: Starts and ends lots.
        sizes: By lot, its cameras.
        capacities: By machine, how many cameras it carries.
        machines: By lot, where it runs at first.
        clock: Monotonic seconds.

    Attributes:
        runs: By lot, how it runs.
        drained: Machines that get no lot, and lose theirs.
        pinned: By lot, the machine that a person chose for it.
    """

    def __init__(
        self,
        workers: Workers,
        *,
        sizes: Mapping[str, int],
        capacities: Mapping[str, int],
        machines: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self.runs = {lot: LotRun() for lot in sizes}
        self.drained: set[str] = set()
        self.pinned: dict[str, str] = {}
        self.capacities = dict(capacities)
        self._sizes = sizes
        self._wanted = dict(machines)
        self._workers = workers
        self._clock = clock
        self._ailing_until_s: dict[str, float] = {}
        self._once = LogOnce()

    def step(self) -> None:
        """Hear what there is, end what must end and start what does not run; call every second."""
        self.hear()
        now_s = self._clock()
        there = set(self._workers.machines())
        for lot, run in self.runs.items():
            if run.machine is not None:
                self._judge(lot, run, there, now_s)
        self._wanted = self._place(there - self.drained, now_s)
        for lot, machine in self._wanted.items():
            self._bring(lot, self.runs[lot], machine, now_s)

    def hear(self) -> None:
        """Hear what there is."""
        now_s = self._clock()
        answers = self._workers.answers()
        # Ends first: whoever else is heard of on the machine shows that it is well.
        for lot, answer in sorted(answers.items(), key=lambda item: item[1].status is not None):
            self._hear(lot, answer, now_s)

    @property
    def is_running(self) -> bool:
        """Whether any lot runs."""
        return any(run.machine is not None for run in self.runs.values())

    def change(
        self,
        sizes: Mapping[str, int],
        capacities: Mapping[str, int],
        *,
        machines: Mapping[str, str],
        changed: Set[str],
    ) -> None:
        """Take on another plan; lots that it does not touch run on.

        Args:
            sizes: By lot, its cameras.
            capacities: By machine, how many cameras it carries.
            machines: By lot, where a new one runs at first.
            changed: Lots whose cameras or settings are others; they start anew where they are.
        """
        for lot in self.runs.keys() - sizes.keys():
            if self.runs.pop(lot).machine is not None:
                self._workers.leave(lot)
        for lot in changed & self.runs.keys():
            self.restart(lot)
        self.runs |= {lot: LotRun() for lot in sizes if lot not in self.runs}
        self._sizes, self.capacities = sizes, dict(capacities)
        self._wanted = {**machines, **self._wanted}

    def restart(self, lot: str) -> None:
        """Tell a lot to leave, if it runs; it starts anew where it is."""
        run = self.runs[lot]
        if run.machine is not None and run.left_s is None:
            run.left_s = self._clock()
            self._workers.leave(lot)

    def close(self) -> None:
        """Tell all lots to leave; `hear` hears of their ends."""
        for lot, run in self.runs.items():
            if run.machine is not None:
                run.left_s = self._clock()
                self._workers.leave(lot)

    def _hear(self, lot: str, answer: Answer, now_s: float) -> None:
        run = self.runs.get(lot)
        if run is None or run.machine is None:
            if answer.status is None:
                self._workers.kill(lot)
            return
        if answer.status is not None and not answer.status.is_lost:
            run.status, run.heard_s, run.n_failed = answer.status, now_s, 0
            self._ailing_until_s.pop(run.machine, None)
            return
        if run.left_s is None:
            logger.warning("lot %s ended on %s: %s", lot, run.machine, answer.error or "by itself")
            run.n_restarts += 1
            run.n_failed += 1
            wait_s = backoff_s(run.n_failed - 1, jitter=0.5, first_s=1.0, longest_s=RETRY_LONGEST_S)
            run.not_before_s = now_s + (wait_s if run.n_failed > 1 else 0.0)
            self._ailing_until_s[run.machine] = now_s + DOUBTFUL_S
        self._workers.kill(lot)
        run.machine = run.status = run.left_s = None

    def _judge(self, lot: str, run: LotRun, there: Collection[str], now_s: float) -> None:
        """End a lot whose machine is gone, or of which nothing is heard."""
        assert run.machine is not None  # noqa: S101 -- it runs
        limit_s = SILENT_S if run.status is not None else START_S
        is_late = now_s - run.heard_s > limit_s
        is_leaving_late = run.left_s is not None and now_s - run.left_s > LEAVE_S
        if run.machine in there and not is_late and not is_leaving_late:
            return
        if is_late:
            self._ailing_until_s[run.machine] = now_s + AILING_S
        if not is_leaving_late:
            why = f"silent for {now_s - run.heard_s:.0f} s" if is_late else "its machine is gone"
            logger.warning("lot %s on %s: %s; it starts elsewhere", lot, run.machine, why)
            run.n_restarts += 1
        self._workers.kill(lot)
        run.machine = run.status = run.left_s = None

    def _place(self, usable: Collection[str], now_s: float) -> dict[str, str]:
        """Say where every lot is wanted: what runs stays, what waits avoids ailing machines."""
        carries = {name: n for name, n in self.capacities.items() if name in usable}
        if not carries:
            self._once.warn("nowhere", "there is no machine for the lots")
            return {}
        well = {name for name in usable if self._ailing_until_s.get(name, 0.0) <= now_s}
        by_age = sorted(self.runs.items(), key=lambda item: item[1].started_s)
        running = {lot: run.machine for lot, run in by_age if run.machine is not None}
        pinned = {
            lot: name
            for lot, name in self.pinned.items()
            if lot in self._sizes and (name in well or running.get(lot) == name)
        }
        waiting = {lot: name for lot, name in self._wanted.items() if name in well}
        earlier = pinned | {lot: name for lot, name in running.items() if lot not in pinned}
        earlier |= {lot: n for lot, n in waiting.items() if lot in self._sizes.keys() - earlier}
        n_running = Counter[str]()
        for lot, name in running.items():
            n_running[name] += self._sizes[lot]
        room = {name: n if name in well else min(n, n_running[name]) for name, n in carries.items()}
        try:
            room = {name: n for name, n in room.items() if n}
            placed = place(self._sizes, capacities=room, earlier=earlier)
        except InputError as error:
            # More than they carry, for a while, is better than cameras that nobody watches.
            self._once.warn("full", f"{error}; until then the others carry more")
            stays = {lot: n for lot, n in (running | pinned).items() if n in carries}
            return crowd(self._sizes, carries=carries, stays=stays, usable=well & carries.keys())
        self._once.forget(("nowhere", "full"))
        return placed

    def _bring(self, lot: str, run: LotRun, machine: str, now_s: float) -> None:
        """Bring a lot to the machine where it is wanted: it leaves first, in good order."""
        if run.machine is None and now_s >= run.not_before_s:
            logger.info("%s starts on %s", lot, machine)
            run.machine, run.heard_s, run.started_s = machine, now_s, now_s
            self._workers.start(lot, machine)
        elif run.machine not in (None, machine) and run.left_s is None:
            logger.info("%s leaves %s for %s", lot, run.machine, machine)
            run.left_s = now_s
            self._workers.leave(lot)


def crowd(
    sizes: Mapping[str, int],
    *,
    carries: Mapping[str, int],
    stays: Mapping[str, str],
    usable: Set[str],
) -> dict[str, str]:
    """Place lots on machines that do not carry them all, so that each has its share.

    Args:
        sizes: By lot, its cameras.
        carries: By machine, how many cameras it should carry.
        stays: By lot, its machine, of those that nothing is to move.
        usable: Where the others may go; nowhere: anywhere.
    """
    placed = {**stays}
    loads = Counter[str]()
    for lot, machine in stays.items():
        loads[machine] += sizes[lot]
    for lot in sorted(sizes.keys() - stays.keys(), key=lambda lot: (-sizes[lot], lot)):
        machine = min(
            usable or carries, key=lambda name: ((loads[name] + sizes[lot]) / carries[name], name)
        )
        loads[machine] += sizes[lot]
        placed[lot] = machine
    return placed
