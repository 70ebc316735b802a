"""Cuts cameras into lots and places lots on machines, so that a change touches its lots alone.

A camera stays in its lot, and a lot on its machine, from plan to plan: the numbers of a camera's
events and the broker's sessions hang on the lot's name. All is linear in the number of cameras.
"""

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fleet.inventory.fleet import Fleet
from har_stream.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Plan:
    """Which lot a camera is in, and where the lot runs.

    Attributes:
        lots: By camera, its lot.
        partitions: By home, the partition that forecasts for it.
        machines: By lot, the machine that carries it.
    """

    lots: Mapping[str, str] = field(default_factory=dict)
    partitions: Mapping[str, str] = field(default_factory=dict)
    machines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanChanges:
    """What a new plan changes of an earlier one; all else runs on as it is.

    Attributes:
        new: Lots that were not there.
        gone: Lots without any camera left.
        changed: Lots that gained or lost cameras.
        moved: Lots that another machine carries.
    """

    new: frozenset[str]
    gone: frozenset[str]
    changed: frozenset[str]
    moved: frozenset[str]


def make_plan(fleet: Fleet, earlier: Plan) -> Plan:
    """Plan a fleet.

    Args:
        fleet: As it is to be.
        earlier: The plan so far; an empty one at first.

    Raises:
        InputError: The machines do not carry so many cameras.
    """
    settings = fleet.settings
    lots = group(
        [camera.name for camera in fleet.cameras],
        size=settings.lot_cameras,
        prefix=f"{settings.name}-",
        earlier=earlier.lots,
    )
    partitions = group(
        dict.fromkeys(camera.home for camera in fleet.cameras),
        size=settings.partition_homes,
        prefix=f"{settings.name}-homes-",
        earlier=earlier.partitions,
    )
    sizes, before = Counter(lots.values()), Counter(earlier.lots.values())
    # Those that have grown come last: the room of a lot that nobody touched is never theirs.
    kept = {
        lot: earlier.machines[lot]
        for lot in sorted(sizes, key=lambda lot: sizes[lot] > before[lot])
        if lot in earlier.machines
    }
    return Plan(lots, partitions, place(sizes, capacities=settings.machines, earlier=kept))


def group(
    names: Iterable[str], *, size: int, prefix: str, earlier: Mapping[str, str]
) -> dict[str, str]:
    """Put names into groups: one that has a group keeps it, a new one takes the first free place.

    Args:
        names: All of them.
        size: Of a group, at most; a larger one from before stays as it is.
        prefix: What the name of a group begins with; its number follows.
        earlier: By name, its group so far.

    Returns:
        By name, in the order of `names`, its group.
    """
    found = {name: earlier.get(name, "") for name in names}
    n_in = Counter(found.values())
    n_in.pop("", None)
    free = (each for each in sorted(n_in) for _ in range(size - n_in[each]))
    taken = {*earlier.values()}
    numbers = [int(each[1]) for name in taken if (each := _NUMBERED.fullmatch(name, len(prefix)))]
    number = max(numbers, default=0)
    n_left = 0
    for name, known in found.items():
        if known:
            continue
        place = next(free, None)
        if place is None:
            if not n_left:
                number, n_left = number + 1, size
            n_left -= 1
            place = f"{prefix}{number:05}"
        found[name] = place
    return found


_NUMBERED = re.compile(r"(\d{5,})")


def place(
    sizes: Mapping[str, int], *, capacities: Mapping[str, int], earlier: Mapping[str, str]
) -> dict[str, str]:
    """Place lots on machines: one that fits where it is stays, the rest go where most is free.

    Args:
        sizes: By lot, its cameras.
        capacities: By machine, how many cameras it carries.
        earlier: By lot, its machine so far; the first ones have the first claim.

    Raises:
        InputError: No machine has room for a lot.
    """
    free = dict(capacities)
    placed: dict[str, str] = {}
    for lot, machine in earlier.items():
        if free.get(machine, 0) >= sizes[lot]:
            free[machine] -= sizes[lot]
            placed[lot] = machine
    emptiest = [(-free[machine] / capacities[machine], machine) for machine in free]
    heapq.heapify(emptiest)
    waiting = sorted(sizes.keys() - placed.keys(), key=lambda lot: (-sizes[lot], lot))
    for lot in waiting:
        passed = []
        while emptiest and free[emptiest[0][1]] < sizes[lot]:
            passed.append(heapq.heappop(emptiest))
        if not emptiest:
            raise InputError(
                f"no machine has room for lot {lot} (its cameras: {sizes[lot]}; those of all lots: "
                f"{sum(sizes.values())}; all machines carry: {sum(capacities.values())}); add a "
                "machine, or set lot_cameras lower"
            )
        machine = emptiest[0][1]
        free[machine] -= sizes[lot]
        placed[lot] = machine
        heapq.heapreplace(emptiest, (-free[machine] / capacities[machine], machine))
        for each in passed:
            heapq.heappush(emptiest, each)
    return placed


def compare_plans(earlier: Plan, now: Plan) -> PlanChanges:
    """Say which lots a new plan touches."""
    before, after = earlier.machines.keys(), now.machines.keys()
    touched = {
        lot
        for camera in earlier.lots.keys() | now.lots.keys()
        if earlier.lots.get(camera) != now.lots.get(camera)
        for lot in (earlier.lots.get(camera), now.lots.get(camera))
        if lot is not None
    }
    both = before & after
    return PlanChanges(
        new=frozenset(after - before),
        gone=frozenset(before - after),
        changed=frozenset(touched & both),
        moved=frozenset(lot for lot in both if earlier.machines[lot] != now.machines[lot]),
    )
