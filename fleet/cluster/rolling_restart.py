"""Restarts lots, or partitions, one after another: each waits until the former decides again.

A lot that does not come back ends it, so that a version that does not work stops one lot, not all.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fleet.cluster.supervisor import LotRun, Supervisor

logger = logging.getLogger(__name__)

BACK_S = 180.0
"""A lot that is not back after so long does not come back; it may have had to move meanwhile."""


@dataclass(frozen=True, slots=True)
class RestartOrder:
    """That a lot is to be restarted.

    Attributes:
        lot: Its name, or that of a partition.
        asked_at: When somebody asked for it; asked again later, it is another order.
    """

    lot: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class _Current:
    order: RestartOrder
    began_s: float
    had_decided: bool


class RollingRestart:
    """Follows orders to restart.

    Args:
        supervisor: Of the lots, or of the partitions.
        clock: Its clock.
    """

    def __init__(self, supervisor: Supervisor, *, clock: Callable[[], float]) -> None:
        self._supervisor = supervisor
        self._clock = clock
        self._current: _Current | None = None
        self._down: tuple[RestartOrder, float] | None = None
        """Whom we wait for, as it is down by itself, and since when."""
        self._ended: set[RestartOrder] = set()

    def step(self, orders: Sequence[RestartOrder]) -> frozenset[RestartOrder]:
        """Restart the next lot, once the former is back; call every second.

        Args:
            orders: Those that nobody has forgotten yet, in order.

        Returns:
            Those that are done, or will not be; whoever keeps orders forgets them.
        """
        self._ended &= {*orders}
        if self._current is not None:
            self._follow(self._current, orders)
        if self._current is None:
            self._begin([each for each in orders if each not in self._ended])
        return frozenset(self._ended)

    def _begin(self, orders: Sequence[RestartOrder]) -> None:
        for order in orders:
            run = self._supervisor.runs.get(order.lot)
            if run is None:
                self._ended.add(order)  # the plan has no such lot any more
                continue
            if _runs(run):
                had_decided = run.status is not None and run.status.has_decided
                self._current = _Current(order, self._clock(), had_decided)
                self._supervisor.restart(order.lot)
                self._down = None
            else:
                self._wait_for(order, orders)
            return

    def _wait_for(self, order: RestartOrder, orders: Sequence[RestartOrder]) -> None:
        if self._down is None or self._down[0] != order:
            self._down = order, self._clock()
        if self._clock() - self._down[1] > BACK_S:
            self._give_up(order, orders, f"has not run for {BACK_S:.0f} s")

    def _give_up(self, order: RestartOrder, orders: Sequence[RestartOrder], why: str) -> None:
        n_left = len({*orders} - self._ended) - 1
        logger.error("lot %s %s; lots that are not restarted: %d", order.lot, why, n_left)
        self._ended |= {*orders}
        self._current = self._down = None

    def _follow(self, current: _Current, orders: Sequence[RestartOrder]) -> None:
        run = self._supervisor.runs.get(current.order.lot)
        is_back = run is None or (_runs(run) and run.started_s >= current.began_s)
        if is_back and run is not None and run.status is not None:
            is_back = run.status.has_decided or not current.had_decided
        if is_back:
            self._ended.add(current.order)
            self._current = None
        elif self._clock() - current.began_s > BACK_S:
            why = f"has no decision {BACK_S:.0f} s after its restart"
            self._give_up(current.order, orders, why)


def _runs(run: LotRun) -> bool:
    return run.machine is not None and run.status is not None and run.left_s is None
