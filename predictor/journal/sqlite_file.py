"""A journal's SQLite file: looked at before it is used, begun anew where damaged, full or gone."""

import fcntl
import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from har_stream.core.sqlite import database_file
from har_stream.core.sqlite.file_in_use import FileInUse
from har_stream.core.sqlite.pages import StoredRow, stored_rows
from predictor.journal import recovery

logger = logging.getLogger(__name__)

SMALL_BYTES = 16 * 2**20
"""So large a file, some 30,000 events, is checked at every start, indexes too: half a second."""
# Where SQLite locks a file that it has open: https://www.sqlite.org/src/file/src/os.h
_SHARED_AT, _SHARED_BYTES = 0x40000002, 510


class JournalFile:
    """One file; other processes may have it open as well, and then it is not repaired.

    Args:
        path: Made where absent, with its folder.

    Attributes:
        in_use: What is done while it is open; `None` before.

    Raises:
        OSError, sqlite3.Error: It cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside: list[StoredRow] = []
        self._damage: str | None = None
        self.in_use: FileInUse | None = None
        self._when_damaged: Callable[[], None] | None = None
        database_file.make_folder(path.parent)
        if self.is_in_use():
            return
        database_file.release_reserve(path)
        had_unclean_end = database_file.had_unclean_end(path)
        if had_unclean_end:
            # SQLite believes a log up to its first damage, and one that another file has left.
            self._beside = list(stored_rows(path, only_beside_log=True))
        is_small = not path.exists() or path.stat().st_size <= SMALL_BYTES
        if is_small or had_unclean_end:
            check = "integrity_check" if is_small else "quick_check"
            damage = self._find_damage(check)
            if damage and not self.is_in_use():  # another process may have come meanwhile
                self.repair(damage)

    @property
    def is_damaged(self) -> bool:
        """It was found damaged while it was open, and is repaired once it is closed."""
        return self._damage is not None

    def is_in_use(self) -> bool:
        """Tell whether another process has the file open; this one must not."""
        try:
            with self._path.open("r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_BYTES, _SHARED_AT)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def when_damaged(self, act: Callable[[], None]) -> None:
        """Have something done, in any thread, once it is found damaged while it is open."""
        self._when_damaged = act

    def repair(self, damage: str) -> None:
        """Begin the file anew, which nobody has open, with all that can be read of it.

        Raises:
            OSError, sqlite3.Error: There is no room, or the folder cannot be written.
        """
        aside = database_file.rebuild(self._path, fill=recovery.begin_anew)
        self._damage = None
        self._beside = []
        with sqlite3.connect(self._path) as db:
            (n_events,) = db.execute("SELECT COUNT(*) FROM events").fetchone()
        db.close()
        logger.error(
            "%s was damaged (%s); it lies at %s now, and a new one holds the %s events that could "
            "be read; nodes are asked for the others",
            self._path,
            damage,
            aside.name,
            n_events,
        )

    def take_beside(self, db: sqlite3.Connection) -> None:
        """Add what lies in a damaged log, or behind it; in the first transaction."""
        n_back = sum([recovery.keep(db, row, is_newer=False) for row in self._beside])
        if n_back:
            recovery.number_anew(db)
            logger.warning("%s: %s events were found in its damaged log", self._path, n_back)
        self._beside = []

    def note_open(self) -> None:
        """Hold a reserve; the file is open and whole now."""
        self.in_use = FileInUse(self._path)

    def note_error(self, error: BaseException | None) -> None:
        """Tell damage from other errors; it is said once, and repaired when the file is closed."""
        if isinstance(error, sqlite3.Error) and database_file.is_damage(error):
            self._note_damage(str(error))

    def look(self) -> None:
        """Look for damage while it is open, as SQLite itself may read none of it for months."""
        with suppress(sqlite3.Error):  # another process is at it; there will be another time
            damage = self._find_damage("quick_check", is_in_use=True)
            if damage:
                self._note_damage(damage)

    def close(self) -> None:
        """Repair it where that is due; all connections are closed."""
        if self.is_in_use():
            return
        database_file.release_reserve(self._path)
        if self._damage and self._path.exists():
            try:
                self.repair(self._damage)
            except (OSError, sqlite3.Error) as error:
                logger.error("%s: cannot be begun anew: %s", self._path, error)

    def _note_damage(self, damage: str) -> None:
        if self._damage:
            return
        self._damage = damage
        if self._when_damaged:
            logger.error("%s is damaged (%s); ending, to begin it anew", self._path, damage)
            self._when_damaged()

    def _find_damage(self, check: str, *, is_in_use: bool = False) -> str | None:
        damage = database_file.find_damage(
            self._path,
            check=check,
            schema_of=lambda version: None if version else frozenset(),
            is_in_use=is_in_use,
        )
        if damage or not self._path.exists() or self._path.stat().st_size == 0:
            return damage
        try:
            return recovery.strange_tables(self._path)
        except sqlite3.Error as error:
            if database_file.is_damage(error):
                return str(error)
            return None  # whoever opens it meets what is wrong
