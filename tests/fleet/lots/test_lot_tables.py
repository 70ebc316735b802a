"""A fleet's tables go forward while lots write; who knows older ones works on, or says so."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from support.broker.event_stores import append
from support.processes.postgresql import PostgreSQL

from fleet.lots import lot_tables
from fleet.lots.lot_outbox import LotOutbox
from fleet.lots.lot_tables import STEPS, USABLE_FROM, open_database, run
from har_stream.core.errors import InputError

NEXT = (
    "ALTER TABLE fleet_events ADD COLUMN weather TEXT",
    "ALTER TABLE fleet_cameras ADD COLUMN colour TEXT",
    "CREATE TABLE fleet_weather (lot TEXT PRIMARY KEY)",
)
"""As the next version might add."""


@pytest.fixture
def database(postgresql: PostgreSQL) -> Iterator[str]:
    """An empty database on the shared server."""
    name = f"db{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(postgresql.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        run(db, f"CREATE DATABASE {name}")
        yield postgresql.url.replace("/postgres?", f"/{name}?")
        run(db, f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def take(database: str) -> Iterator[Callable[[], LotOutbox]]:
    taken: list[LotOutbox] = []

    def make() -> LotOutbox:
        taken.append(LotOutbox(database, f"lot-{len(taken)}", owner="m1"))
        return taken[-1]

    yield make
    for each in taken:
        each.close()


def test_steps_run_while_lots_write_and_no_event_is_lost(
    database: str, take: Callable[[], LotOutbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    lots = [take() for _ in range(2)]
    stopped = threading.Event()

    def write(lot: LotOutbox) -> int:
        n_kept = 0
        while not stopped.is_set() or n_kept < 20:
            n_kept += 1
            assert append(lot) == n_kept, "kept at once, with the next number"
            lot.mark_sent(lot.pending()[0].position)
        return n_kept

    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write, lot) for lot in lots]
        monkeypatch.setattr(lot_tables, "STEPS", (*STEPS, NEXT))
        engine = open_database(database)
        stopped.set()
        kept = [each.result(30) for each in writing]
    with engine.begin() as db:
        assert run(db, "SELECT max(version) FROM fleet_version").scalar_one() == len(STEPS) + 1
        assert run(db, "SELECT count(*) FROM fleet_weather").scalar_one() == 0
        newest = "SELECT max(seq), count(*) FROM fleet_events GROUP BY lot ORDER BY lot"
        assert [(*row,) for row in run(db, newest)] == [(n, n) for n in kept]
    engine.dispose()


def test_a_step_that_has_to_wait_holds_no_lot_up(
    database: str, take: Callable[[], LotOutbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = take()
    engine = open_database(database)
    monkeypatch.setattr(lot_tables, "STEPS", (*STEPS, NEXT))
    monkeypatch.setattr(lot_tables, "RETRY_S", 0.02)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as db:
            run(db, "SELECT count(*) FROM fleet_events")  # somebody reads, and takes long
            waits = pool.submit(open_database, database)
            for n_kept in range(1, 6):
                assert append(lot) == n_kept
            assert not waits.done()
        waits.result(20).dispose()
    engine.dispose()


def test_tables_that_somebody_holds_for_too_long_are_one_line(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(database)
    monkeypatch.setattr(lot_tables, "STEPS", (*STEPS, NEXT))
    monkeypatch.setattr(lot_tables, "LOCK_S", 0.02)
    monkeypatch.setattr(lot_tables, "N_TRIES", 1)
    with engine.begin() as db:
        run(db, "SELECT count(*) FROM fleet_events")
        with pytest.raises(InputError, match=r"^database .*lock timeout$"):
            open_database(database)
    engine.dispose()


def test_tables_of_version_2_are_brought_forward(database: str) -> None:
    engine = sqlalchemy.create_engine(database)
    with engine.begin() as db:
        made = ("CREATE TABLE fleet_version (version INTEGER NOT NULL)", *STEPS[0], *STEPS[1])
        for statement in (*made, "INSERT INTO fleet_version VALUES (2)"):
            run(db, statement)
    engine.dispose()
    engine = open_database(database)
    with engine.begin() as db:
        found = run(db, "SELECT * FROM fleet_version ORDER BY version").all()
    engine.dispose()
    assert [(*row,) for row in found] == [(2, 1), (len(STEPS), USABLE_FROM)]


def test_an_older_har_fleet_works_with_newer_tables_that_it_can_use(
    database: str,
    take: Callable[[], LotOutbox],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    n_known = len(STEPS)
    with monkeypatch.context() as newer:
        newer.setattr(lot_tables, "STEPS", (*STEPS, NEXT))
        open_database(database).dispose()
    lot = take()
    assert append(lot) == 1
    assert f"have version {n_known + 1}, this har-fleet knows up to {n_known} and can work" in (
        caplog.text
    )
    with monkeypatch.context() as newer:
        newer.setattr(lot_tables, "STEPS", (*STEPS, NEXT, ()))
        newer.setattr(lot_tables, "USABLE_FROM", n_known + 2)
        open_database(database).dispose()
    with pytest.raises(InputError, match=rf"knows up to {n_known}; update har-stream on this"):
        take()
