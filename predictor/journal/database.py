"""Opens the journal's database: SQLite that loses nothing at a power cut, or PostgreSQL."""

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from har_stream.core.sqlite.database_file import read_text, set_durable
from har_stream.core.url import parse_url
from predictor.journal.tables import migrate

BUSY_S = 30.0
"""How long a writer waits for another one, in seconds."""


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return sqlalchemy.URL.create("sqlite", database=str(path.absolute())).render_as_string()


def connect(url: str) -> tuple[Engine, str]:
    """Open a journal's database, bring it to the newest version; returns it with its id.

    Raises:
        InputError: The URL is no URL, its driver is absent, the database does not answer or is
            no journal. A password in the URL is not shown.
    """
    try:
        parsed = _parsed(url)
        engine = sqlalchemy.create_engine(parsed, **_options(parsed))
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError(
            f"journal {redact(url)!r} is no database URL; "
            "give sqlite:///journal.db or postgresql+psycopg://user@host/database"
        ) from error
    except OSError as error:
        raise InputError(f"journal {redact(url)}: cannot be made: {error.strerror}") from error
    except ModuleNotFoundError as error:
        raise InputError(
            f"journal: the driver {error.name!r} is missing; pip install 'har-stream[postgresql]'"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with engine.begin() as connection:
            return engine, migrate(connection)
    except DBAPIError as error:
        engine.dispose()
        reason = " ".join(str(error.orig).split())
        raise InputError(f"journal {redact(url)}: {reason}") from error


def _parsed(url: str) -> sqlalchemy.URL:
    """Read a database's URL; its password may hold what SQLAlchemy would take for host or query."""
    parts = parse_url(url)
    if not parts.login:
        return make_url(url)
    rest = make_url(f"{parts.scheme}://{parts.place}{parts.query}")
    return rest.set(username=parts.user, password=parts.password)


def _options(url: sqlalchemy.URL) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    return {"connect_args": {"timeout": BUSY_S}}


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not guessed by the driver
    connection.text_factory = read_text  # a damaged row is left out where it is read
    set_durable(connection)


def _begin_sqlite(connection: Connection) -> None:
    """Readers see a snapshot and never wait; writers queue from the start, so none fails midway."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
