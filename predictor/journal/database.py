"""Opens the journal's database: SQLite that loses nothing at a power cut, or PostgreSQL."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import Column, Connection, Engine, event, func, make_url, select
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from har_stream.core.sqlite.database_file import is_damage, read_text, set_durable
from har_stream.core.url import parse_url
from predictor.journal.sqlite_file import JournalFile
from predictor.journal.tables import EVENTS, RUNNING, migrate

BUSY_S = 30.0
"""How long a writer waits for another one, in seconds."""


class Database(NamedTuple):
    """A journal's database, open.

    Attributes:
        engine: Where connections come from.
        id: The journal's.
        running_s: What was kept of its running time, see `RunningTime`.
        file: Its file, where it is SQLite's.
    """

    engine: Engine
    id: str
    running_s: list[float]
    file: JournalFile | None


class ReadConnections:
    """Connections that only read; what a thread reads together goes over one of them.

    To a server each connection is a question more whether it is there, and a transaction.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(reading=True)
        self._own = threading.local()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give a connection for the length of a block."""
        shared: Connection | None = getattr(self._own, "connection", None)
        if shared is not None:
            yield shared
        else:
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Have this thread read over one connection for the length of a block."""
        with self._engine.connect() as connection:
            self._own.connection = connection
            try:
                yield
            finally:
                self._own.connection = None


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return sqlalchemy.URL.create("sqlite", database=str(path.absolute())).render_as_string()


def require_journal(url: str) -> None:
    """Refuse a journal that is to be read and is none: a mistyped path makes no empty one.

    Raises:
        InputError: There is no such file, it is a text, or the URL is no URL.
    """
    parsed = _parsed(url)
    path = parsed.database if parsed.get_backend_name() == "sqlite" else None
    if path and not Path(path).is_file():
        raise InputError(f"{redact(url)}: there is no such journal")
    if path and _is_text(Path(path)):
        raise InputError(f"{redact(url)}: that is a text and no journal; give another --journal")


def _is_text(path: Path) -> bool:
    """Tell a file that was named by mistake from a damaged journal, which is moved aside."""
    try:
        with path.open("rb") as file:
            begins = file.read(256)
        text = begins.decode(errors="ignore")
    except OSError:
        return False
    told = sum(character.isprintable() or character in "\t\r\n" for character in text)
    return 0 < len(text) == told and len(text.encode()) > len(begins) - 4


def make_engine(url: str, *, sqlite: Mapping[str, Any]) -> Engine:
    """Make an engine for a journal's database; nothing is connected yet.

    Args:
        url: As a person gave it.
        sqlite: Options of SQLAlchemy for SQLite.

    Raises:
        InputError: The URL is no URL, or its driver is absent. A password in it is not shown.
    """
    try:
        parsed = _parsed(url)
        backend = parsed.get_backend_name()
        options = sqlite if backend == "sqlite" else {"pool_pre_ping": True}
        engine = sqlalchemy.create_engine(parsed, **options)
        if parsed.drivername == "postgresql+psycopg":
            from predictor.journal.postgresql import bound_waiting

            bound_waiting(engine)
    except NoSuchModuleError as error:
        raise _no_url(url) from error
    except ModuleNotFoundError as error:
        raise InputError(
            f"journal: the driver {error.name!r} is missing; pip install 'har-stream[postgresql]'"
        ) from error
    return engine


def connect(url: str) -> Database:
    """Open a journal's database, bring it to the newest version; a damaged file is begun anew.

    Raises:
        InputError: The URL is no URL, its driver is absent, the database does not answer or is
            no journal. A password in the URL is not shown.
    """
    engine = make_engine(url, sqlite={"connect_args": {"timeout": BUSY_S}})
    try:
        if engine.dialect.name != "sqlite":
            return _open(engine, None)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        named = engine.url.database or ":memory:"
        file = None if named.startswith((":", "file:")) else JournalFile(Path(named))
        return _open_repaired(engine, file)
    except (OSError, sqlite3.Error, DBAPIError) as error:
        engine.dispose()
        reason = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
        raise InputError(f"journal {redact(url)}: {reason}") from error


def _open_repaired(engine: Engine, file: JournalFile | None) -> Database:
    try:
        database = _open(engine, file)
    except DBAPIError as error:
        engine.dispose()
        if file is None or not isinstance(error.orig, Exception) or not is_damage(error.orig):
            raise
        if file.is_in_use():
            raise
        file.repair(str(error.orig))
        database = _open(engine, file)
    if file:
        file.note_open()
        event.listen(engine, "handle_error", lambda context: _note_error(context, file))
    return database


def _open(engine: Engine, file: JournalFile | None) -> Database:
    with engine.begin() as connection:
        name = migrate(connection)
        if file:
            file.take_beside(driver_connection(connection))
        sources: tuple[Column[Any], ...] = (RUNNING.c.so_far_s, EVENTS.c.received_running_s)
        newest = [connection.execute(select(func.max(each))).scalar() for each in sources]
    return Database(engine, name, [each for each in newest if each is not None], file)


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """SQLite's own connection under SQLAlchemy's."""
    own = connection.connection.driver_connection
    if not isinstance(own, sqlite3.Connection):
        raise TypeError("not SQLite")
    return own


def _note_error(context: ExceptionContext, file: JournalFile) -> None:
    file.note_error(context.original_exception)


def _parsed(url: str) -> sqlalchemy.URL:
    """Read a database's URL; its password may hold what SQLAlchemy would take for host or query.

    Raises:
        InputError: It is no URL of SQLite or PostgreSQL.
    """
    parts = parse_url(url)
    try:
        if parts.login:
            rest = make_url(f"{parts.scheme}://{parts.place}{parts.query}")
            parsed = rest.set(username=parts.user, password=parts.password)
        else:
            parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # the second of a port that is no number
        raise _no_url(url) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise _no_url(url)
    return parsed


def _no_url(url: str) -> InputError:
    return InputError(
        f"journal {redact(url)!r} is no database URL of SQLite or PostgreSQL; "
        "give sqlite:///journal.db or postgresql+psycopg://user@host/database"
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not guessed by the driver
    connection.text_factory = read_text  # a damaged row is left out where it is read
    set_durable(connection)


def _begin_sqlite(connection: Connection) -> None:
    """Readers see a snapshot and never wait; writers queue from the start, so none fails midway."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
