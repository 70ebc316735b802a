"""A fleet as its tables tell of it, for whoever only looks: machines, their lots, homes by state.

It reads and never writes. `har-fleet status` shows its lots; `page` imports this module alone of
`fleet`, see tests/repository/test_architecture.py.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from fleet.inventory.fleet_settings import DatabaseUrl
from fleet.lots.lot_tables import bound_answers, run
from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from predictor.journal.database import make_engine

SILENT_S = 10.0
"""Lots and partitions are told of every second; what is older than this is not of now."""
MANY_WAITING = 100
"""Events of a lot that wait for the broker: more are worth a look, as the alerts have it."""
N_MACHINES = 12
"""Machines of a page."""
N_LOTS = 60
"""Lots of a machine that are shown, those that are not well first; a search finds the others."""
N_HOMES = 50
"""Homes of a page."""
LOT_STATES = ("silent", "waiting", "some away", "drained", "moved", "runs")
"""What needs somebody first."""
HOME_STATES = ("silent", "no forecast", "some away", "runs")

_LOTS = """lots AS (
    SELECT s.lot, s.machine, s.cameras, s.online, s.fps, s.latency_ms, s.waiting, s.restarts,
        s.told_at, s.away, CASE
            WHEN s.machine IS NULL OR s.told_at < now() - :silent_s * interval '1 s'
                OR s.online = 0 THEN 'silent'
            WHEN s.waiting > :many_waiting THEN 'waiting'
            WHEN s.online < s.cameras THEN 'some away'
            WHEN m.drained THEN 'drained'
            WHEN p.lot IS NOT NULL THEN 'moved'
            ELSE 'runs' END AS state
    FROM fleet_status s
    LEFT JOIN fleet_machines m ON m.machine = s.machine
    LEFT JOIN fleet_pins p ON p.lot = s.lot
)"""
_FOUND_LOTS = """
SELECT lot, machine, cameras, online, fps, latency_ms, waiting, restarts, told_at, state
FROM lots WHERE strpos(lower(lot), :sought) > 0 OR strpos(lower(machine), :sought) > 0 OR lot IN (
    SELECT lot FROM fleet_plan
    WHERE strpos(lower(camera), :sought) > 0 OR strpos(lower(home), :sought) > 0)
ORDER BY lot"""
_TABLE_OF_PARTITIONS = "fleet_homes.partitions"
_PARTITIONS = """partitions AS (
    SELECT partition, told_at < now() - :silent_s * interval '1 s' AS is_silent
    FROM fleet_homes.partitions
)"""
_NO_PARTITIONS = "partitions AS (SELECT '' AS partition, true AS is_silent)"
_HOMES = """of_cameras AS (
    SELECT p.camera, p.home, p.lot, p.partition, l.machine,
        coalesce(l.state = 'silent' OR p.camera = ANY(l.away), true) AS is_away,
        strpos(lower(p.camera), :sought) > 0 AS is_sought
    FROM fleet_plan p LEFT JOIN lots l ON l.lot = p.lot
), of_homes AS (
    SELECT home, min(partition) AS partition, count(*) AS n_cameras,
        count(*) FILTER (WHERE is_away) AS n_away,
        (array_agg(camera ORDER BY is_sought DESC, is_away DESC, camera))[1:4] AS cameras,
        array_agg(DISTINCT lot) AS lots
    FROM of_cameras GROUP BY home
    HAVING strpos(lower(home), :sought) > 0 OR bool_or(is_sought)
        OR bool_or(strpos(lower(lot), :sought) > 0) OR bool_or(strpos(lower(machine), :sought) > 0)
), homes AS (
    SELECT h.home, CASE
            WHEN n_away = n_cameras THEN 'silent'
            WHEN coalesce(t.is_silent, true) THEN 'no forecast'
            WHEN n_away > 0 THEN 'some away'
            ELSE 'runs' END AS state,
        n_cameras, n_away, cameras, lots, h.partition
    FROM of_homes h LEFT JOIN partitions t ON t.partition = h.partition
)"""
_PAGE_OF_HOMES = """
SELECT home, state, n_cameras, n_away, cameras, lots, partition FROM homes
ORDER BY array_position(CAST(:states AS text[]), state), home LIMIT :n_homes OFFSET :after"""
_COUNTED_HOMES = "SELECT state, count(*) AS n FROM homes GROUP BY state"


class NothingToldError(InputError):
    """No `har-fleet run` of this version has said anything in this database."""


@dataclass(frozen=True, slots=True)
class LotView:
    """A lot as it was last told of; `state` is one of `LOT_STATES`."""

    lot: str
    machine: str | None
    cameras: int
    online: int
    fps: float
    latency_ms: float
    waiting: int
    restarts: int
    told_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine and its lots.

    Attributes:
        name: None stands for nowhere.
        is_drained: Whether it is to be empty.
        lots: Those that are shown, what needs somebody first.
        n_lots: How many there are.
        cameras: Of all its lots.
        online: Those of them that deliver.
    """

    name: str | None
    is_drained: bool
    lots: Sequence[LotView]
    n_lots: int
    cameras: int
    online: int


@dataclass(frozen=True, slots=True)
class HomeView:
    """A home; `state` is one of `HOME_STATES`, `cameras` are some of `n_cameras`."""

    home: str
    state: str
    n_cameras: int
    n_away: int
    cameras: Sequence[str]
    lots: Sequence[str]
    partition: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A page of what was found.

    Attributes:
        told_at: When anything was told of lots last; none: there is no lot.
        is_old: Whether that is too long ago to be of now.
        machines: Of this page.
        n_machines: How many were found.
        lots: By state, how many were found.
        cameras: Of the lots that were found.
        online: Those of them that deliver.
        homes: Of this page.
        by_state: By state, how many homes were found.
    """

    told_at: datetime | None
    is_old: bool
    machines: Sequence[MachineView]
    n_machines: int
    lots: Mapping[str, int]
    cameras: int
    online: int
    homes: Sequence[HomeView]
    by_state: Mapping[str, int]


def read_lots(db: Connection, sought: str = "") -> list[LotView]:
    """Read what was told of every lot, by name.

    Args:
        db: A transaction on the fleet's database.
        sought: In lower case, part of the name of a lot, its machine, or a camera or home of it.
    """
    asked = {"sought": sought, "silent_s": SILENT_S, "many_waiting": MANY_WAITING}
    return [LotView(*row) for row in run(db, f"WITH {_LOTS} {_FOUND_LOTS}", **asked)]


class FleetReader:
    """Reads a fleet's tables and never writes them; safe to use from several threads.

    Args:
        url: Of the fleet's database, as `fleet.yaml` has it; nothing is connected yet.

    Raises:
        InputError: The URL cannot be used. A password in it is not shown.
    """

    def __init__(self, url: str) -> None:
        self._named = redact(url)
        try:
            checked = TypeAdapter(DatabaseUrl).validate_python(url)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise InputError(f"fleet's database {self._named}: {reason}") from error
        engine = make_engine(checked, sqlite={})
        event.listen(engine, "connect", bound_answers)
        self._engine = engine.execution_options(
            postgresql_readonly=True, isolation_level="REPEATABLE READ"
        )

    def read(self, sought: str, *, machines_page: int, homes_page: int) -> Overview:
        """Read what is found.

        Args:
            sought: Part of the name of a home, camera, lot or machine; empty: all.
            machines_page: From 0.
            homes_page: From 0.

        Raises:
            InputError: The database does not answer, or nothing was told there yet.
        """
        try:
            with self._engine.begin() as db:
                if not _is_told(db):
                    raise NothingToldError(f"{self._named}: no har-fleet run has said anything")
                return _read(db, sought.lower(), machines_page, homes_page)
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            raise InputError(f"database {self._named}: {reason}") from error

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def _is_told(db: Connection) -> bool:
    """Tell whether a run has told of its plan; the tables may have been made before."""
    if run(db, "SELECT to_regclass('fleet_plan')").scalar() is None:
        return False
    return bool(run(db, "SELECT EXISTS (SELECT FROM fleet_plan)").scalar_one())


def _read(db: Connection, sought: str, machines_page: int, homes_page: int) -> Overview:
    asked = {"sought": sought, "silent_s": SILENT_S, "many_waiting": MANY_WAITING}
    told = run(
        db,
        "SELECT max(told_at) AS at, max(told_at) < now() - :silent_s * interval '1 s' AS is_old"
        " FROM fleet_status",
        silent_s=SILENT_S,
    ).one()
    lots = read_lots(db, sought)
    machines = _by_machine(db, lots, sought)
    first = N_MACHINES * machines_page
    has_partitions = run(db, "SELECT to_regclass(:name)", name=_TABLE_OF_PARTITIONS).scalar()
    partitions = _PARTITIONS if has_partitions else _NO_PARTITIONS
    of_homes = f"WITH {_LOTS}, {partitions}, {_HOMES}"
    homes = run(
        db,
        f"{of_homes} {_PAGE_OF_HOMES}",
        **asked,
        states=list(HOME_STATES),
        n_homes=N_HOMES,
        after=N_HOMES * homes_page,
    )
    by_state = run(db, f"{of_homes} {_COUNTED_HOMES}", **asked)
    return Overview(
        told_at=told.at,
        is_old=bool(told.is_old),
        machines=machines[first : first + N_MACHINES],
        n_machines=len(machines),
        lots=Counter(each.state for each in lots),
        cameras=sum(each.cameras for each in lots),
        online=sum(each.online for each in lots),
        homes=[HomeView(*row) for row in homes],
        by_state={row.state: row.n for row in by_state},
    )


def _by_machine(db: Connection, lots: Sequence[LotView], sought: str) -> list[MachineView]:
    """Put lots onto their machines: those without one first, then machines by name."""
    query = "SELECT machine FROM fleet_machines WHERE drained ORDER BY machine"
    drained = list(run(db, query).scalars())

    def place(lot: LotView) -> str:
        return lot.machine or ""

    found = {name: list(each) for name, each in groupby(sorted(lots, key=place), key=place)}
    for name in drained:
        if sought in name.lower():
            found.setdefault(name, [])
    return [
        MachineView(
            name or None,
            name in drained,
            sorted(of_it, key=lambda lot: (LOT_STATES.index(lot.state), lot.lot))[:N_LOTS],
            len(of_it),
            sum(lot.cameras for lot in of_it),
            sum(lot.online for lot in of_it),
        )
        for name, of_it in sorted(found.items())
    ]
