"""Roles of lots and partitions in a real PostgreSQL by TLS: they work, and may do nothing else."""

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.exc import DBAPIError
from support.broker.certificates import Authority
from support.broker.event_stores import append
from support.event_builder import NOON, living
from support.processes.postgresql import PostgreSQL, running_postgresql

from fleet.cluster.orders import write_plan
from fleet.cluster.run_fleet import make_tasks
from fleet.cluster.run_partitions import make_partition_tasks
from fleet.commands.fleet import main
from fleet.inventory.fleet import Fleet, read_fleet
from fleet.lots.lot_outbox import LotOutbox
from fleet.lots.lot_tables import open_database
from fleet.partitions.home_store import HomeStore
from fleet.partitions.partition_task import PartitionStatus
from fleet.planning.database_roles import scram_verifier
from fleet.planning.plan_file import read_plan
from har_stream.core.errors import InputError
from har_stream.mqtt.messages import RuleState
from predictor.journal.deletion import Selection
from predictor.journal.records import ContextValue
from predictor.journal.tables import JOURNAL, METADATA


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def postgresql_by_tls(authority: Authority) -> Iterator[PostgreSQL]:
    certificate, key = authority.sign("db")
    for path in (authority.ca.parent.parent, authority.ca.parent):
        path.chmod(0o755)
    for path in authority.ca.parents:
        if path.name.startswith(("pytest-", "popen-")):  # popen: of one worker of several
            path.chmod(0o755)
    key.chmod(0o600)
    if os.geteuid() == 0:
        shutil.chown(key, "nobody")
    options = ("ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}")
    access = "hostssl all all all scram-sha-256"
    with running_postgresql(address="127.0.0.1", access=access, options=options) as server:
        yield server


@pytest.fixture(scope="module")
def fleet(
    postgresql_by_tls: PostgreSQL, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Two lots and two partitions, whose roles have been made twice."""
    server, folder = postgresql_by_tls, tmp_path_factory.mktemp("city")
    at = f"127.0.0.1:{server.port}/city?sslmode=verify-full&sslrootcert={authority.ca}"
    rows = [f"c{n},h{n // 2},sim:{n}\n" for n in range(4)]
    (folder / "cameras.csv").write_text("".join(["name,home,source\n", *rows]))
    path = folder / "fleet.yaml"
    path.write_text(
        "name: city\nmachines: {m1: 6}\nlot_cameras: 2\npartition_homes: 1\n"
        f"database_roles: true\ndatabase: postgresql://city@{at}\ncameras_csv: cameras.csv\n"
    )
    assert main(["plan", str(path)]) == 0
    logins, owners, roles = folder / "logins", folder / "owner", folder / "roles.sql"
    owners.write_text("*:*:*:city:secret\n")
    owners.chmod(0o600)
    with pytest.MonkeyPatch.context() as monkeypatch:
        with psycopg.connect(_plain(server.url), autocommit=True) as db:
            db.execute("CREATE ROLE city LOGIN PASSWORD 'secret'")
            db.execute("CREATE DATABASE city OWNER city")
        monkeypatch.setenv("PGPASSFILE", str(owners))
        with psycopg.connect(_plain(_of_city(server)), autocommit=True) as administrator:
            for _ in range(2):
                with roles.open("w") as file, redirect_stdout(file):
                    assert main(["acl", str(path), "--logins", str(logins), "--database"]) == 0
                administrator.execute(roles.read_text())
            monkeypatch.setenv("PGPASSFILE", str(logins / "pgpass"))
            fleet = read_fleet(path)
            with open_database(_of_city(server)).begin() as db:
                write_plan(db, fleet, read_plan(fleet.plan_file))
        yield fleet


def _plain(url: str) -> str:
    return url.replace("+psycopg", "")


def _of_city(server: PostgreSQL) -> str:
    """URL of the fleet's database for the administrator, who sees all."""
    return server.url.replace("/postgres?", "/city?")


def _count(db: psycopg.Connection, *table: str) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table))
    return int(db.execute(query).fetchall()[0][0])


def _check_refused(url: str, *refusals: tuple[str, str]) -> None:
    with psycopg.connect(_plain(url), autocommit=True) as db:
        for statement, refusal in refusals:
            with pytest.raises(psycopg.Error, match=refusal):
                db.execute(statement)


def test_a_lots_role_works_for_its_lot_by_tls_and_may_do_nothing_else(
    fleet: Fleet, postgresql_by_tls: PostgreSQL, authority: Authority, tmp_path: Path
) -> None:
    server, other = postgresql_by_tls, Authority(tmp_path / "other")
    logins = fleet.plan_file.parent / "logins"
    for name in ("city-00001", "city-homes-00001"):
        password = (logins / name).read_text().strip()
        assert password not in (logins.parent / "roles.sql").read_text()
    assert (logins / "pgpass").stat().st_mode & 0o777 == 0o600
    tasks = make_tasks(fleet, read_plan(fleet.plan_file))
    first, second = (tasks[f"city-0000{n}"].database for n in (1, 2))
    for url, lot in ((first, "city-00001"), (second, "city-00002")):
        outbox = LotOutbox(url, lot, owner="m1", max_events=2)
        assert [append(outbox) for _ in range(3)] == [1, 2, 3]
        outbox.mark_sent(outbox.pending()[0].position)
        outbox.acknowledge("cam1", 2)
        assert (outbox.last_seqs(), outbox.depth(), outbox.age_out()) == ({"cam1": 3}, 1, 0)
        outbox.close()
    with pytest.raises(InputError, match="row-level security"):
        LotOutbox(first, "city-00002", owner="thief")

    with psycopg.connect(_plain(first), autocommit=True) as db:
        (seen,) = db.execute("SELECT count(*), min(lot) FROM fleet_events").fetchall()
        assert seen == (2, "city-00001")
        stolen = "UPDATE fleet_lots SET epoch = 0 WHERE lot = 'city-00002'"
        assert db.execute(stolen).rowcount == 0
    _check_refused(
        first,
        ("SELECT * FROM fleet_homes.events", "permission denied for schema fleet_homes"),
        ("SELECT * FROM fleet_machines", "permission denied for table fleet_machines"),
        ("DROP TABLE fleet_events", "must be owner of table fleet_events"),
        ("TRUNCATE fleet_events", "permission denied for table fleet_events"),
        ("ALTER TABLE fleet_events DISABLE ROW LEVEL SECURITY", "must be owner of table"),
        ("CREATE TABLE own (n int)", "permission denied for schema public"),
        ("UPDATE fleet_version SET version = 99", "permission denied for table fleet_version"),
        ("CREATE ROLE other", "permission denied to create role"),
    )

    by_other = f"sslmode=verify-full&sslrootcert={other.ca}"
    for query in ("sslmode=disable", by_other):
        url = f"postgresql+psycopg://city-00001@127.0.0.1:{server.port}/city?{query}"
        with pytest.raises(InputError, match=r"^database .*(no encryption|certificate verify)"):
            open_database(url)


def test_a_partitions_role_works_for_its_own_homes_and_may_do_nothing_else(
    fleet: Fleet, postgresql_by_tls: PostgreSQL
) -> None:
    tasks = make_partition_tasks(fleet, read_plan(fleet.plan_file))
    url = tasks["city-homes-00001"].database
    stores = {}
    for name, task in tasks.items():
        stores[name] = store = HomeStore(task.database, name, owner="m1")
        (home,) = task.homes
        journal = store.journal_of(home)
        journal.record_all(list(living(days=1)), received_at=NOON)
        journal.keep_rule_state("rule", RuleState(state="on", changed_at=NOON, dry_run=False))
        journal.record_context(ContextValue("guests", 1.0, NOON))
        store.save_snapshot(home, b"model", received_s=1.0)
        assert store.load_snapshot(home) == b"model"
        assert store.confirm(PartitionStatus(n_homes=1, n_forecasting=1))
        assert journal.delete(Selection()) > 0
    thief = stores["city-homes-00001"]
    assert thief.load_snapshot("h1") is None, "what is another's is not seen"
    with pytest.raises(DBAPIError, match="row-level security"):
        thief.save_snapshot("h1", b"stolen", received_s=1.0)
    with pytest.raises(DBAPIError, match="row-level security"):
        thief.journal_of("h1").record_all(list(living(days=1)), received_at=NOON)
    with pytest.raises(InputError, match="row-level security"):
        HomeStore(url, "city-homes-00002", owner="thief")
    for store in stores.values():
        store.close()

    with psycopg.connect(_plain(url), autocommit=True) as db:
        db.execute("SET har.home = 'h1'")
        for table in ("snapshots", *({*METADATA.tables} - {JOURNAL.name})):
            assert _count(db, "fleet_homes", table) == 0, table
        own = _count(db, "fleet_plan"), _count(db, "fleet_homes", "partitions")
        assert (*own, _count(db, "fleet_lots")) == (2, 1, 1)
    _check_refused(
        url,
        ("SELECT * FROM fleet_events", "permission denied for table fleet_events"),
        ("DELETE FROM fleet_plan", "permission denied for table fleet_plan"),
        ("UPDATE fleet_homes.journal SET version = 9", "permission denied for table journal"),
        ("TRUNCATE fleet_homes.events", "permission denied for table events"),
        ("CREATE TABLE fleet_homes.own (n int)", "permission denied for schema fleet_homes"),
    )
    with psycopg.connect(_plain(_of_city(postgresql_by_tls)), autocommit=True) as db:
        db.execute("CREATE ROLE page LOGIN")
        db.execute("GRANT USAGE ON SCHEMA fleet_homes TO page")
        db.execute("GRANT SELECT ON fleet_plan, fleet_homes.partitions TO page")
        db.execute("SET ROLE page")
        assert (_count(db, "fleet_homes", "partitions"), _count(db, "fleet_plan")) == (2, 4)


def test_a_verifier_is_that_of_the_rfc() -> None:
    # RFC 7677, section 3: user "user", password "pencil".
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert scram_verifier("pencil", salt=salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
