"""Which events of a camera the journal holds: their numbers, what is missing, counting anew."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.event_rows import INSERT, values_of
from predictor.journal.records import Recorded

_HELD = "FROM events WHERE node = :node AND camera = :camera AND epoch = :epoch"
_KNOWN = text("SELECT 1 FROM events WHERE id = :id")
_CAMERA = text(
    "SELECT epoch, contiguous_seq, highest_seq FROM cameras WHERE node = :node AND camera = :camera"
)
_FIRST_AND_TAKEN = text(
    f"SELECT (SELECT MIN(seq) {_HELD}) AS first, EXISTS (SELECT 1 {_HELD} AND seq = :seq) AS taken"
)
_FOLLOWING = text(f"SELECT seq {_HELD} AND seq > :contiguous ORDER BY seq")
_SAVE = text(
    "INSERT INTO cameras (node, camera, epoch, contiguous_seq, highest_seq)"
    " VALUES (:node, :camera, :epoch, :contiguous, :highest)"
    " ON CONFLICT (node, camera) DO UPDATE SET epoch = excluded.epoch,"
    " contiguous_seq = excluded.contiguous_seq, highest_seq = excluded.highest_seq"
)


def record(connection: Connection, event: ActivityEvent, received_at: datetime) -> Recorded:
    """Insert an event that is not known yet, and follow its camera's numbers."""
    is_new = connection.execute(_KNOWN, {"id": event.id}).first() is None
    epoch, contiguous, highest = _camera(connection, event.node, event.camera)
    if not is_new:
        return Recorded(is_new=False, contiguous_seq=contiguous, has_gap=highest > contiguous)
    if event.seq <= contiguous and _has_restarted(connection, event, epoch):
        epoch, contiguous, highest = epoch + 1, 0, 0
    connection.execute(INSERT, values_of(event, epoch, received_at))
    if event.seq == contiguous + 1:
        contiguous = event.seq
        if highest > contiguous:
            contiguous = _advance(connection, event.node, event.camera, epoch, contiguous)
    highest = max(highest, event.seq)
    _save_camera(connection, event.node, event.camera, epoch, contiguous, highest)
    return Recorded(is_new=True, contiguous_seq=contiguous, has_gap=highest > contiguous)


def give_up_before(connection: Connection, node: str, camera: str, first_seq: int) -> int:
    """Count what lies before ``first_seq`` as held; returns the new contiguous ``seq``."""
    epoch, contiguous, highest = _camera(connection, node, camera)
    contiguous = max(contiguous, first_seq - 1)
    contiguous = _advance(connection, node, camera, epoch, contiguous)
    _save_camera(connection, node, camera, epoch, contiguous, max(highest, contiguous))
    return contiguous


def _has_restarted(connection: Connection, event: ActivityEvent, epoch: int) -> bool:
    """Tell a late event from one of a node that lost its state and counts from 1 again.

    A number that is taken, or lies before all that are held, cannot be merely late.
    """
    row = connection.execute(
        _FIRST_AND_TAKEN,
        {"node": event.node, "camera": event.camera, "epoch": epoch, "seq": event.seq},
    ).one()
    return row.first is None or event.seq < row.first or bool(row.taken)


def _camera(connection: Connection, node: str, camera: str) -> tuple[int, int, int]:
    """Epoch, contiguous and highest ``seq`` of a camera; (1, 0, 0) for a new one."""
    row = connection.execute(_CAMERA, {"node": node, "camera": camera}).first()
    return (row.epoch, row.contiguous_seq, row.highest_seq) if row else (1, 0, 0)


def _save_camera(
    connection: Connection, node: str, camera: str, epoch: int, contiguous: int, highest: int
) -> None:
    connection.execute(
        _SAVE,
        {
            "node": node,
            "camera": camera,
            "epoch": epoch,
            "contiguous": contiguous,
            "highest": highest,
        },
    )


def _advance(connection: Connection, node: str, camera: str, epoch: int, contiguous: int) -> int:
    """Follow the stored numbers from ``contiguous`` up to the first that is missing."""
    rows = connection.execute(
        _FOLLOWING.execution_options(yield_per=100),
        {"node": node, "camera": camera, "epoch": epoch, "contiguous": contiguous},
    )
    with rows:
        for row in rows:
            if row.seq > contiguous + 1:
                break
            contiguous = row.seq
    return contiguous


def recorded(row: Row[Any], *, is_new: bool) -> Recorded:
    """Read a row of ``cameras``."""
    return Recorded(
        is_new=is_new,
        contiguous_seq=row.contiguous_seq,
        has_gap=row.highest_seq > row.contiguous_seq,
    )
