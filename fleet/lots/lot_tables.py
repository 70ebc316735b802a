"""The tables of lots in PostgreSQL, made in numbered steps, and the epoch that fences a lot.

Every start of a lot takes a new epoch. Whoever writes for the lot shows its epoch in the same
transaction, so that what an earlier owner writes after that is refused, however late it wakes up.

Steps run while lots are at work, some of them of the version before. So a step only adds: tables,
and columns that may be left out of an insert; nothing is renamed, removed or rewritten, and columns
are named wherever they are read. It is never edited once released.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from predictor.journal.database import make_engine

logger = logging.getLogger(__name__)

ANSWER_S = 3.0
"""A database that has not answered for so long is away; recognition must not wait for it."""
STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE fleet_lots (
    lot TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    owner TEXT NOT NULL,
    taken_at TIMESTAMPTZ NOT NULL DEFAULT now()
)""",
        """CREATE TABLE fleet_cameras (
    lot TEXT NOT NULL,
    camera TEXT NOT NULL,
    last_seq BIGINT NOT NULL,
    PRIMARY KEY (lot, camera)
)""",
        """CREATE TABLE fleet_events (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    lot TEXT NOT NULL,
    camera TEXT NOT NULL,
    seq BIGINT NOT NULL,
    event TEXT NOT NULL,
    checksum BIGINT NOT NULL,
    stored_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    sent BOOLEAN NOT NULL DEFAULT false,
    acknowledged BOOLEAN NOT NULL DEFAULT false,
    UNIQUE (lot, camera, seq)
)""",
        "CREATE INDEX fleet_unsent ON fleet_events (lot, position) WHERE NOT sent",
        "CREATE INDEX fleet_leaving ON fleet_events (lot, acknowledged, position)",
    ),
    (
        """CREATE TABLE fleet_machines (
    machine TEXT PRIMARY KEY,
    cameras INTEGER,
    drained BOOLEAN NOT NULL DEFAULT false
)""",
        "CREATE TABLE fleet_pins (lot TEXT PRIMARY KEY, machine TEXT NOT NULL)",
        """CREATE TABLE fleet_status (
    lot TEXT PRIMARY KEY,
    machine TEXT,
    cameras INTEGER NOT NULL,
    online INTEGER NOT NULL,
    fps DOUBLE PRECISION NOT NULL,
    latency_ms DOUBLE PRECISION NOT NULL,
    waiting INTEGER NOT NULL,
    restarts INTEGER NOT NULL,
    told_at TIMESTAMPTZ NOT NULL DEFAULT now()
)""",
    ),
    (
        "ALTER TABLE fleet_version ADD COLUMN usable_from INTEGER NOT NULL DEFAULT 1",
        """CREATE TABLE fleet_restarts (
    lot TEXT PRIMARY KEY,
    asked_at TIMESTAMPTZ NOT NULL DEFAULT now()
)""",
    ),
    (
        "ALTER TABLE fleet_status ADD COLUMN away TEXT[] NOT NULL DEFAULT '{}'",
        """CREATE TABLE fleet_plan (
    camera TEXT PRIMARY KEY,
    home TEXT NOT NULL,
    lot TEXT NOT NULL,
    partition TEXT
)""",
    ),
    ("CREATE INDEX fleet_plan_of_home ON fleet_plan (home)",),
)
USABLE_FROM = 3
"""Programs that know the tables up to this version can work with the newest ones."""
LOCK_S = 0.3
"""A step waits so long for a table, for others wait behind it; then it tries again."""
N_TRIES = 20
RETRY_S = 0.5
_LOCK_NOT_AVAILABLE = "55P03"
_LOCK = 0x68617266
"""Of the advisory lock that lets one process at a time change tables: `harf` in ASCII."""


class EpochLostError(Exception):
    """Another owner has taken the lot since."""


def open_database(url: str) -> Engine:
    """Open a fleet's database and bring its tables to the newest version.

    Raises:
        InputError: It does not answer, refuses us, somebody else holds its tables, or a newer
            version has made them that we cannot work with. A password in the URL is not shown.
    """
    engine = make_engine(url, sqlite={})
    event.listen(engine, "connect", bound_answers)
    for n_try in range(N_TRIES):
        try:
            with engine.begin() as db:
                if not _is_usable(db):
                    _migrate(db)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE and n_try < N_TRIES - 1:
                time.sleep(RETRY_S)
                continue
            engine.dispose()
            reason = " ".join(str(error.orig).split())
            raise InputError(f"database {redact(url)}: {reason}") from error
        except InputError:
            engine.dispose()
            raise
        break
    return engine


def run(db: Connection, statement: str, **values: Any) -> Any:
    """Run one statement with its values by name; returns its result."""
    return db.execute(text(statement), values)


def take_epoch(db: Connection, lot: str, owner: str) -> int:
    """Become a lot's owner; returns the new epoch, which ends every earlier one.

    It is the time in seconds, or one more than the last: journals remember epochs, and must not
    refuse a lot whose tables were lost or come from a backup.
    """
    return int(
        run(
            db,
            "INSERT INTO fleet_lots (lot, epoch, owner)"
            " VALUES (:lot, extract(epoch FROM clock_timestamp())::bigint, :owner)"
            " ON CONFLICT (lot) DO UPDATE SET"
            " epoch = greatest(fleet_lots.epoch + 1, excluded.epoch), owner = :owner,"
            " taken_at = now() RETURNING epoch",
            lot=lot,
            owner=owner,
        ).scalar_one()
    )


def show_epoch(db: Connection, lot: str, epoch: int) -> None:
    """Show that a lot is still ours; nobody can take it before this transaction ends.

    Raises:
        EpochLostError: It is not.
    """
    newest = run(
        db, "SELECT epoch, owner FROM fleet_lots WHERE lot = :lot FOR SHARE", lot=lot
    ).one_or_none()
    if newest is None or newest.epoch != epoch:
        raise EpochLostError("nobody" if newest is None else newest.owner)


def next_seq(db: Connection, lot: str, camera: str) -> int:
    """Count a camera's events one on, from 1."""
    return int(
        run(
            db,
            "INSERT INTO fleet_cameras VALUES (:lot, :camera, 1) ON CONFLICT (lot, camera)"
            " DO UPDATE SET last_seq = fleet_cameras.last_seq + 1 RETURNING last_seq",
            lot=lot,
            camera=camera,
        ).scalar_one()
    )


def insert_event(db: Connection, row: Mapping[str, object]) -> None:
    """Keep an event."""
    db.execute(
        text(
            "INSERT INTO fleet_events (id, lot, camera, seq, event, checksum)"
            " VALUES (:id, :lot, :camera, :seq, :event, :checksum)"
        ),
        row,
    )


def bound_answers(connection: Any, _record: object) -> None:
    """Wait for no answer of a new connection longer than `ANSWER_S`; SQLAlchemy calls it."""
    connection.answer_s = ANSWER_S


def _is_usable(db: Connection) -> bool:
    """Tell whether the tables are there as we know them, or newer; asks for no right but to read.

    Raises:
        InputError: They are too new for us.
    """
    if run(db, "SELECT to_regclass('fleet_version')").scalar() is None:
        return False
    version = run(db, "SELECT max(version) FROM fleet_version").scalar() or 0
    if version <= len(STEPS):
        return bool(version == len(STEPS))
    usable_from = run(db, "SELECT max(usable_from) FROM fleet_version").scalar_one()
    told = f"the fleet's tables have version {version}, this har-fleet knows up to {len(STEPS)}"
    if usable_from > len(STEPS):
        raise InputError(f"{told}; update har-stream on this machine")
    logger.warning("%s and can work with them; update har-stream on this machine soon", told)
    return True


def _migrate(db: Connection) -> None:
    run(db, f"SET LOCAL lock_timeout = {round(1000 * LOCK_S)}")
    run(db, "SELECT pg_advisory_xact_lock(:lock)", lock=_LOCK)
    run(db, "CREATE TABLE IF NOT EXISTS fleet_version (version INTEGER NOT NULL)")
    version = run(db, "SELECT max(version) FROM fleet_version").scalar() or 0
    if version >= len(STEPS):
        return  # somebody else was first
    for step in STEPS[version:]:
        for statement in step:
            run(db, statement)
    newest = {"version": len(STEPS), "usable_from": USABLE_FROM}
    run(db, "INSERT INTO fleet_version VALUES (:version, :usable_from)", **newest)
