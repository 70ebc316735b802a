"""What starts or ends after now is named, counted and left out, whatever it is read from."""

import logging
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.event_builder import living

from har_stream.core.errors import InputError
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.logs.event_file import write_events
from predictor.logs.other_formats import read_other_format
from predictor.logs.read_logs import read_events, read_logs

NOW = datetime(2026, 3, 2, 18, 0).astimezone()
ROWS = (
    ("2026-03-02 08:00:00", "2026-03-02 08:30:00", "breakfast"),
    ("2026-03-02 12:00:00", "2026-03-02 13:00:00", "lunch"),
    ("2026-03-02 17:30:00", "2026-03-02 18:01:00", "reading"),  # two clocks differ by a minute
    ("2026-03-02 17:00:00", "2062-03-02 18:00:00", "sleeping"),
    ("2099-01-01 12:00:00", "2099-01-01 13:00:00", "lunch"),
)
TOLD = ("sleeping ends after now (2062-03-02 18:00)", "lunch starts after now (2099-01-01 12:00)")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["start,end,activity", *map(",".join, ROWS)]) + "\n")
    return path


def test_rows_of_a_log(log: Path) -> None:
    found = read_logs([str(log)], now=NOW)
    assert [session.activity for session in found.sessions] == ["breakfast", "lunch", "reading"]
    assert found.skipped == [f"{log}:5: {TOLD[0]}", f"{log}:6: {TOLD[1]}"]


def test_rows_of_a_log_that_is_imported(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        events = list(read_events(log, now=NOW))
    assert {event.activity for event in events} == {"breakfast", "lunch", "reading"}
    assert [record.message for record in caplog.records] == [
        *(f"left out: {log}:{line}: {told}" for line, told in zip((5, 6), TOLD, strict=True)),
        "left out: 2 in all, as named above",
    ]


def test_rows_of_another_format(tmp_path: Path) -> None:
    path = tmp_path / "theirs.txt"
    path.write_text("".join("\t\t".join(row) + "\n" for row in ROWS))
    found = read_other_format(path, "ordonez", now=NOW)
    assert [session.activity for session in found.sessions] == ["breakfast", "lunch", "reading"]
    assert found.skipped == [f"{path}:4: {TOLD[0]}", f"{path}:5: {TOLD[1]}"]


@pytest.mark.parametrize("name", ["events.csv", "events.jsonl"])
def test_events_of_a_file(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    events = list(living(days=3))
    wrong = events[7].model_copy(update={"started_at": NOW.replace(year=2099)})
    path = tmp_path / name
    write_events([*events[:7], wrong, *events[8:]], path)
    with caplog.at_level(logging.WARNING):
        assert list(read_events(path, now=NOW)) == [*events[:7], *events[8:]]
    assert wrong.id in caplog.messages[0]
    assert "starts after now (2099-03-02" in caplog.messages[0]
    assert caplog.messages[1:] == ["left out: 1 in all, as named above"]
    found = read_logs([str(path)], now=NOW)
    assert len(found.skipped) == 1
    assert all(session.ended_at < NOW for session in found.sessions)


def test_events_of_a_journal(tmp_path: Path) -> None:
    """The one before the wrong one ends where it is not known to go on."""
    events = list(living(days=3))
    wrong = events[7].model_copy(update={"started_at": NOW.replace(year=2099)})
    url = sqlite_url(tmp_path / "journal.db")
    with Journal(url) as journal:
        journal.record_all([*events[:7], wrong, *events[8:]], received_at=NOW)
    found = read_logs([url], now=NOW)
    assert len(found.sessions) == len(events) - 1
    assert found.sessions[6].ended_at == events[8].started_at
    assert found.sessions[-1].ended_at == events[-1].started_at
    (told,) = found.skipped
    assert told.endswith(f"event {wrong.id}: {wrong.activity} starts after now (2099-03-02 18:00)")


def test_a_log_of_the_future_alone_says_why_there_is_nothing_in_it(log: Path) -> None:
    with pytest.raises(InputError, match=r"starts after now \(2026-03-02 08:00\)") as raised:
        read_logs([str(log)], now=NOW - timedelta(days=9))
    assert "\n" not in str(raised.value)
