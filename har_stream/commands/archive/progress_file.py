"""What of an archive has been recognised: on disk, clip by clip, so that a kill costs no other.

A clip's result is one row, written in one transaction: it is there whole, or not at all.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from har_stream.commands.archive.clip_list import ArchiveClip
from har_stream.commands.archive.results import ClipResult
from har_stream.core.errors import InputError
from har_stream.core.sqlite.database_file import set_durable

_TABLES = """
CREATE TABLE IF NOT EXISTS run (setting TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS clips (
    name TEXT PRIMARY KEY, n_bytes INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
    result TEXT NOT NULL
);
"""


class ProgressFile:
    """The results of an archive so far, in a SQLite file; a context manager, for one process.

    Args:
        path: The file; made where absent.
        settings: What results depend on; those of other settings are of no use.

    Raises:
        InputError: It cannot be used, another process has it, or it was made with other settings.
    """

    def __init__(self, path: Path, settings: dict[str, str]) -> None:
        self._path = path
        with self._explained():
            self._db = sqlite3.connect(path, timeout=1.0)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            set_durable(self._db)
            with self._db:
                self._db.executescript(_TABLES)
                self._db.execute(
                    "INSERT OR IGNORE INTO run VALUES ('opened', '')"
                )  # takes the lock
            earlier = dict(self._db.execute("SELECT * FROM run WHERE setting != 'opened'"))
            if not earlier:
                with self._db:
                    self._db.executemany("INSERT INTO run VALUES (?, ?)", settings.items())
        for setting in settings if earlier else ():
            if settings[setting] != earlier.get(setting):
                self._db.close()
                raise InputError(
                    f"{path}: was made with a different {setting}; give another --out, or delete "
                    "this file to begin anew"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, clip: ArchiveClip, result: ClipResult) -> None:
        """Keep the result of a clip; when this returns it is on disk.

        Raises:
            InputError: The disk refuses it.
        """
        row = (clip.name, clip.n_bytes, clip.changed_ns, result.model_dump_json())
        with self._explained(), self._db:
            self._db.execute("INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?)", row)

    def states(self) -> dict[str, tuple[int, int]]:
        """Return size and time of change that every clip had when it was recognised, by name."""
        with self._explained():
            rows = self._db.execute("SELECT name, n_bytes, changed_ns FROM clips").fetchall()
        return {name: (n_bytes, changed_ns) for name, n_bytes, changed_ns in rows}

    def result(self, name: str) -> ClipResult:
        """Read the result of a clip that is kept."""
        with self._explained():
            row = self._db.execute("SELECT result FROM clips WHERE name = ?", (name,)).fetchone()
        return ClipResult.model_validate_json(row[0])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise InputError(f"{self._path}: another har-stream works on it") from error
            raise InputError(
                f"{self._path}: cannot be used ({error}); make room, or delete it to begin anew"
            ) from error
