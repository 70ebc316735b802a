"""A lot's role in a real PostgreSQL by TLS works for its lot, and may do nothing else."""

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from support.broker.certificates import Authority
from support.broker.event_stores import append
from support.processes.postgresql import PostgreSQL, running_postgresql

from fleet.cluster.run_fleet import make_tasks
from fleet.commands.fleet import main
from fleet.inventory.fleet import read_fleet
from fleet.lots.lot_outbox import LotOutbox
from fleet.lots.lot_tables import open_database
from fleet.planning.database_roles import scram_verifier
from fleet.planning.plan_file import read_plan
from har_stream.core.errors import InputError


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


def test_a_lots_role_works_for_its_lot_by_tls_and_may_do_nothing_else(
    postgresql_by_tls: PostgreSQL,
    authority: Authority,
    write_fleet: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    server, other = postgresql_by_tls, Authority(tmp_path / "other")
    by_tls = f"sslmode=verify-full&sslrootcert={authority.ca}"
    yaml = "name: city\nmachines: {m1: 6}\nlot_cameras: 2\ndatabase_roles: true\n"
    yaml += f"database: postgresql://har@127.0.0.1:{server.port}/postgres?{by_tls}\n"
    path = write_fleet(4, yaml)
    assert main(["plan", str(path)]) == 0
    open_database(server.url).dispose()  # as their owner
    logins = tmp_path / "logins"
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as owner:
        for _ in range(2):
            capsys.readouterr()
            assert main(["acl", str(path), "--logins", str(logins), "--database"]) == 0
            sql = capsys.readouterr().out
            owner.execute(sql)
    password = (logins / "city-00001").read_text().strip()
    assert password not in sql
    monkeypatch.setenv("PGPASSFILE", str(logins / "pgpass"))
    assert (logins / "pgpass").stat().st_mode & 0o777 == 0o600

    fleet = read_fleet(path)
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

    with psycopg.connect(first.replace("+psycopg", ""), autocommit=True) as db:
        (seen,) = db.execute("SELECT count(*), min(lot) FROM fleet_events").fetchall()
        assert seen == (2, "city-00001")
        for statement, refusal in (
            ("SELECT * FROM events", "permission denied for table events"),
            ("SELECT * FROM fleet_machines", "permission denied for table fleet_machines"),
            ("DROP TABLE fleet_events", "must be owner of table fleet_events"),
            ("TRUNCATE fleet_events", "permission denied for table fleet_events"),
            ("ALTER TABLE fleet_events DISABLE ROW LEVEL SECURITY", "must be owner of table"),
            ("CREATE TABLE own (n int)", "permission denied for schema public"),
            ("UPDATE fleet_version SET version = 99", "permission denied for table fleet_version"),
            ("CREATE ROLE other", "permission denied to create role"),
        ):
            with pytest.raises(psycopg.Error, match=refusal):
                db.execute(statement)
        stolen = "UPDATE fleet_lots SET epoch = 0 WHERE lot = 'city-00002'"
        assert db.execute(stolen).rowcount == 0

    for query in ("sslmode=disable", by_tls.replace(str(authority.ca), str(other.ca))):
        url = f"postgresql+psycopg://city-00001@127.0.0.1:{server.port}/postgres?{query}"
        with pytest.raises(InputError, match=r"^database .*(no encryption|certificate verify)"):
            open_database(url)


def test_a_verifier_is_that_of_the_rfc() -> None:
    # RFC 7677, section 3: user "user", password "pencil".
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert scram_verifier("pencil", salt=salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
