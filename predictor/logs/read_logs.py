"""Activity logs in any format: read into sessions, to learn from, or into events, to be kept."""

import logging
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from har_stream.config.ids import as_id
from har_stream.core.activity import EventType
from har_stream.core.errors import InputError
from har_stream.core.redact import redact
from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.database import require_journal
from predictor.journal.journal import Journal
from predictor.logs.csv_log import AHEAD, Log, parse_log, tell_future
from predictor.logs.event_file import holds_events, parse_events
from predictor.logs.parquet_file import is_parquet, read_parquet
from predictor.logs.table import read_text
from predictor.sessions import Session

logger = logging.getLogger(__name__)

_NOTHING = "no activity in it (rows of start,end,activity expected)"
LOG_NODE = "log"
"""The node of events made of a log's rows."""


def read_logs(sources: Iterable[str], *, now: datetime | None = None) -> Log:
    """Read logs of one home into one.

    Args:
        sources: Each a CSV file with ``start,end,activity[,room]`` (local times, or with zone
            offsets), a JSONL file of activity events, or the SQLAlchemy URL of a journal.
        now: What is dated later is left out; none: this machine's clock.

    Raises:
        InputError: A log cannot be read, a line of it makes no sense, or there is no session.
    """
    now = now or datetime.now(UTC)
    logs = [_read_log(source, now) for source in sources]
    sessions = sorted(
        (session for log in logs for session in log.sessions),
        key=lambda session: session.started_at,
    )
    skipped = [line for log in logs for line in log.skipped]
    source = ", ".join(log.source for log in logs)
    if not sessions:
        raise InputError(_say_nothing(source, skipped))
    return Log(source, sessions, skipped)


def read_events(path: Path, *, now: datetime | None = None) -> Iterator[ActivityEvent]:
    """Read events from a file of them, or from an activity log as a camera would have sent them.

    What is from the future, and rows of a log that end before they start, are named and left out.

    Args:
        path: The file.
        now: What is dated later is left out; none: this machine's clock.

    Raises:
        InputError: The file cannot be read, or a line of it makes no sense; it is named.
    """
    now = now or datetime.now(UTC)
    found = _read_file(path, now)
    n_left_out = 0
    if isinstance(found, Log):
        n_left_out = len(found.skipped)
        for line in found.skipped:
            logger.warning("left out: %s", line)
        if not found.sessions:
            raise InputError(_say_nothing(str(path), found.skipped))
        yield from _events_of(found.sessions, camera=as_id(Path(_without_gz(path.name)).stem))
    else:
        for event in found:
            if told := tell_future(event.started_at, event.ended_at, now=now):
                n_left_out += 1
                logger.warning(
                    "left out: %s: event %s: %s %s", path, event.id, event.activity, told
                )
            else:
                yield event
    if n_left_out:
        logger.warning("left out: %s in all, as named above", n_left_out)


def _say_nothing(source: str, skipped: Sequence[str]) -> str:
    hint = f"; the first left out is {skipped[0]}" if skipped else ""
    return f"{source}: {_NOTHING}{hint}"


def _read_log(source: str, now: datetime) -> Log:
    if not source:
        raise InputError("a log's name is empty; give a file, or a journal as sqlite:///journal.db")
    if "://" in source:
        return _log_of_journal(source, redact(source), now)
    found = _read_file(Path(source), now)
    return found if isinstance(found, Log) else _log_of_events(found, source, now)


def _read_file(path: Path, now: datetime) -> Log | Iterator[ActivityEvent]:
    """Read a file of either kind; every program reads through here."""
    if is_parquet(path):
        return read_parquet(path)
    text = read_text(path)
    if holds_events(path, text):
        return parse_events(text, path)
    return parse_log(text, str(path), now=now)


def _without_gz(name: str) -> str:
    return name[:-3] if name.lower().endswith(".gz") else name


def _log_of_events(events: Iterable[ActivityEvent], source: str, now: datetime) -> Log:
    """Let a journal of its own make sense of the events: it knows duplicates and order."""
    backwards: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/journal.db"
        with Journal(url) as journal:
            journal.record_all(_noting(events, source, backwards), received_at=now)
        log = _log_of_journal(url, source, now)
    return Log(source, log.sessions, [*backwards, *log.skipped])


def _noting(
    events: Iterable[ActivityEvent], source: str, backwards: list[str]
) -> Iterator[ActivityEvent]:
    """Note the events of which no session comes, for they end before they start."""
    for event in events:
        if event.ended_at is not None and event.ended_at < event.started_at:
            told = f"{event.activity} ends before it starts"
            backwards.append(f"{source}: event {event.id}: {told}")
        yield event


def _log_of_journal(url: str, source: str, now: datetime) -> Log:
    require_journal(url)
    latest = now + AHEAD
    with Journal(url) as journal:
        sessions = [
            Session(bout.activity, bout.started_at, bout.ended_at or bout.started_at, bout.room)
            for bout in journal.bouts(until=latest)
        ]
        skipped = [
            f"{source}: event {event.id}: {event.activity} "
            f"{tell_future(event.started_at, event.ended_at, now=now)}"
            for event in (entry.event for entry in journal.entries(since=latest))
            if event.started_at > latest or (event.ended_at and event.ended_at > latest)
        ]
    return Log(source, sessions, skipped)


def _events_of(sessions: Iterable[Session], *, camera: str) -> Iterator[ActivityEvent]:
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
