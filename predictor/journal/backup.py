"""Copies a journal while another process writes it, or a copy back, and sees that it is whole."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from har_stream.core.atomic_file import sync
from har_stream.core.errors import InputError


def back_up(url: str, path: Path) -> int:
    """Copy a SQLite journal to a file that is not there yet; returns how many events it holds.

    Raises:
        InputError: The journal is in another database, the file is there, or it cannot be written.
    """
    return _copy(_file_of(url, "--backup", "pg_dump DATABASE > FILE"), path, "--backup")


def restore(path: Path, url: str) -> int:
    """Copy a backup to where a journal is to be; returns how many events it holds.

    Raises:
        InputError: The journal is in another database or is there, or the backup is none.
    """
    journal = _file_of(url, "--restore", "psql DATABASE < FILE")
    if not path.is_file():
        raise InputError(f"{path}: there is no such backup")
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{journal.parent}: cannot be made: {error.strerror}") from error
    return _copy(path, journal, "--restore")


def _file_of(url: str, flag: str, other: str) -> Path:
    database = make_url(url).database
    if not url.startswith("sqlite") or not database:
        raise InputError(f"{flag} is for SQLite; PostgreSQL's own is: {other}")
    return Path(database)


def _copy(source: Path, path: Path, flag: str) -> int:
    if path.exists():
        raise InputError(f"{path}: is there already; {flag} overwrites nothing, so move it away")
    fresh = path.with_name(f".{path.name}.part")
    try:
        with closing(sqlite3.connect(source)) as journal, closing(sqlite3.connect(fresh)) as copy:
            journal.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # the one file is all there is
        with closing(sqlite3.connect(fresh)) as copy:
            (verdict,) = copy.execute("PRAGMA integrity_check (1)").fetchone()
            (n_events,) = copy.execute("SELECT COUNT(*) FROM events").fetchone()
        if verdict != "ok":
            raise InputError(f"{source}: is damaged, and so is its copy: {verdict:.200}")
        sync(fresh)
        fresh.rename(path)
        sync(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"{source}: cannot be copied to {path}: {error}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return int(n_events)
