"""Activity logs as CSV: `start,end,activity[,room]`, read and written."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from har_stream.core.activity import IDLE, MAX_NAME_LENGTH, UNKNOWN, clean_name
from har_stream.core.atomic_file import write_output, writing
from har_stream.core.errors import InputError
from predictor.logs.table import read_table
from predictor.sessions import Session

COLUMNS = ("start", "end", "activity", "room")
_NEEDED = sorted(COLUMNS[:3])
_HINT = (
    "a log has the columns start,end,activity[,room] (train-hmm import makes one of other formats)"
)
AHEAD = timedelta(minutes=2)
"""What is dated further after now is from the future: so far may two clocks differ."""
MANY = 3
"""A row or two may be a slip of the pen; so many have one cause."""
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)
"""Between which an event's times lie, see `har_stream.mqtt.messages`."""
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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS[:width])
    writer.writerows(row[:width] for row in rows)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_output(path, text.getvalue())
    return len(rows)


def parse_log(text: str, source: str, *, now: datetime) -> Log:
    """Read the text of a log.

    Rows that end before they start, that are from the future, or of nobody, are left out.

    Raises:
        InputError: A column is missing, or a row makes no sense; its line is named.
    """
    sessions = []
    left_out = LeftOut()
    for where, cells in read_table(text, source, needed=_NEEDED, hint=_HINT):
        started_at, ended_at = instant(cells["start"], where), instant(cells["end"], where)
        activity = clean_name(cells["activity"].strip())
        room = clean_name(cells.get("room", "").strip())
        if not activity:
            raise InputError(f"{where}: no activity")
        if len(activity) > MAX_NAME_LENGTH or len(room) > MAX_NAME_LENGTH:
            raise InputError(
                f"{where}: a name of more than {MAX_NAME_LENGTH} characters; is a quote missing?"
            )
        if ended_at < started_at:
            told = f"ends before it starts ({cells['start']} to {cells['end']})"
            left_out.add(f"{where}: {told}", activity)
        elif future := tell_future(started_at, ended_at, now=now):
            left_out.add(f"{where}: {activity} {future}")
        elif activity in _NOBODY:
            left_out.lines.append(f"{where}: {activity!r} is no activity")
        else:
            sessions.append(Session(activity, started_at, ended_at, room or None))
    left_out.check(source, sessions)
    return Log(source, sorted(sessions, key=lambda each: each.started_at), left_out.lines)


class LeftOut:
    """What of a log cannot be used: named line by line, and no log of it when it is too much.

    Attributes:
        lines: One for each row that was left out: file, line and why.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._n_rows = 0
        self._activities: Counter[str | None] = Counter()
        self._first: dict[str | None, str] = {}

    def add(self, line: str, activity: str | None = None, *, is_session: bool = True) -> None:
        """Leave out a row.

        Args:
            line: File, line and why.
            activity: Its activity, as far as is known.
            is_session: Whether it should have been a session, and not a part of one.
        """
        self.lines.append(line)
        self._n_rows += is_session
        self._activities[activity] += 1
        self._first.setdefault(activity, line)

    def check(self, source: str, sessions: Sequence[Session]) -> None:
        """Refuse a log of which a whole activity or most rows would go.

        Raises:
            InputError: So it is; the first such row is named.
        """
        kept = {session.activity for session in sessions}
        for activity, n_rows in self._activities.items():
            if activity is not None and activity not in kept and n_rows >= MANY:
                raise InputError(
                    f"{source}: all {n_rows} rows of {activity!r} would be left out; mend them or "
                    f"take them out, the first is {self._first[activity]}"
                )
        n_lost = self._n_rows
        if n_lost >= MANY and n_lost > len(sessions):
            raise InputError(
                f"{source}: {n_lost} of {n_lost + len(sessions)} rows would be left out; mend them "
                f"or take them out, the first is {next(iter(self._first.values()))}"
            )


def tell_future(started_at: datetime, ended_at: datetime | None, *, now: datetime) -> str | None:
    """Say what of an activity is from the future; ``None`` where nothing is."""
    for verb, at in (("starts", started_at), ("ends", ended_at)):
        if at is not None and at > now + AHEAD:
            return f"{verb} after now ({at:%Y-%m-%d %H:%M})"
    return None


def instant(text: str | None, where: str) -> datetime:
    """Read a date and time; one without an offset is local.

    Raises:
        InputError: It is none; `where` (file:line) is named.
    """
    try:
        at = datetime.fromisoformat((text or "").strip()).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"{where}: {text!r} is no time like 2026-11-22 18:02:11") from error
    if not _EARLIEST <= at <= _LATEST:
        raise InputError(f"{where}: {text!r} lies not between 1970 and 2199")
    return at


def _clock(at: datetime) -> str:
    """Write local time; with its offset only in the hour that comes twice when summer time ends."""
    local = at.astimezone().replace(tzinfo=None)
    return (local if local.astimezone() == at else at.astimezone()).isoformat(" ")
