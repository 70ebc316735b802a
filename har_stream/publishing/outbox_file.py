"""The outbox's file at work: a transaction at a time, repaired where that helps, never raising."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from har_stream.core.errors import InputError
from har_stream.core.sqlite import database_file
from har_stream.core.sqlite.file_in_use import FileInUse
from har_stream.core.sqlite.pages import stored_rows
from har_stream.publishing import outbox_tables as tables

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class OutboxFile:
    """One file, held by one process; its user lets one thread in at a time.

    Args:
        path: SQLite file; made where absent, begun anew from its rows where damaged.
        opened: Called with the connection whenever the file was opened, also after a repair.

    Raises:
        OSError, sqlite3.Error: The file cannot be used, or another process holds it.
        InputError: A newer version of this program has made it.
    """

    def __init__(self, path: Path, *, opened: Callable[[sqlite3.Connection], None]) -> None:
        self._path = path
        self._opened = opened
        self._failing: set[str] = set()
        self._is_lost = False
        self._db: sqlite3.Connection | None = self._open()

    def attempt(
        self, work: Callable[[sqlite3.Connection], Result], *, otherwise: Result, costs: str
    ) -> Result:
        """Do some work in a transaction.

        Args:
            work: It may run twice: once more after what failed was repaired.
            otherwise: What is returned where it fails.
            costs: What the failure means, for the log; said once until it works again.
        """
        try:
            result = self._run(work)
        except (OSError, sqlite3.Error, OverflowError, UnicodeError, InputError) as error:
            if costs not in self._failing:
                logger.error("%s: %s, for the outbox fails: %s", self._path, costs, error)
            self._failing.add(costs)
            return otherwise
        self._failing.discard(costs)
        return result

    def tidy(self) -> None:
        """Give the log's room back to the disk, and hold a reserve again."""
        if self._db is not None:
            with suppress(sqlite3.Error):  # there may be room for it later
                database_file.empty_log(self._db)
            self._in_use.hold_reserve()

    def notice_loss(self) -> None:
        """Say it once where somebody deleted the file in use, and write it anew."""
        if self._db is None or self._is_lost:
            return
        try:
            if self._in_use.bring_back(self._db):
                self._let_go()
                self._db = self._open()
        except FileExistsError as error:
            self._is_lost = True
            logger.error(
                "%s: %s; what is new goes to the old one, which nobody sees", self._path, error
            )
        except (OSError, sqlite3.Error) as error:
            self._is_lost = True
            logger.error("%s: cannot be written anew: %s", self._path, error)

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()
        database_file.clear_up(self._path)

    def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return self._transact(work)
        except sqlite3.Error as error:
            if database_file.is_damage(error):
                self._let_go()
            elif self._db is None or not self._in_use.make_room(self._db, error):
                raise
        try:
            result = self._transact(work)
        except sqlite3.Error as error:
            if self._db is not None:
                self._in_use.make_room(self._db, error)  # or what failed would lie in the log
            raise
        self._in_use.hold_reserve()
        return result

    def _transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        if self._db is None:
            self._db = self._open()
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            return work(self._db)

    def _let_go(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def _open(self) -> sqlite3.Connection:
        path = self._path
        database_file.make_folder(path.parent)
        database_file.release_reserve(path)
        # SQLite believes a log up to its first damage, and one that another file has left.
        beside = []
        if database_file.had_unclean_end(path):
            beside = list(tables.events_in(stored_rows(path, only_beside_log=True)))
        damage = database_file.find_damage(
            path, check="integrity_check", schema_of=tables.schema_of
        )
        aside = database_file.rebuild(path, fill=tables.begin_anew) if damage else None
        db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            db.text_factory = database_file.read_text
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            database_file.set_durable(db)
            with db:
                db.execute("BEGIN IMMEDIATE")
                tables.migrate(db)
                n_back = sum(
                    tables.keep_event(db, row, event)
                    for row, event in beside
                    if not row.values[6]  # what a journal has may have left
                )
                tables.mend_last_seqs(db)
            self._opened(db)
            n_events, n_bad = db.execute(
                "SELECT (SELECT COUNT(*) FROM events), (SELECT COUNT(*) FROM set_aside)"
            ).fetchone()
        except BaseException:
            db.close()
            raise
        if aside:
            logger.error(
                "%s was damaged (%s); it lies at %s now, and a new one holds the %s events that "
                "could be read, and %s set aside that make no sense",
                path,
                damage,
                aside.name,
                n_events,
                n_bad,
            )
        elif n_back:
            logger.warning("%s: %s events were found in its damaged log", path, n_back)
        with suppress(sqlite3.Error):  # there may be room for it later
            database_file.empty_log(db)
        self._in_use = FileInUse(path)
        return db
