"""What a partition keeps in PostgreSQL: its epoch, its homes' journals and their snapshots.

Whatever is written for a home shows the partition's epoch in the same transaction, so that a former
owner, frozen and awake again, adds nothing.
"""

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from fleet.lots.lot_tables import EpochLostError, open_database, run, show_epoch, take_epoch
from fleet.partitions.home_tables import (
    choose_home,
    make_home_tables,
    note_start,
    read_snapshot,
    write_status,
)
from fleet.partitions.partition_task import PartitionStatus
from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from predictor.journal.database import Database
from predictor.journal.journal import Journal

logger = logging.getLogger(__name__)

FENCE_S = 5.0
"""An owner that could not confirm its epoch for so long says nothing."""


class HomeStore:
    """A partition's part of the database, in the hands of its newest owner; safe in any thread.

    Args:
        url: The fleet's database.
        partition: Whose homes these are.
        owner: Who we are, for the one that comes after us.
        monotonic: Seconds that go on while this process is stopped.

    Attributes:
        is_lost: Whether another owner has taken the partition.

    Raises:
        InputError: The database cannot be used.
    """

    def __init__(
        self,
        url: str,
        partition: str,
        *,
        owner: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_lost = False
        self._partition = partition
        self._monotonic = monotonic
        self._engine = open_database(url)
        try:
            with self._engine.begin() as db:
                self._epoch = take_epoch(db, partition, owner)
                self._journal_id = make_home_tables(db)
                note_start(db, partition, owner)
        except DBAPIError as error:
            self._engine.dispose()
            reason = " ".join(str(error.orig).split())
            raise InputError(f"database {redact(url)}: {reason}") from error
        except InputError:
            self._engine.dispose()
            raise
        self._confirmed_s = monotonic()
        event.listen(self._engine, "begin", self._begin)

    @property
    def may_speak(self) -> bool:
        """Whether the partition was surely ours until just now; from any thread."""
        return not self.is_lost and self._monotonic() - self._confirmed_s < FENCE_S

    def confirm(self, status: PartitionStatus) -> bool:
        """Tell how the partition fares, if it is still ours; to be called every second.

        Returns:
            `may_speak`, as it is now.
        """
        asked_s = self._monotonic()
        try:
            with self._engine.begin() as db:
                self._show_epoch(db)
                write_status(db, self._partition, status)
            self._confirmed_s = asked_s
        except EpochLostError:
            pass
        except DBAPIError as error:
            logger.debug("partition %s cannot be confirmed: %s", self._partition, error.orig)
        return self.may_speak

    def journal_of(self, home: str) -> Journal:
        """Open a home's journal.

        Raises:
            sqlalchemy.exc.DBAPIError: The database does not answer.
        """
        engine = self._engine.execution_options(home=home)
        with engine.execution_options(reading=True).begin() as db:
            known = run(
                db,
                "SELECT (SELECT max(so_far_s) FROM running), (SELECT max(received_s) FROM"
                " snapshots), (SELECT max(received_running_s) FROM events)",
            ).one()
        running_s = [each for each in known if each is not None]
        return Journal(Database(engine, self._journal_id, running_s, None))

    def load_snapshot(self, home: str) -> bytes | None:
        """Return a home's newest snapshot; ``None`` where there is none.

        Raises:
            sqlalchemy.exc.DBAPIError: The database does not answer.
        """
        with self._engine.execution_options(home=home, reading=True).begin() as db:
            return read_snapshot(db)

    def save_snapshot(self, home: str, content: bytes, *, received_s: float) -> None:
        """Keep a home's snapshot in place of the one before.

        Args:
            home: Whose.
            content: What it holds.
            received_s: The journal's running time, before which it has all.

        Raises:
            EpochLostError: The partition is another's.
            sqlalchemy.exc.DBAPIError: The database does not answer.
        """
        with self._engine.execution_options(home=home).begin() as db:
            run(
                db,
                "INSERT INTO snapshots (content, received_s) VALUES (:content, :received_s)"
                " ON CONFLICT (home) DO UPDATE SET (content, received_s, taken_at)"
                " = (:content, :received_s, now())",
                content=content,
                received_s=received_s,
            )

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _begin(self, db: Connection) -> None:
        """A transaction of a home begins."""
        options = db.get_execution_options()
        home = options.get("home")
        if home is None:
            return
        if not options.get("reading", False):
            self._show_epoch(db)
        choose_home(db, home)

    def _show_epoch(self, db: Connection) -> None:
        try:
            show_epoch(db, self._partition, self._epoch)
        except EpochLostError:
            self.is_lost = True
            raise


class SnapshotsAhead:
    """Reads a home's snapshot, and then, in a thread of its own, that of the one after it.

    Args:
        load: Reads one; safe in any thread.
        homes: In the order in which they will probably begin.
    """

    def __init__(self, load: Callable[[str], bytes | None], homes: Iterable[str]) -> None:
        self._load = load
        self._waiting = dict.fromkeys(homes)
        self._ahead: tuple[str, Future[bytes | None]] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshots")

    def load(self, home: str) -> bytes | None:
        """Return a home's snapshot; ``None`` where there is none.

        Raises:
            sqlalchemy.exc.DBAPIError: The database does not answer; it may be asked again.
        """
        self._waiting.pop(home, None)
        ahead = self._ahead
        if ahead is None or ahead[0] != home:
            content = self._load(home)
        else:
            self._ahead = None
            content = ahead[1].result()
        if self._ahead is None and self._waiting:
            following = next(iter(self._waiting))
            del self._waiting[following]
            self._ahead = following, self._thread.submit(self._load, following)
        return content

    def close(self) -> None:
        """Read no further."""
        self._thread.shutdown(wait=False, cancel_futures=True)
