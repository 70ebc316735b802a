"""Which events of a camera the journal holds: their numbers, what is missing, counting anew."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select

from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.records import Progress
from predictor.journal.tables import CAMERAS, EVENTS, row_of, upsert


def record_event(connection: Connection, event: ActivityEvent, received_at: datetime) -> Progress:
    """Insert an event that is not known yet, and follow its camera's numbers."""
    known = select(EVENTS.c.id).where(EVENTS.c.id == event.id)
    is_new = connection.execute(known).first() is None
    epoch, contiguous, highest = _camera(connection, event.node, event.camera)
    if not is_new:
        return Progress(is_new=False, contiguous_seq=contiguous, has_gap=highest > contiguous)
    if event.seq <= contiguous and _has_restarted(connection, event, epoch):
        epoch, contiguous, highest = epoch + 1, 0, 0
    connection.execute(insert(EVENTS), row_of(event, epoch=epoch, received_at=received_at))
    if event.seq == contiguous + 1:
        contiguous = event.seq
        if highest > contiguous:
            contiguous = _follow(connection, event.node, event.camera, epoch, contiguous)
    highest = max(highest, event.seq)
    _save_camera(connection, event.node, event.camera, epoch, contiguous, highest)
    return Progress(is_new=True, contiguous_seq=contiguous, has_gap=highest > contiguous)


def give_up_before(connection: Connection, node: str, camera: str, first_seq: int) -> int:
    """Count what lies before ``first_seq`` as held; returns the new contiguous ``seq``.

    Only up to the highest number that is held: who says more may be mistaken, or lie.
    """
    epoch, contiguous, highest = _camera(connection, node, camera)
    contiguous = max(contiguous, min(first_seq - 1, highest))
    contiguous = _follow(connection, node, camera, epoch, contiguous)
    _save_camera(connection, node, camera, epoch, contiguous, highest)
    return contiguous


def progress_of(row: Row[Any]) -> Progress:
    """Read a row of ``cameras``."""
    return Progress(
        is_new=False,
        contiguous_seq=row.contiguous_seq,
        has_gap=row.highest_seq > row.contiguous_seq,
    )


def _has_restarted(connection: Connection, event: ActivityEvent, epoch: int) -> bool:
    """Tell a late event from one of a node that lost its state and counts from 1 again.

    A number that is taken, or lies before all that are held, cannot be merely late.
    """
    held = _held(event.node, event.camera, epoch)
    first = connection.execute(held.order_by(EVENTS.c.seq).limit(1)).scalar()
    if first is None or event.seq < first:
        return True
    return connection.execute(held.where(EVENTS.c.seq == event.seq)).first() is not None


def _held(node: str, camera: str, epoch: int) -> Select[Any]:
    """Return the query for the numbers that are held of a camera."""
    return select(EVENTS.c.seq).where(
        EVENTS.c.node == node, EVENTS.c.camera == camera, EVENTS.c.epoch == epoch
    )


def _camera(connection: Connection, node: str, camera: str) -> tuple[int, int, int]:
    """Epoch, contiguous and highest ``seq`` of a camera; (1, 0, 0) for a new one."""
    query = select(CAMERAS).where(CAMERAS.c.node == node, CAMERAS.c.camera == camera)
    row = connection.execute(query).first()
    return (row.epoch, row.contiguous_seq, row.highest_seq) if row else (1, 0, 0)


def _save_camera(
    connection: Connection, node: str, camera: str, epoch: int, contiguous: int, highest: int
) -> None:
    camera_row = {
        "node": node,
        "camera": camera,
        "epoch": epoch,
        "contiguous_seq": contiguous,
        "highest_seq": highest,
    }
    upsert(connection, CAMERAS, camera_row)


def _follow(connection: Connection, node: str, camera: str, epoch: int, contiguous: int) -> int:
    """Follow the stored numbers from ``contiguous`` up to the first that is missing."""
    later = _held(node, camera, epoch).where(EVENTS.c.seq > contiguous).order_by(EVENTS.c.seq)
    with connection.execute(later.execution_options(yield_per=100)) as rows:
        for row in rows:
            if row.seq > contiguous + 1:
                break
            contiguous = row.seq
    return contiguous
