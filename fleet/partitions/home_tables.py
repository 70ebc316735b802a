"""The journals of many homes in one PostgreSQL: the journal's own tables, with a home to each row.

The database itself keeps homes apart: row security shows, and takes, rows of the home alone that a
transaction has named, and of none before it has.
"""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from fleet.lots.lot_tables import open_database, run
from fleet.partitions.partition_task import PartitionStatus
from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from predictor.journal.tables import CONTEXTS, EVENTS, JOURNAL, METADATA, VERSION, migrate

SCHEMA = "fleet_homes"
_LOCK = 0x68617268
"""Of the advisory lock that lets one process at a time change tables: `harh` in ASCII."""
_NAMED = "current_setting('har.home')"
_SNAPSHOTS = """CREATE TABLE IF NOT EXISTS snapshots (
    home TEXT PRIMARY KEY DEFAULT current_setting('har.home'),
    content BYTEA NOT NULL,
    received_s DOUBLE PRECISION NOT NULL,
    taken_at TIMESTAMPTZ NOT NULL DEFAULT now()
)"""


_PARTITIONS = """CREATE TABLE IF NOT EXISTS partitions (
    partition TEXT PRIMARY KEY,
    machine TEXT NOT NULL,
    starts INTEGER NOT NULL DEFAULT 1,
    homes INTEGER NOT NULL DEFAULT 0,
    forecasting INTEGER NOT NULL DEFAULT 0,
    learning INTEGER NOT NULL DEFAULT 0,
    late_s DOUBLE PRECISION NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    told_at TIMESTAMPTZ NOT NULL DEFAULT now()
)"""


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """What a partition said of itself; see `PartitionStatus`."""

    partition: str
    machine: str
    starts: int
    homes: int
    forecasting: int
    learning: int
    late_s: float
    refused: int
    told_at: datetime


def make_home_tables(db: Connection) -> str:
    """Bring the tables of homes to the newest version; returns the journal's id, one for all.

    Raises:
        InputError: The database's role passes over row security.
    """
    query = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    if run(db, query).scalar_one():
        raise InputError(
            "the database's role passes over row security, which keeps homes apart; give the fleet "
            "one of its own: CREATE ROLE fleet LOGIN; CREATE DATABASE fleet OWNER fleet"
        )
    if run(db, "SELECT to_regclass(:name)", name=f"{SCHEMA}.partitions").scalar() is not None:
        found = run(db, "SELECT id, version FROM fleet_homes.journal").one()
        if found.version == VERSION:  # a partition with a role of its own may change none
            return str(found.id)
    run(db, "SELECT pg_advisory_xact_lock(:lock)", lock=_LOCK)
    run(db, f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    run(db, f"SET LOCAL search_path TO {SCHEMA}")
    name = migrate(db)
    for table in METADATA.sorted_tables:
        if table is not JOURNAL and not _has_home(db, table.name):
            _give_home(db, table)
    run(db, _SNAPSHOTS)
    run(db, "ALTER TABLE snapshots ALTER content SET STORAGE EXTERNAL")  # numbers do not shrink
    run(db, _PARTITIONS)
    _keep_apart(db, "snapshots")
    return name


def make_all_tables(url: str) -> None:
    """Bring all tables of a fleet to the newest version, as their owner.

    Raises:
        InputError: The database cannot be used, or its role passes over row security.
    """
    engine = open_database(url)
    try:
        with engine.begin() as db:
            make_home_tables(db)
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise InputError(f"database {redact(url)}: {reason}") from error
    finally:
        engine.dispose()


def choose_home(db: Connection, home: str) -> None:
    """Have the rest of a transaction see and keep what is of one home."""
    db.exec_driver_sql(
        "SELECT set_config('search_path', %s, true), set_config('har.home', %s, true)",
        (SCHEMA, home),
    )


def read_snapshot(db: Connection) -> bytes | None:
    """Return the snapshot of the home that was chosen; ``None`` where there is none.

    It is asked for as bytes: otherwise PostgreSQL spells it out in hexadecimal digits, which takes
    a third of a home's start.

    Raises:
        sqlalchemy.exc.DBAPIError: The database does not answer.
    """
    query = "SELECT content FROM snapshots"
    cursor = db.connection.cursor(binary=True)
    try:
        row = cursor.execute(query).fetchone()
    except psycopg.Error as error:
        raise DBAPIError(query, None, error) from error
    finally:
        cursor.close()
    return bytes(row[0]) if row else None


def note_start(db: Connection, partition: str, machine: str) -> None:
    """Note that a partition begins on a machine."""
    run(
        db,
        "INSERT INTO fleet_homes.partitions (partition, machine) VALUES (:partition, :machine)"
        " ON CONFLICT (partition) DO UPDATE SET machine = :machine, forecasting = 0, late_s = 0,"
        " starts = partitions.starts + 1, told_at = now()",
        partition=partition,
        machine=machine,
    )


def write_status(db: Connection, partition: str, status: PartitionStatus) -> None:
    """Say how a partition fares."""
    run(
        db,
        "UPDATE fleet_homes.partitions SET (homes, forecasting, learning, late_s, refused, told_at)"
        " = (:n_homes, :n_forecasting, :n_learning, :late_s, :n_refused, now())"
        " WHERE partition = :partition",
        partition=partition,
        **status.model_dump(),
    )


def read_status(db: Connection) -> list[PartitionRow]:
    """Read what was said of every partition, by name; nothing where none ever began."""
    if run(db, "SELECT to_regclass(:name)", name=f"{SCHEMA}.partitions").scalar() is None:
        return []
    rows = run(db, "SELECT * FROM fleet_homes.partitions ORDER BY partition")
    return [PartitionRow(*row) for row in rows]


def _has_home(db: Connection, table: str) -> bool:
    query = "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attname = 'home'"
    return run(db, query, name=table).first() is not None


def _give_home(db: Connection, table: Table) -> None:
    """Tell the rows of a new table apart by home: in its key, and first in every index."""
    name = table.name
    run(db, f"ALTER TABLE {name} ADD COLUMN home TEXT NOT NULL")
    run(db, f"ALTER TABLE {name} ALTER COLUMN home SET DEFAULT {_NAMED}")
    key = [column.name for column in table.primary_key]
    if key:
        run(db, f"ALTER TABLE {name} DROP CONSTRAINT {name}_pkey")
        run(db, f"ALTER TABLE {name} ADD PRIMARY KEY ({', '.join(['home', *key])})")
    for index in table.indexes:
        columns = ", ".join(["home", *(column.name for column in index.columns)])
        run(db, f"DROP INDEX {index.name}")
        run(db, f"CREATE INDEX {index.name} ON {name} ({columns})")
    if table in (EVENTS, CONTEXTS):
        run(db, f"CREATE INDEX {name}_by_arrival ON {name} (home, received_running_s)")
    _keep_apart(db, name)


def _keep_apart(db: Connection, table: str) -> None:
    run(db, f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    run(db, f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # for its owner, too
    run(db, f"DROP POLICY IF EXISTS of_home ON {table}")
    run(db, f"CREATE POLICY of_home ON {table} USING (home = {_NAMED})")
