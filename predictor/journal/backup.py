"""Copies a journal while another process writes it, and opens the copy to see that it is whole."""

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
    database = make_url(url).database
    if not url.startswith("sqlite") or not database:
        raise InputError("--backup is for SQLite; PostgreSQL's own is: pg_dump DATABASE > FILE")
    if path.exists():
        raise InputError(f"{path}: is there already; --backup overwrites nothing")
    fresh = path.with_name(f".{path.name}.part")
    try:
        with closing(sqlite3.connect(database)) as journal, closing(sqlite3.connect(fresh)) as copy:
            journal.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # the one file is all there is
        with closing(sqlite3.connect(fresh)) as copy:
            (verdict,) = copy.execute("PRAGMA integrity_check (1)").fetchone()
            (n_events,) = copy.execute("SELECT COUNT(*) FROM events").fetchone()
        if verdict != "ok":
            raise InputError(f"{database}: is damaged, and so is its copy: {verdict:.200}")
        sync(fresh)
        fresh.rename(path)
        sync(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"{path}: the backup cannot be written: {error}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return int(n_events)
