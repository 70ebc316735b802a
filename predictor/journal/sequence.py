"""Which events of a camera the journal holds: their numbers, what is missing, counting anew.

Events of a fleet's lot say the epoch of the owner that sends them. Once one of a newer owner is
held, what a former one still says is refused: the newest has it too, and is asked for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, delete, insert, select, update

from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.records import CameraKey, JournalEntry, Progress
from predictor.journal.tables import (
    CAMERAS,
    DELETED,
    EVENTS,
    LOTS,
    insert_or,
    key_of,
    row_of,
    upsert,
)


@dataclass(slots=True)
class _Camera:
    """A row of ``cameras``: every number up to ``contiguous`` is held, ``highest`` is the last."""

    epoch: int = 1
    contiguous: int = 0
    highest: int = 0


class Recorder:
    """Inserts events that are not known yet, and follows their cameras' numbers.

    Args:
        connection: In a transaction; nothing is to be seen of it before `finish`.
        running_s: When the events were received, by the journal's running time.

    Attributes:
        refused: Events of a former owner of a lot, by the epoch of the newest.
    """

    def __init__(self, connection: Connection, *, running_s: float) -> None:
        self._connection = connection
        self._running_s = running_s
        self._cameras: dict[CameraKey, _Camera] = {}
        self._rows: list[dict[str, Any]] = []
        self._epochs: dict[str, int] = {}
        self._deleted: set[str] = set()
        self._lot_epochs: dict[str, int] = {}
        self.refused: list[tuple[ActivityEvent, int]] = []

    def record(self, entries: Sequence[JournalEntry]) -> list[Progress]:
        """Keep each event once; returns how far its camera is known after each."""
        ids = [entry.event.id for entry in entries]
        known = select(EVENTS.c.id, EVENTS.c.epoch).where(EVENTS.c.id.in_(ids))
        self._epochs |= {row.id: row.epoch for row in self._connection.execute(known)}
        deleted = select(DELETED.c.id).where(DELETED.c.id.in_(ids))
        self._deleted.update(self._connection.execute(deleted).scalars())
        return [self._record(entry) for entry in entries]

    def take_back(self, ids: Sequence[str]) -> None:
        """Let deleted events be recorded again, in place of what was left of them."""
        left = and_(EVENTS.c.id.in_(ids), EVENTS.c.id.in_(select(DELETED.c.id)))
        self._connection.execute(delete(EVENTS).where(left))
        self._connection.execute(delete(DELETED).where(DELETED.c.id.in_(ids)))

    def give_up_before(self, key: CameraKey, first_seq: int) -> Progress:
        """Count what lies before ``first_seq`` as held.

        Only up to the highest number that is held: who says more may be mistaken, or lie.
        """
        camera = self._camera(key)
        up_to = min(first_seq - 1, camera.highest)
        if up_to > camera.contiguous:
            camera.contiguous = self._follow(key, camera.epoch, up_to)
        return _progress(camera, is_new=False)

    def finish(self) -> None:
        """Write what is still to be written."""
        self._insert()
        for (node, name), camera in self._cameras.items():
            row = {
                "node": node,
                "camera": name,
                "epoch": camera.epoch,
                "contiguous_seq": camera.contiguous,
                "highest_seq": camera.highest,
            }
            upsert(self._connection, CAMERAS, row)

    def _record(self, entry: JournalEntry) -> Progress:
        event = entry.event
        key = event.node, event.camera
        camera = self._camera(key)
        if not self._is_of_newest_owner(event):
            # The newest owner has it too, and is asked as for any that is missing.
            is_missing = max(camera.highest, event.seq) > camera.contiguous
            return replace(_progress(camera, is_new=False), has_gap=is_missing)
        known_in = self._epochs.get(event.id)
        if event.id in self._deleted:  # its node still has it; its number counts as held
            self._count(key, camera, event.seq)
            return _progress(camera, is_new=False)
        if known_in is None:
            if event.seq <= camera.contiguous:
                self._look_back(key, camera, event.seq)
            self._rows.append(
                row_of(
                    event,
                    epoch=camera.epoch,
                    received_at=entry.received_at,
                    running_s=self._running_s,
                )
            )
            self._epochs[event.id] = camera.epoch
            self._count(key, camera, event.seq)
        elif known_in < camera.epoch and event.seq > camera.contiguous:
            self._move(key, camera, event)
        return _progress(camera, is_new=known_in is None)

    def _is_of_newest_owner(self, event: ActivityEvent) -> bool:
        """Tell whether a lot's newest owner says it; a newer one waits until we have committed."""
        if event.lot_epoch is None:
            return True
        if event.lot_epoch > self._lot_epochs.get(event.node, -1):
            statement = insert_or(self._connection, LOTS)
            said, held = statement.excluded.epoch, LOTS.c.epoch
            newest = case((said > held, said), else_=held)
            statement = statement.on_conflict_do_update(
                set_={"epoch": newest}, **key_of(self._connection, LOTS)
            ).returning(held)
            values = {"node": event.node, "epoch": event.lot_epoch}
            self._lot_epochs[event.node] = self._connection.execute(statement, values).scalar_one()
        newest_epoch = self._lot_epochs[event.node]
        if event.lot_epoch < newest_epoch:
            self.refused.append((event, newest_epoch))
        return event.lot_epoch == newest_epoch

    def _look_back(self, key: CameraKey, camera: _Camera, seq: int) -> None:
        """Tell a late event from one of a node that lost its state, or was restored from a backup.

        A number that is taken, or lies before all that are held, cannot be merely late.
        """
        self._insert()
        held = _held(key, camera.epoch)
        first = self._connection.execute(held.order_by(EVENTS.c.seq).limit(1)).scalar()
        if first is None or seq < first or self._is_taken(key, camera.epoch, seq):
            camera.epoch, camera.contiguous, camera.highest = camera.epoch + 1, 0, 0

    def _move(self, key: CameraKey, camera: _Camera, event: ActivityEvent) -> None:
        """Count an event of an earlier epoch in the present one: its node still has it."""
        self._insert()
        if self._is_taken(key, camera.epoch, event.seq):
            self._count(key, camera, event.seq)
            return
        columns = EVENTS.c
        moved = self._connection.execute(
            update(EVENTS)
            .where(columns.id == event.id, columns.seq == event.seq)
            .where(columns.node == event.node, columns.camera == event.camera)
            .values(epoch=camera.epoch)
        )
        if moved.rowcount:
            self._epochs[event.id] = camera.epoch
            self._count(key, camera, event.seq)

    def _count(self, key: CameraKey, camera: _Camera, seq: int) -> None:
        if seq == camera.contiguous + 1:
            camera.contiguous = seq
            if camera.highest > seq:
                camera.contiguous = self._follow(key, camera.epoch, seq)
        camera.highest = max(camera.highest, seq)

    def _camera(self, key: CameraKey) -> _Camera:
        if key not in self._cameras:
            query = select(CAMERAS).where(CAMERAS.c.node == key[0], CAMERAS.c.camera == key[1])
            row = self._connection.execute(query).first()
            self._cameras[key] = (
                _Camera(row.epoch, row.contiguous_seq, row.highest_seq) if row else _Camera()
            )
        return self._cameras[key]

    def _follow(self, key: CameraKey, epoch: int, contiguous: int) -> int:
        """Follow the stored numbers from ``contiguous`` up to the first that is missing."""
        self._insert()
        later = _held(key, epoch).where(EVENTS.c.seq > contiguous).order_by(EVENTS.c.seq)
        with self._connection.execute(later.execution_options(yield_per=100)) as rows:
            for row in rows:
                if row.seq > contiguous + 1:
                    break
                contiguous = row.seq
        return contiguous

    def _is_taken(self, key: CameraKey, epoch: int, seq: int) -> bool:
        taken = _held(key, epoch).where(EVENTS.c.seq == seq)
        return self._connection.execute(taken).first() is not None

    def _insert(self) -> None:
        if self._rows:
            self._connection.execute(insert(EVENTS), self._rows)
            self._rows.clear()


def progress_of(row: Row[Any]) -> Progress:
    """Read a row of ``cameras``."""
    return _progress(_Camera(row.epoch, row.contiguous_seq, row.highest_seq), is_new=False)


def _progress(camera: _Camera, *, is_new: bool) -> Progress:
    return Progress(
        is_new=is_new,
        contiguous_seq=camera.contiguous,
        has_gap=camera.highest > camera.contiguous,
    )


def _held(key: CameraKey, epoch: int) -> Select[Any]:
    """Return the query for the numbers that are held of a camera."""
    return select(EVENTS.c.seq).where(
        EVENTS.c.node == key[0], EVENTS.c.camera == key[1], EVENTS.c.epoch == epoch
    )
