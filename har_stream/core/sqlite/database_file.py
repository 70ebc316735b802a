"""Keeps our SQLite files: durable, in little room, and begun anew from their rows when damaged."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path

from har_stream.core.atomic_file import sync
from har_stream.core.sqlite.pages import StoredRow, committed_bytes, log_of, stored_rows

RESERVE_BYTES = 128 * 1024
"""Kept from a disk that fills: so much may a database grow when a log goes into it."""
LOG_PAGES = 50
"""A log of so many pages, some 200 kB, goes into the database; it grows little beyond."""
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_NO_ROOM_TO_LOOK = {
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
}
_COMPANIONS = ("-wal", "-shm", "-journal")


def set_durable(db: sqlite3.Connection) -> None:
    """Make a connection lose nothing at a power cut, keep its log short and erase what it deletes.

    Raises:
        sqlite3.Error: The file cannot be used.
    """
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")  # a commit is on disk when it returns
    db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    db.execute(f"PRAGMA journal_size_limit = {LOG_PAGES * 4096}")
    db.execute("PRAGMA secure_delete = ON")  # so that `stored_rows` meets no deleted row


def make_folder(folder: Path) -> None:
    """Make a folder and what it lies in, each on disk when this returns.

    Raises:
        OSError: It cannot be made.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def had_unclean_end(path: Path) -> bool:
    """Tell whether a file's last user was cut short: a clean end leaves no log behind."""
    log = log_of(path)
    return log.exists() and log.stat().st_size > 0


def is_damage(error: Exception) -> bool:
    """Tell an error of a malformed file from one of a full disk or of another process."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ


def read_text(raw: bytes) -> str:
    """Read a text value of a file that may be damaged; a connection's ``text_factory``."""
    return raw.decode(errors="replace")


def find_damage(
    path: Path,
    *,
    check: str,
    schema_of: Callable[[int], Collection[str] | None],
    is_in_use: bool = False,
) -> str | None:
    """Say in a few words what is wrong with a file, and change nothing; `None` where all is well.

    Args:
        path: The file; one that is absent is well, unless its log is there.
        check: ``integrity_check`` compares indexes too; ``quick_check`` takes a tenth of the time.
        schema_of: Gives the SQL of all tables and indexes that a file of some ``user_version``
            must have, if it has any; `None` where there is no such version.
        is_in_use: This process has it open; its header is not looked at then.

    Raises:
        sqlite3.Error: The file cannot be used for another reason; another process holds it.
    """
    if not path.exists() or path.stat().st_size == 0:
        # SQLite would take it for a new one, and delete the log.
        return "it is empty, its log is not" if had_unclean_end(path) else None
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as db:
            db.text_factory = read_text
            (verdict,) = db.execute(f"PRAGMA {check} (1)").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            present = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master") if sql}
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if is_damage(error) or code == sqlite3.SQLITE_ERROR:
            return str(error)
        if code in _NO_ROOM_TO_LOOK:  # whoever opens it alone needs none, and meets what is wrong
            return None
        raise
    if verdict != "ok":
        return " ".join(str(verdict).removeprefix("*** in database main ***").split())[:200]
    if not present:
        return None
    # A process that closes a file loses all its locks on it, SQLite's too; the next to close it
    # would then delete a log in use: https://www.sqlite.org/howtocorrupt.html, section 2.2.
    if not is_in_use and _has_damaged_header(path):
        return "its header is damaged"
    schema = schema_of(version)
    if schema is None:
        return f"it has version {version}"
    return None if present.issuperset(schema) else "its tables are not as they were made"


def _has_damaged_header(path: Path) -> bool:
    """Tell a file that SQLite would read, and never write."""
    with path.open("rb") as file:
        write_version, read_version = file.read(20)[18:]
    return write_version != read_version


def rebuild(path: Path, *, fill: Callable[[Path, Iterator[StoredRow]], None]) -> Path:
    """Begin a damaged file anew with what can be read of it; returns where the old one lies now.

    Nothing has happened to the old file until the new one is whole.

    Args:
        path: The damaged file, which nobody has open.
        fill: Makes a database at a path from the old rows, newest version last, and closes it.

    Raises:
        OSError, sqlite3.Error: There is no room, or the folder cannot be written.
    """
    fresh = _fresh(path)
    fill(fresh, stored_rows(path))
    sync(fresh)
    aside = _free_name(path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}"))
    for old, new in zip((path, *_companions(path)), (aside, *_companions(aside)), strict=True):
        if old.exists() and not old.name.endswith("-shm"):  # which SQLite makes anew
            _keep_as(old, new)
    fresh.replace(path)
    for companion in _companions(path):
        companion.unlink(missing_ok=True)
    sync(path.parent)
    return aside


def write_anew(db: sqlite3.Connection, path: Path) -> None:
    """Bring back a file that was deleted while in use; the connection is still to the deleted one.

    Raises:
        OSError, sqlite3.Error: It cannot be written.
    """
    fresh = _fresh(path)
    with closing(sqlite3.connect(fresh)) as copy:
        db.backup(copy)
    sync(fresh)
    for companion in _companions(path):
        companion.unlink(missing_ok=True)
    fresh.replace(path)
    sync(path.parent)


def hold_reserve(path: Path) -> None:
    """Take up some room beside a database, a quarter of what is left at most."""
    reserve = _reserve(path)
    try:
        if reserve.exists() and reserve.stat().st_size == RESERVE_BYTES:
            return
        n_bytes = min(RESERVE_BYTES, shutil.disk_usage(path.parent).free // 4)
        reserve.write_bytes(os.urandom(n_bytes))  # zeroes may take no room
    except OSError:
        reserve.unlink(missing_ok=True)


def release_reserve(path: Path) -> None:
    """Give that room back to the disk."""
    _reserve(path).unlink(missing_ok=True)


def clear_up(path: Path) -> None:
    """Delete what lies beside a file that nobody has open."""
    release_reserve(path)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)


def cut_log(db: sqlite3.Connection, path: Path) -> None:
    """Cut off the log what was never committed.

    What a full disk refused leaves its first pages there; they take the very room that the log
    needs to go into the database, and then nothing can be written again.

    Raises:
        OSError, sqlite3.Error: It cannot be done.
    """
    db.execute("BEGIN IMMEDIATE")  # so that nobody writes
    try:
        os.truncate(log_of(path), committed_bytes(log_of(path)))
    finally:
        db.execute("ROLLBACK")


def empty_log(db: sqlite3.Connection) -> None:
    """Bring the log into the database, and give its room back to the disk.

    Raises:
        sqlite3.Error: The database has to grow for that, and cannot.
    """
    db.execute("PRAGMA wal_checkpoint (TRUNCATE)").fetchall()


def _reserve(path: Path) -> Path:
    return path.with_name(f"{path.name}.reserve")


def _fresh(path: Path) -> Path:
    """Where a file is made that takes another's place; nothing is left there of an earlier try."""
    fresh = path.with_name(f".rebuilt-{path.name}")
    for leftover in (fresh, *_companions(fresh)):
        leftover.unlink(missing_ok=True)
    return fresh


def _companions(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + end) for end in _COMPANIONS)


def _keep_as(old: Path, new: Path) -> None:
    """Give a file another name; it keeps its own until something else takes it, if the disk can."""
    try:
        new.hardlink_to(old)
    except OSError:
        old.replace(new)


def _free_name(path: Path) -> Path:
    names = (
        path.with_name(f"{path.name}{end}") for end in ("", *(f"-{n}" for n in range(2, 1000)))
    )
    return next(name for name in names if not name.exists())
