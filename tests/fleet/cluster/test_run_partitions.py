"""Partitions of a fleet: told their homes alone, spread over machines, untouched by other plans."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.broker.fake_machines import Machines

from fleet.cluster.rolling_restart import RestartOrder
from fleet.cluster.run_partitions import RunningPartitions, make_partition_tasks
from fleet.inventory.fleet import read_fleet
from fleet.partitions.partition_task import PartitionTask
from fleet.planning.plan import Plan, make_plan
from har_stream.core.errors import InputError

YAML = """\
name: town
machines: {m1: 9, m2: 9}
lot_cameras: 3
partition_homes: 2
database: postgresql://har@db/har
timezone: Europe/Berlin
logins: logins
forecast: {refresh_s: 90}
"""


def test_a_partition_is_told_its_homes_and_their_cameras(write_fleet: Callable[..., Path]) -> None:
    fleet = read_fleet(write_fleet(6, YAML))
    tasks = make_partition_tasks(fleet, make_plan(fleet, Plan()))
    assert [*tasks] == ["town-homes-00001", "town-homes-00002"]
    task = tasks["town-homes-00001"]
    again = PartitionTask.model_validate_json(task.model_dump_json(exclude_unset=True))
    assert again == task
    assert dict(task.homes) == {
        "h0": (("town-00001", "c00"), ("town-00001", "c01")),
        "h1": (("town-00001", "c02"), ("town-00002", "c03")),
    }
    assert (task.settings.timezone, task.settings.forecast.refresh_s) == ("Europe/Berlin", 90)
    assert task.settings.broker.username == "town-homes-00001"
    with pytest.raises(InputError, match="camera c00 is in no lot yet; run har-fleet plan first"):
        make_partition_tasks(fleet, Plan())
    plan = make_plan(fleet, Plan())
    without = replace(plan, partitions={"h0": "town-homes-00001"})
    assert {*make_partition_tasks(fleet, without)["town-homes-00001"].homes} == {"h0"}


def test_partitions_share_the_machines_and_leave_what_is_drained(
    write_fleet: Callable[..., Path],
) -> None:
    machines = Machines()
    running = RunningPartitions({}, machines)
    fleet = read_fleet(write_fleet(8, YAML))
    plan = make_plan(fleet, Plan())
    running.take_plan(fleet, plan)
    running.step(set(), {})
    assert sorted(machines.running.values()) == ["m1", "m2"]
    one, two = machines.running
    started = len(machines.started)

    more = read_fleet(write_fleet(9, YAML))  # its home is in a partition of its own
    running.take_plan(more, make_plan(more, plan))
    running.step(set(), {})
    assert len(machines.started) == started + 1
    for _ in range(3):
        running.step({"m1"}, {})
    assert {machines.running[one], machines.running[two]} == {"m2"}
    machines.started.clear()
    asked_at = datetime(2026, 3, 1, tzinfo=UTC)
    orders = [RestartOrder(name, asked_at) for name in (one, two)]
    for _ in range(9):
        running.step({"m1"}, {})
        ended = running.restart.step(orders)
        orders = [each for each in orders if each not in ended]
    assert not orders
    assert machines.started == [(one, "m2"), (two, "m2")], "one after another, where they are"
    running.close()
    running.hear()
    assert not running.is_running


@pytest.mark.parametrize("section", ["rules: [{}]", "sensors: [{}]", "journal: sqlite://"])
def test_what_is_of_one_home_is_no_setting_of_a_fleet(
    section: str, write_fleet: Callable[..., Path]
) -> None:
    sections = {
        "rules: [{}]": "rules: [{name: a, activity: eating, within: 15min, probability: 0.5, "
        "topic: a/b}]",
        "sensors: [{}]": "sensors: [{name: bed, topic: a/b}]",
    }
    path = write_fleet(2, f"machines: {{m1: 2}}\nforecast: {{{sections.get(section, section)}}}\n")
    with pytest.raises(InputError, match="a fleet's homes have none"):
        read_fleet(path)
