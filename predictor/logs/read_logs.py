"""Activity logs: CSV files, recorded events and journals, read into sessions."""

import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from har_stream.core.errors import InputError
from predictor.logs.csv_log import Log, _read_csv, read_text
from predictor.sessions import Session


def read_logs(sources: Iterable[str]) -> Log:
    """Read logs of one home into one.

    Args:
        sources: Each a CSV file with ``start,end,activity[,room]`` (local times, or with zone
            offsets), a JSONL file of activity events, or the SQLAlchemy URL of a journal.

    Raises:
        InputError: A log cannot be read, a line of it makes no sense, or there is no session.
    """
    logs = [_read(source) for source in sources]
    sessions = sorted(
        (session for log in logs for session in log.sessions),
        key=lambda session: session.started_at,
    )
    skipped = [line for log in logs for line in log.skipped]
    source = ", ".join(log.source for log in logs)
    if not sessions:
        raise InputError(f"{source}: no activity in it (rows of start,end,activity expected)")
    return Log(source, sessions, skipped)


def _read(source: str) -> Log:
    if "://" in source:
        return Log(source, _sessions_of_journal(source), ())
    path = Path(source)
    text = read_text(path)
    header = set(text.splitlines()[0].lower().split(",")) if text else set()
    if path.suffix.lower() == ".jsonl" or {"event_type", "seq"} <= header:
        return Log(source, _sessions_of_events(path), ())
    return _read_csv(text, source)


def _sessions_of_events(path: Path) -> list[Session]:
    """Let a journal of its own make sense of the events: it knows duplicates and order."""
    from predictor.journal.journal import Journal
    from predictor.logs.event_file import read_events  # needs SQLAlchemy, which a CSV log does not

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/journal.db"
        with Journal(url) as journal:
            journal.record_all(read_events(path), received_at=datetime.now(UTC))
        return _sessions_of_journal(url)


def _sessions_of_journal(url: str) -> list[Session]:
    from predictor.journal.journal import Journal

    prefix = "sqlite:///"
    if url.startswith(prefix) and not Path(url[len(prefix) :].split("?")[0]).is_file():
        raise InputError(f"{url}: there is no such journal")
    with Journal(url) as journal:
        return [
            Session(bout.activity, bout.started_at, bout.ended_at or bout.started_at, bout.room)
            for bout in journal.bouts()
        ]
