"""The journal as a file and back: CSV or JSON lines, and activity logs made elsewhere.

An export keeps every event whole. What is read may be such an export, the file of
``har-stream --record-events``, or a log ``start,end,activity[,room]`` in local time; reading a
file twice adds nothing the second time.
"""

import csv
import io
import json
import logging
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from har_stream.config.ids import as_id
from har_stream.core.activity import EventType
from har_stream.core.atomic_file import replacing, writing
from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent, MessageError
from predictor.logs.csv_log import read_text
from predictor.logs.read_logs import read_logs
from predictor.sessions import Session

logger = logging.getLogger(__name__)

COLUMNS = tuple(name for name in ActivityEvent.model_fields if name != "schema_version")
"""Columns of an exported CSV file, as on the wire; ``probabilities`` is JSON."""
LOG_NODE = "log"
_NEEDED = {"seq", "event_type"}


def write_events(events: Iterable[ActivityEvent], path: Path) -> int:
    """Write events to a ``.csv`` or ``.jsonl`` file, atomically; returns how many.

    Raises:
        InputError: Another suffix, or the file cannot be written.
    """
    writers = {".csv": _write_csv, ".jsonl": _write_jsonl}
    if path.suffix not in writers:
        raise InputError(f"{path}: give a name that ends in .csv or .jsonl")
    with writing(path), replacing(path) as file:
        return writers[path.suffix](events, file)


def read_events(path: Path) -> Iterator[ActivityEvent]:
    """Read events from an export, a ``--record-events`` file or an activity log.

    Rows of a log that end before they start are named and skipped.

    Raises:
        InputError: The file cannot be read, or a line of it makes no sense; it is named.
    """
    text = read_text(path)
    if path.suffix == ".jsonl":
        yield from _read_jsonl(text, path)
        return
    rows = csv.DictReader(io.StringIO(text, newline=""))
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    if set(rows.fieldnames) >= _NEEDED:
        yield from _read_csv(rows, path)
    else:
        log = read_logs([str(path)])
        for line in log.skipped:
            logger.warning("%s; skipped", line)
        yield from _as_events(log.sessions, camera=as_id(path.stem))


def _write_csv(events: Iterable[ActivityEvent], file: TextIO) -> int:
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    n_events = 0
    for n_events, event in enumerate(events, 1):  # noqa: B007 -- the last number is the count
        row = event.model_dump(mode="json", include=set(COLUMNS))
        writer.writerow(row | {"probabilities": json.dumps(row["probabilities"])})
    return n_events


def _write_jsonl(events: Iterable[ActivityEvent], file: TextIO) -> int:
    return sum(file.write(event.encode().decode() + "\n") > 0 for event in events)


def _read_jsonl(text: str, path: Path) -> Iterator[ActivityEvent]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield _decode(line, path, number)


def _read_csv(rows: "csv.DictReader[str]", path: Path) -> Iterator[ActivityEvent]:
    for row in rows:
        values: dict[str, object] = {name: value for name, value in row.items() if value}
        try:
            values["probabilities"] = json.loads(row.get("probabilities") or "{}")
        except ValueError as error:
            raise InputError(f"{path}:{rows.line_num}: probabilities: {error}") from error
        yield _decode(json.dumps(values), path, rows.line_num)


def _decode(line: str, path: Path, number: int) -> ActivityEvent:
    try:
        return ActivityEvent.decode(line)
    except MessageError as error:
        raise InputError(f"{path}:{number}: {error}") from error


def _as_events(sessions: Iterable[Session], *, camera: str) -> Iterator[ActivityEvent]:
    """Turn the rows of a log into the events that a camera would have sent of them."""
    seq = 0

    def event(kind: EventType, session: Session, previous: str | None) -> ActivityEvent:
        told = f"{camera} {kind} {session.activity} {session.started_at} {session.ended_at}"
        return ActivityEvent(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, told)),
            seq=seq,
            event_type=kind,
            activity=session.activity,
            previous=previous,
            room=session.room,
            confidence=1.0,
            started_at=session.started_at,
            ended_at=session.ended_at if kind == "activity_ended" else None,
            camera=camera,
            node=LOG_NODE,
        )

    previous: Session | None = None
    for session in sessions:
        if previous is not None and previous.ended_at < session.started_at:
            seq += 1
            yield event("activity_ended", previous, None)
            previous = None
        seq += 1
        if previous is None:
            yield event("activity_started", session, None)
        else:
            yield event("activity_changed", session, previous.activity)
        previous = session
    if previous is not None:
        seq += 1
        yield event("activity_ended", previous, None)
