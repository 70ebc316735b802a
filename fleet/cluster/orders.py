"""What a person asks of a running fleet, and what it says of itself: tables for both sides."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from fleet.cluster.rolling_restart import RestartOrder
from fleet.cluster.supervisor import LotRun
from fleet.inventory.fleet import Fleet
from fleet.lots.lot import LotStatus
from fleet.lots.lot_tables import run
from fleet.planning.plan import Plan

AT_ONCE = 2000
"""Cameras of a plan that are told together: each answer of the database has to come soon."""
_TELL = """
INSERT INTO fleet_status (lot, machine, cameras, online, fps, latency_ms, waiting, restarts, away)
SELECT lot, machine, cameras, online, fps, latency_ms, waiting, restarts, away
FROM json_populate_recordset(CAST(NULL AS fleet_status), :rows)
ON CONFLICT (lot) DO UPDATE SET
    (machine, cameras, online, fps, latency_ms, waiting, restarts, away, told_at)
    = (excluded.machine, excluded.cameras, excluded.online, excluded.fps, excluded.latency_ms,
        excluded.waiting, excluded.restarts, excluded.away, now())"""


@dataclass(frozen=True, slots=True)
class Orders:
    """What was asked so far.

    Attributes:
        drained: Machines that are to be empty.
        pinned: By lot, the machine that somebody chose.
        capacities: By machine, how many cameras it carries in place of what the settings say.
        restarts: Lots that are to be restarted, one after another in this order.
    """

    drained: frozenset[str]
    pinned: Mapping[str, str]
    capacities: Mapping[str, int]
    restarts: Sequence[RestartOrder]


def read_orders(db: Connection) -> Orders:
    """Read what was asked."""
    machines = run(db, "SELECT machine, cameras, drained FROM fleet_machines").all()
    pins = run(db, "SELECT lot, machine FROM fleet_pins").all()
    restarts = run(db, "SELECT lot, asked_at FROM fleet_restarts ORDER BY asked_at, lot")
    return Orders(
        frozenset(row.machine for row in machines if row.drained),
        {row.lot: row.machine for row in pins},
        {row.machine: row.cameras for row in machines if row.cameras is not None},
        [RestartOrder(row.lot, row.asked_at) for row in restarts],
    )


def drain(db: Connection, machine: str, drained: bool) -> None:
    """Ask that a machine be emptied, or used again."""
    run(
        db,
        "INSERT INTO fleet_machines (machine, drained) VALUES (:machine, :drained)"
        " ON CONFLICT (machine) DO UPDATE SET drained = :drained",
        machine=machine,
        drained=drained,
    )


def scale(db: Connection, machine: str, cameras: int | None) -> None:
    """Ask that a machine carry so many cameras; none: as many as the settings say."""
    run(
        db,
        "INSERT INTO fleet_machines (machine, cameras) VALUES (:machine, :cameras)"
        " ON CONFLICT (machine) DO UPDATE SET cameras = :cameras",
        machine=machine,
        cameras=cameras,
    )


def move(db: Connection, lot: str, machine: str | None) -> None:
    """Ask that a lot run on a machine for as long as that is there; none: where there is room."""
    if machine is None:
        run(db, "DELETE FROM fleet_pins WHERE lot = :lot", lot=lot)
        return
    run(
        db,
        "INSERT INTO fleet_pins VALUES (:lot, :machine)"
        " ON CONFLICT (lot) DO UPDATE SET machine = :machine",
        lot=lot,
        machine=machine,
    )


def restart(db: Connection, lots: Iterable[str]) -> None:
    """Ask that lots, or partitions, be restarted, one after another."""
    for lot in lots:
        run(
            db,
            "INSERT INTO fleet_restarts (lot) VALUES (:lot)"
            " ON CONFLICT (lot) DO UPDATE SET asked_at = now()",
            lot=lot,
        )


def end_restarts(db: Connection, ended: Iterable[RestartOrder]) -> None:
    """Forget restarts, unless somebody has asked for them again."""
    for each in ended:
        run(
            db,
            "DELETE FROM fleet_restarts WHERE lot = :lot AND asked_at = :asked_at",
            lot=each.lot,
            asked_at=each.asked_at,
        )


def write_status(db: Connection, runs: Mapping[str, LotRun], sizes: Mapping[str, int]) -> None:
    """Say how all lots fare, and nothing more of those that are gone."""
    rows = [
        {
            "lot": lot,
            "machine": each.machine,
            "cameras": sizes[lot],
            "online": status.n_online,
            "fps": status.fps,
            "latency_ms": status.latency_ms,
            "waiting": status.n_waiting,
            "restarts": each.n_restarts,
            "away": status.away,
        }
        for lot, each in runs.items()
        for status in [each.status or LotStatus(n_cameras=0)]
    ]
    run(db, "DELETE FROM fleet_status WHERE lot <> ALL(:lots)", lots=list(runs))
    run(db, _TELL, rows=json.dumps(rows))


def write_plan(db: Connection, fleet: Fleet, plan: Plan) -> None:
    """Say which camera is whose and where, in place of what was said before."""
    rows = [
        {
            "camera": camera.name,
            "home": camera.home,
            "lot": plan.lots[camera.name],
            "partition": plan.partitions.get(camera.home),
        }
        for camera in fleet.cameras
    ]
    run(db, "DELETE FROM fleet_plan")
    for begin in range(0, len(rows), AT_ONCE):
        db.execute(
            text("INSERT INTO fleet_plan VALUES (:camera, :home, :lot, :partition)"),
            rows[begin : begin + AT_ONCE],
        )
