"""The event file holds whole lines, whatever happened to the last one."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.limits import files_of_at_most

from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent
from har_stream.publishing.event_log import EventLog


def event(seq: int) -> ActivityEvent:
    return ActivityEvent(
        id=f"id-{seq}",
        seq=seq,
        event_type="activity_started",
        activity="cooking",
        confidence=0.9,
        started_at=datetime(2026, 11, 22, tzinfo=UTC) + timedelta(minutes=seq),
        camera="cam0",
        node="n1",
    )


def read(path: Path) -> list[ActivityEvent]:
    return [ActivityEvent.decode(line) for line in path.read_bytes().splitlines()]


def test_events_are_appended_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.jsonl"
    for seq in (1, 2):
        log = EventLog(path)
        log.append(event(seq))
        log.close()
    assert read(path) == [event(1), event(2)]


def test_an_event_is_on_its_line_before_append_returns(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.append(event(1))
    assert read(tmp_path / "events.jsonl") == [event(1)]
    log.close()


def test_a_torn_last_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(event(1).encode() + b"\n" + event(2).encode()[:40])
    log = EventLog(path)
    log.append(event(3))
    log.close()
    lines = path.read_bytes().splitlines()
    assert [ActivityEvent.decode(lines[n]).seq for n in (0, 2)] == [1, 3]


def test_a_recording_is_never_taken_for_a_log_of_events(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(InputError, match="something else than events"):
        EventLog(path)
    assert path.read_bytes() == b"\0\0\0\x20ftypisom"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="events cannot be recorded"):
        EventLog(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    log = EventLog(Path("/dev/full"))
    log.append(event(1))
    log.append(event(2))
    assert [record.message for record in caplog.records] == [
        f"/dev/full: events are not recorded: {os.strerror(28)}"
    ]


def test_a_line_that_a_full_disk_cut_spoils_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    with files_of_at_most(1000):
        for seq in range(1, 9):
            log.append(event(seq))
    log.append(event(9))
    log.close()
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    whole = [ActivityEvent.decode(line).seq for line in lines if line.endswith(b"}")]
    assert whole == [*range(1, whole[-2] + 1), 9]
    assert len(lines) == len(whole) + 1, "one line is cut, and stays for itself"
    assert len(caplog.records) == 1
