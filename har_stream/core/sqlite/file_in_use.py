"""A SQLite file of ours while it is in use: its disk may fill, and somebody may delete it."""

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path

from har_stream.core.atomic_file import sync
from har_stream.core.sqlite import database_file
from har_stream.core.sqlite.pages import log_of

logger = logging.getLogger(__name__)

_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


class FileInUse:
    """One file that is open and whole; it holds a reserve from the disk.

    Args:
        path: Where it lies.

    Raises:
        OSError: It is gone, or its folder cannot be read.
    """

    def __init__(self, path: Path) -> None:
        sync(path.parent)
        self._path = path
        self._inode = path.stat().st_ino
        self._is_said = False
        self.hold_reserve()

    def hold_reserve(self) -> None:
        """Take up some room beside it, as far as there is any."""
        database_file.hold_reserve(self._path)

    def make_room(self, db: sqlite3.Connection, error: BaseException | None) -> bool:
        """Free what can be freed where an error says that the disk is full; tells whether it did.

        Args:
            db: A connection to it, in no transaction.
            error: What a transaction failed of.
        """
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DISK:
            return False
        database_file.release_reserve(self._path)
        with suppress(OSError, sqlite3.Error):
            database_file.cut_log(db, self._path)
        with suppress(sqlite3.Error):
            database_file.empty_log(db)
        return True

    def bring_back(self, db: sqlite3.Connection) -> bool:
        """Write the file anew where it or its log was deleted, which is said once.

        Args:
            db: A connection to the deleted one.

        Returns:
            Whether it was written anew, and connections must be opened anew.

        Raises:
            FileExistsError: Another file has taken its place.
            OSError, sqlite3.Error: It cannot be written.
        """
        try:
            if self._path.stat().st_ino != self._inode:
                raise FileExistsError("another file has taken its place; start this program again")
            if log_of(self._path).exists():
                return False
        except FileNotFoundError:
            database_file.cut_log(db, self._path)
        if not self._is_said:
            logger.error("%s or its log was deleted while in use; writing it anew", self._path)
        self._is_said = True
        database_file.make_folder(self._path.parent)
        database_file.write_anew(db, self._path)
        self._inode = self._path.stat().st_ino
        self._is_said = False
        return True
