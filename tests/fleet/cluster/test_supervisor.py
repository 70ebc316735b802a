"""Every lot runs on one machine that is there and well; a change moves what it must, no more."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broker.fake_machines import CAPACITIES, Machines

from fleet.cluster.supervisor import (
    AILING_S,
    LEAVE_S,
    SILENT_S,
    START_S,
    Supervisor,
)

SIZES = {"a": 2, "b": 2, "c": 2, "d": 2}
PLAN = {"a": "m1", "b": "m1", "c": "m2", "d": "m3"}


class Fleet:
    """A supervisor, its machines and a clock."""

    def __init__(
        self, sizes: Mapping[str, int] = SIZES, capacities: Mapping[str, int] = CAPACITIES
    ) -> None:
        self.now_s = 100.0
        self.machines = Machines()
        self.machines.there = dict.fromkeys(capacities, True)
        self.supervisor = Supervisor(
            self.machines,
            sizes=sizes,
            capacities=capacities,
            machines=PLAN,
            clock=lambda: self.now_s,
        )

    def run(self, seconds: float = 1.0) -> None:
        """Let time pass, a step a second."""
        for _ in range(round(seconds)):
            self.supervisor.step()
            self.now_s += 1.0


@pytest.fixture
def fleet() -> Fleet:
    made = Fleet()
    made.run(2)
    assert made.machines.running == PLAN
    return made


def test_an_actor_that_dies_is_started_again_where_it_was(fleet: Fleet) -> None:
    fleet.machines.ends["a"] = "its process died"
    fleet.run(2)
    assert fleet.machines.running == PLAN
    assert fleet.machines.started[4:] == [("a", "m1")]
    assert fleet.supervisor.runs["a"].n_restarts == 1


def test_a_lot_that_hangs_alone_is_started_again_and_its_neighbour_stays(fleet: Fleet) -> None:
    fleet.machines.mute.add("a")
    fleet.run(SILENT_S + 2)
    fleet.machines.mute.clear()
    fleet.run(2)
    assert {**fleet.machines.running, "a": "m1"} == PLAN
    assert [lot for lot, _ in fleet.machines.started[4:]] == ["a"]


def test_a_lot_that_died_with_its_machine_is_started_elsewhere_at_once(fleet: Fleet) -> None:
    """Ray believes in a machine for some time after its death."""
    del fleet.machines.running["d"]
    fleet.machines.ends["d"] = "its process died"
    fleet.run(2)
    assert fleet.machines.running["d"] in ("m1", "m2")


def test_a_lot_that_ends_again_and_again_is_tried_more_and_more_rarely(fleet: Fleet) -> None:
    for _ in range(120):
        if "a" in fleet.machines.running:
            fleet.machines.ends["a"] = "no such bundle"
            del fleet.machines.running["a"]
        fleet.run()
    assert 6 < fleet.supervisor.runs["a"].n_restarts < 14


def test_a_machine_that_dies_loses_its_lots_to_the_others_and_gets_none_back(fleet: Fleet) -> None:
    fleet.machines.there["m1"] = False
    fleet.run(2)
    running = fleet.machines.running
    assert {running["a"], running["b"]} <= {"m2", "m3"}
    assert (running["c"], running["d"]) == ("m2", "m3")
    fleet.machines.there["m1"] = True
    n_started = len(fleet.machines.started)
    fleet.run(5)
    assert len(fleet.machines.started) == n_started, "nothing moves because a machine comes"


def test_a_machine_that_freezes_loses_its_lots_once_they_are_silent(fleet: Fleet) -> None:
    fleet.machines.frozen.add("m1")
    fleet.run(SILENT_S)
    assert fleet.machines.running == PLAN
    fleet.run(3)
    assert "m1" not in fleet.machines.running.values()
    assert len(fleet.machines.started) == 4 + 2
    fleet.machines.there |= {"m2": False, "m3": False}
    fleet.machines.frozen.clear()
    fleet.run(2)
    assert {*fleet.machines.running.values()} == {"m1"}, "where no other is, an ailing one serves"


def test_a_lot_that_never_answers_is_tried_elsewhere() -> None:
    fleet = Fleet()
    fleet.machines.frozen.add("m2")
    fleet.run(START_S)
    assert fleet.machines.running["c"] == "m2"
    fleet.run(3)
    assert fleet.machines.running["c"] in ("m1", "m3")


def test_a_drained_machine_is_left_in_good_order_and_used_again(fleet: Fleet) -> None:
    fleet.machines.stuck.add("b")
    fleet.supervisor.drained.add("m1")
    fleet.run(3)
    assert fleet.machines.running["a"] != "m1"
    assert fleet.machines.running["b"] == "m1", "it still sends what waits"
    fleet.run(LEAVE_S)
    assert "m1" not in fleet.machines.running.values()
    assert fleet.supervisor.runs["a"].n_restarts == 0
    fleet.supervisor.drained.clear()
    fleet.supervisor.drained.update(("m2", "m3"))
    fleet.machines.stuck.clear()
    fleet.run(4)
    assert {*fleet.machines.running.values()} == {"m1"}


def test_a_person_moves_a_lot_and_scales_a_machine(fleet: Fleet) -> None:
    fleet.supervisor.pinned["a"] = "m2"
    fleet.run(3)
    assert fleet.machines.running == PLAN | {"a": "m2"}
    fleet.supervisor.capacities["m1"] = 1
    fleet.run(3)
    assert fleet.machines.running["b"] in ("m2", "m3")


def test_too_few_machines_carry_more_than_they_should(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.machines.there |= {"m2": False, "m3": False}
    fleet.run(3)
    assert fleet.machines.running == dict.fromkeys(SIZES, "m1")
    assert caplog.text.count("until then the others carry more") == 1
    fleet.machines.there["m1"] = False
    fleet.run(3)
    assert not fleet.machines.running
    fleet.machines.there["m2"] = True
    fleet.run(3)
    assert fleet.machines.running == dict.fromkeys(SIZES, "m2")


def test_a_lot_that_hangs_alone_in_a_full_fleet_moves_no_neighbour() -> None:
    fleet = Fleet(capacities={"m1": 4, "m2": 2, "m3": 2})
    fleet.run(3)
    fleet.machines.mute.add("a")
    fleet.run(SILENT_S + 1)
    fleet.machines.mute.clear()
    fleet.run(5)
    assert fleet.machines.started[4:] == [("a", "m2"), ("a", "m1")]
    assert fleet.machines.running == PLAN


@pytest.mark.parametrize("kind", ["ends", "frozen"])
def test_a_machine_too_small_for_a_lot_carries_it_while_the_other_is_in_doubt(kind: str) -> None:
    """It ended `har-fleet run` and with it all lots."""
    fleet = Fleet(sizes={"a": 50}, capacities={"m1": 60, "m2": 10})
    fleet.run(3)
    if kind == "ends":
        del fleet.machines.running["a"]
        fleet.machines.ends["a"] = "its process died"
    else:
        fleet.machines.frozen.add("m1")
    fleet.run(SILENT_S + 2)
    assert fleet.machines.running == {"a": "m2"}
    fleet.machines.frozen.clear()
    fleet.run(AILING_S)
    assert fleet.machines.running == {"a": "m1"}


def test_another_plan_touches_its_lots_alone(fleet: Fleet) -> None:
    sizes = {"a": 2, "b": 3, "d": 2, "e": 2}
    fleet.supervisor.change(sizes, CAPACITIES, machines={"e": "m3"}, changed={"b"})
    fleet.run(4)
    assert sorted(fleet.machines.started[4:]) == [("b", "m1"), ("e", "m3")]
    assert fleet.machines.running == {"a": "m1", "b": "m1", "d": "m3", "e": "m3"}


def test_at_the_end_all_leave(fleet: Fleet) -> None:
    fleet.supervisor.close()
    assert fleet.supervisor.is_running
    fleet.supervisor.hear()
    assert not fleet.supervisor.is_running
    assert not fleet.machines.running


FAULTS = st.one_of(
    st.tuples(st.just("there"), st.sampled_from(sorted(CAPACITIES)), st.booleans()),
    st.tuples(st.just("frozen"), st.sampled_from(sorted(CAPACITIES)), st.booleans()),
    st.tuples(st.just("ends"), st.sampled_from(sorted(SIZES)), st.booleans()),
    st.tuples(st.just("drained"), st.sampled_from(sorted(CAPACITIES)), st.booleans()),
    st.tuples(st.just("pass"), st.just(""), st.booleans()),
)


@given(
    faults=st.lists(FAULTS, max_size=25),
    capacities=st.sampled_from([CAPACITIES, {"m1": 6, "m2": 2, "m3": 1}]),
)
def test_whatever_happened_once_all_is_well_every_lot_runs(
    faults: list[tuple[str, str, bool]], capacities: dict[str, int]
) -> None:
    fleet = Fleet(capacities=capacities)
    for kind, name, flag in faults:
        if kind == "there":
            fleet.machines.there[name] = flag
        elif kind == "frozen":
            (fleet.machines.frozen.add if flag else fleet.machines.frozen.discard)(name)
        elif kind == "drained":
            (fleet.supervisor.drained.add if flag else fleet.supervisor.drained.discard)(name)
        elif kind == "ends" and fleet.machines.running.pop(name, None):
            fleet.machines.ends[name] = "its process died"
        fleet.run(9 if flag else 1)
    fleet.machines.there = dict.fromkeys(CAPACITIES, True)
    fleet.machines.frozen.clear()
    fleet.supervisor.drained.clear()
    fleet.run(START_S + 15)
    assert fleet.machines.running.keys() == SIZES.keys()
    said = {lot: run.machine for lot, run in fleet.supervisor.runs.items()}
    assert said == fleet.machines.running
