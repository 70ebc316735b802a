"""A plan holds everybody, overloads nobody, and a change of cameras touches their lots alone."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.inventory.fleet import Fleet
from fleet.inventory.fleet_settings import FleetCamera, FleetSettings
from fleet.planning.plan import Plan, compare_plans, group, make_plan, place
from har_stream.core.errors import InputError

SIZE = 4
NAMES = st.sets(st.integers(0, 60)).map(lambda numbers: {f"c{n}": f"h{n // 3}" for n in numbers})


def _fleet(homes: Mapping[str, str], machines: Mapping[str, int]) -> Fleet:
    cameras = [
        FleetCamera(name=name, home=home, source="sim:1") for name, home in sorted(homes.items())
    ]
    settings = FleetSettings(name="city", machines=machines, lot_cameras=SIZE, partition_homes=5)
    return Fleet(settings, tuple(cameras), Path("plan.csv"))


def _check(plan: Plan, homes: Mapping[str, str], machines: Mapping[str, int]) -> None:
    assert plan.lots.keys() == homes.keys()
    assert plan.partitions.keys() == {*homes.values()}
    assert plan.machines.keys() == {*plan.lots.values()}
    sizes = Counter(plan.lots.values())
    assert max(sizes.values(), default=0) <= SIZE
    assert max(Counter(plan.partitions.values()).values(), default=0) <= 5
    load: Counter[str] = Counter()
    for lot, machine in plan.machines.items():
        load[machine] += sizes[lot]
    assert all(load[machine] <= machines.get(machine, 0) for machine in load)


@given(steps=st.lists(NAMES, min_size=1, max_size=5))
def test_adding_and_removing_cameras_touches_their_lots_alone(
    steps: list[dict[str, str]],
) -> None:
    machines = {"m1": 40, "m2": 30, "m3": 20}
    plan, before = Plan(), dict[str, str]()
    for homes in steps:
        earlier, plan = plan, make_plan(_fleet(homes, machines), plan)
        _check(plan, homes, machines)
        stayed = before.keys() & homes.keys()
        assert all(plan.lots[camera] == earlier.lots[camera] for camera in stayed)
        of_others = {
            table[camera]
            for table in (earlier.lots, plan.lots)
            for camera in before.keys() ^ homes.keys()
            if camera in table
        }
        changes = compare_plans(earlier, plan)
        assert changes.new | changes.gone | changes.changed == of_others
        assert changes.moved <= of_others
        before = homes


@given(homes=NAMES, lost=st.sampled_from(["m1", "m2", "m3"]))
def test_only_the_lots_of_a_machine_that_leaves_move(homes: dict[str, str], lost: str) -> None:
    machines = {"m1": 70, "m2": 70, "m3": 70}
    earlier = make_plan(_fleet(homes, machines), Plan())
    rest = {name: capacity for name, capacity in machines.items() if name != lost}
    plan = make_plan(_fleet(homes, rest), earlier)
    _check(plan, homes, rest)
    assert compare_plans(earlier, plan).moved == {
        lot for lot, machine in earlier.machines.items() if machine == lost
    }
    back = make_plan(_fleet(homes, machines), plan)
    assert not compare_plans(plan, back).moved, "a machine that comes takes what is new"


@given(homes=NAMES)
def test_the_same_fleet_gives_the_same_plan(homes: dict[str, str]) -> None:
    fleet = _fleet(homes, {"m1": 40, "m2": 40})
    plan = make_plan(fleet, Plan())
    assert make_plan(fleet, Plan()) == plan == make_plan(fleet, plan)


def test_lots_are_filled_and_numbered() -> None:
    first = group("abcde", size=2, prefix="city-", earlier={})
    assert [first[name][-1] for name in "abcde"] == ["1", "1", "2", "2", "3"]
    later = group("bcdefgh", size=2, prefix="city-", earlier=first)
    assert [later[name] for name in "fgh"] == ["city-00001", "city-00003", "city-00004"]
    assert group(["x"], size=1, prefix="land-", earlier={"y": "city-00009"}) == {
        "x": "land-00010"
    }, "another name of the fleet counts on"


def test_a_lot_goes_where_the_largest_share_is_free() -> None:
    sizes = dict.fromkeys("abcdef", 5)
    placed = place(sizes, capacities={"large": 40, "small": 20}, earlier={})
    assert Counter(placed.values()) == {"large": 4, "small": 2}


def test_a_lot_that_grew_leaves_a_full_machine_and_drives_nobody_out() -> None:
    machines = {"m1": 6, "m2": 4}
    earlier = Plan(
        {"c0": "city-00001", "c1": "city-00001", **{f"c{n}": "city-00002" for n in (2, 3, 4, 5)}},
        {},
        {"city-00001": "m1", "city-00002": "m1"},
    )
    plan = make_plan(_fleet({f"c{n}": "h" for n in range(8)}, machines), earlier)
    assert plan.machines == {"city-00001": "m2", "city-00002": "m1"}


def test_too_many_cameras_are_refused_with_the_figures() -> None:
    with pytest.raises(InputError, match=r"all lots: 9; all machines carry: 8\); add"):
        make_plan(_fleet({f"c{n}": "h" for n in range(9)}, {"m1": 4, "m2": 4}), Plan())
