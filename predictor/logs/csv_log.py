"""Activity logs as CSV: `start,end,activity[,room]`, read and written."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.core.atomic_file import replacing, writing
from har_stream.core.errors import InputError
from predictor.sessions import Session

COLUMNS = ("start", "end", "activity", "room")
_NEEDED = set(COLUMNS[:3])
MAX_CHARACTERS = 100_000_000
"""Of one log; some hundred thousand events."""
_NOBODY = frozenset({IDLE, UNKNOWN})


@dataclass(frozen=True, slots=True)
class Log:
    """What a log holds.

    Attributes:
        source: Path or URL.
        sessions: In the order of their starts; they may overlap.
        skipped: One line per row that was left out: file, line and why.
    """

    source: str
    sessions: Sequence[Session]
    skipped: Sequence[str]


def write_log(path: Path, sessions: Iterable[Session]) -> int:
    """Write sessions as CSV, whole or not at all; returns how many.

    Raises:
        InputError: It cannot be written.
    """
    rows = [
        (_clock(session.started_at), _clock(session.ended_at), session.activity, session.room or "")
        for session in sessions
    ]
    has_rooms = any(row[3] for row in rows)
    width = len(COLUMNS) if has_rooms else len(COLUMNS) - 1
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS[:width])
            writer.writerows(row[:width] for row in rows)
    return len(rows)


def parse_log(text: str, source: str) -> Log:
    """Read the text of a log; rows that end before they start, or of nobody, are left out.

    Raises:
        InputError: A column is missing, or a row makes no sense; its line is named.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""))
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    missing = _NEEDED - set(rows.fieldnames)
    if missing:
        raise InputError(
            f"{source}:1: no column {', '.join(sorted(missing))}; a log has the columns "
            "start,end,activity[,room] (train-hmm import makes one of other formats)"
        )
    sessions, skipped = [], []
    try:
        for row in rows:
            where = f"{source}:{rows.line_num}"
            started_at, ended_at = instant(row["start"], where), instant(row["end"], where)
            activity = (row["activity"] or "").strip()
            if not activity:
                raise InputError(f"{where}: no activity")
            if ended_at < started_at:
                skipped.append(f"{where}: ends before it starts ({row['start']} to {row['end']})")
                continue
            if activity in _NOBODY:
                skipped.append(f"{where}: {activity!r} is no activity")
                continue
            room = (row.get("room") or "").strip() or None
            sessions.append(Session(activity, started_at, ended_at, room))
    except csv.Error as error:
        raise InputError(f"{source}:{rows.line_num}: {error}") from error
    return Log(source, sessions, skipped)


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{path}: more than {MAX_CHARACTERS // 1_000_000} MB; split it")
    return text


def instant(text: str | None, where: str) -> datetime:
    """Read a date and time; one without an offset is local.

    Raises:
        InputError: It is none; `where` (file:line) is named.
    """
    try:
        return datetime.fromisoformat((text or "").strip()).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"{where}: {text!r} is no time like 2026-11-22 18:02:11") from error


def _clock(at: datetime) -> str:
    """Write local time; with its offset only in the hour that comes twice when summer time ends."""
    local = at.astimezone().replace(tzinfo=None)
    return (local if local.astimezone() == at else at.astimezone()).isoformat(" ")
