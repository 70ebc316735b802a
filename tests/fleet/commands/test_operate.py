"""`har-fleet status` tells of what is planned, and of what says nothing."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.cluster import orders
from fleet.cluster.supervisor import LotRun
from fleet.commands.fleet import main
from fleet.inventory.fleet import read_fleet
from fleet.lots.lot_tables import open_database, run
from fleet.partitions.home_tables import make_all_tables, note_start
from fleet.planning.plan_file import read_plan


def test_a_partition_that_is_gone_is_not_shown_and_one_that_is_silent_is_named(
    write_fleet: Callable[..., Path], fleet_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = str(uuid.uuid4())
    path = write_fleet(
        6, f"name: {name}\nmachines: {{m1: 6}}\npartition_homes: 1\ndatabase: {fleet_url}\n"
    )
    assert main(["plan", str(path)]) == 0
    fleet = read_fleet(path)
    plan = read_plan(fleet.plan_file)
    one, two, three = sorted(plan.partitions.values())
    make_all_tables(fleet_url)
    engine = open_database(fleet_url)
    with engine.begin() as db:
        orders.write_plan(db, fleet, plan)
        orders.write_status(
            db, {lot: LotRun() for lot in plan.machines}, dict.fromkeys(plan.machines, 6)
        )
        for partition in (one, two, f"{name}-gone"):
            note_start(db, partition, "m1")
        query = "UPDATE fleet_homes.partitions SET told_at = now() - interval '11 s'"
        run(db, f"{query} WHERE partition = :partition", partition=two)
    engine.dispose()
    capsys.readouterr()
    assert main(["status", str(path)]) == 0
    said = capsys.readouterr().out
    assert one in said
    assert f"{name}-gone" not in said
    assert said.endswith(f"partitions that have said nothing for 10 s: {two}, {three}\n")
