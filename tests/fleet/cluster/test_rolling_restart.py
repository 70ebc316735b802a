"""Lots restart one after another, and one that does not come back stops the others' restarts."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from support.broker.fake_machines import CAPACITIES, Machines

from fleet.cluster.rolling_restart import BACK_S, RestartOrder, RollingRestart
from fleet.cluster.supervisor import SILENT_S, Supervisor

LOTS = ("l1", "l2", "l3")
ALL = tuple(RestartOrder(lot, datetime(2026, 3, 1, tzinfo=UTC)) for lot in LOTS)


class Fleet:
    """Three lots at work, and whoever follows orders."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.machines = Machines()
        self.supervisor = Supervisor(
            self.machines,
            sizes=dict.fromkeys(LOTS, 1),
            capacities=CAPACITIES,
            machines={},
            clock=lambda: self.now_s,
        )
        self.restart = RollingRestart(self.supervisor, clock=lambda: self.now_s)
        self.step((), 2)
        self.machines.started.clear()

    def step(self, orders: Sequence[RestartOrder], n_times: int = 1) -> Sequence[RestartOrder]:
        """Let seconds pass; returns the orders that are left."""
        for _ in range(n_times):
            self.now_s += 1.0
            self.supervisor.step()
            ended = self.restart.step(orders)
            orders = [each for each in orders if each not in ended]
        return orders

    def restarted(self) -> list[str]:
        """Lots that were started again, in order."""
        return [lot for lot, _ in self.machines.started]


def test_one_lot_after_another_restarts_where_it_is_and_waits_for_a_decision() -> None:
    fleet = Fleet()
    before = {**fleet.machines.running}
    fleet.machines.undecided.add("l1")
    assert fleet.supervisor.runs["l1"].status is not None
    fleet.machines.undecided.clear()
    left = fleet.step(ALL)
    fleet.machines.undecided.add("l1")
    left = fleet.step(left, 20)
    assert fleet.restarted() == ["l1"], "it runs, and has not decided anything yet"
    assert left == list(ALL)
    fleet.machines.undecided.clear()
    for n_restarted in (1, 2, 3):
        assert fleet.restarted() == [*LOTS[:n_restarted]]
        assert len({*LOTS} - fleet.machines.running.keys()) == 0
        left = fleet.step(left, 3)
    assert left == []
    assert fleet.machines.running == before
    assert [run.n_restarts for run in fleet.supervisor.runs.values()] == [0, 0, 0]


def test_a_lot_without_any_camera_online_need_not_decide() -> None:
    fleet = Fleet()
    fleet.machines.undecided.add("l1")
    fleet.step((), 2)
    left = fleet.step(ALL[:2], 12)
    assert (left, fleet.restarted()) == ([], ["l1", "l2"])


def test_a_lot_that_does_not_come_back_stops_the_others_restarts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet = Fleet()
    left = fleet.step(ALL)
    fleet.machines.undecided.add("l1")
    left = fleet.step(left, int(BACK_S) + 2)
    assert left == []
    assert fleet.restarted() == ["l1"]
    said = "lot l1 has no decision 180 s after its restart; lots that are not restarted: 2"
    assert said in caplog.text
    again = [RestartOrder("l2", datetime(2026, 3, 2, tzinfo=UTC))]
    assert fleet.step(again, 4) == []
    assert fleet.restarted() == ["l1", "l2"]


def test_a_lot_that_is_down_by_itself_is_waited_for_and_one_that_is_gone_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet = Fleet()
    fleet.machines.mute.add("l1")
    fleet.step((), int(SILENT_S) + 2)
    assert fleet.supervisor.runs["l1"].status is None
    gone = RestartOrder("l9", ALL[0].asked_at)
    left = fleet.step([gone, *ALL[:2]], 3)
    assert left == [*ALL[:2]]
    assert "l2" not in fleet.restarted()
    left = fleet.step(left, int(BACK_S))
    assert left == [], "nor for ever"
    assert "lot l1 has not run for 180 s; lots that are not restarted: 1" in caplog.text
    assert "l2" not in fleet.restarted()


def test_a_machine_that_dies_in_between_holds_no_restart_up() -> None:
    fleet = Fleet()
    machine = fleet.machines.running["l1"]
    left = fleet.step(ALL[:2])
    fleet.machines.there[machine] = False
    left = fleet.step(left, 12)
    assert left == []
    assert fleet.machines.running["l1"] != machine
