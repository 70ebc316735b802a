"""Of SQLite alone: wrong clocks, damage, a bounded disk; the rest is in `test_both_outboxes.py`."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.event_builder import COOKING, NOON
from support.files.damage import copy_in_use

from har_stream.publishing.outbox import MAX_AGE_S, Outbox

SHORT = (24 * 400, 24 * 365 * 60)
"""Hours by which clocks are wrong in the quick run."""


def _append(outbox: Outbox, camera: str = "cam1") -> int:
    event = outbox.append(COOKING, node="n1", camera=camera, room="kitchen")
    assert event is not None
    return event.seq


def _send_all(outbox: Outbox) -> None:
    for waiting in outbox.pending(limit=10**6):
        outbox.mark_sent(waiting.position)


def _bytes_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def _change_in_file(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))


class Clocks:
    """The clock on the wall, which anybody may set, and the seconds that this machine has run."""

    def __init__(self) -> None:
        self.wall_s = NOON.timestamp()
        self.uptime_s = 1000.0

    def pass_time(self, seconds: float) -> None:
        """Let time go on as it does."""
        self.wall_s += seconds
        self.uptime_s += seconds

    def open(self, path: Path) -> Outbox:
        """Open an outbox that tells time by these."""
        return Outbox(path, clock=lambda: self.wall_s, monotonic=lambda: self.uptime_s)


def _journalled(outbox: Outbox, n: int, camera: str = "cam1") -> None:
    """Append events that are sent and acknowledged."""
    for _ in range(n):
        seq = _append(outbox, camera)
    _send_all(outbox)
    outbox.acknowledge(camera, seq)


def test_running_time_is_kept_over_restarts_and_kills(tmp_path: Path) -> None:
    clocks = Clocks()
    outbox = clocks.open(tmp_path / "outbox.db")
    _journalled(outbox, 2)
    for _ in range(3):
        clocks.pass_time(MAX_AGE_S / 3 + 1)
        outbox.close()  # a clean end keeps all
        clocks.uptime_s = 5.0
        outbox = clocks.open(tmp_path / "outbox.db")
    clocks.pass_time(60)
    _append(outbox)  # a kill leaves what the newest event says
    copied = copy_in_use(tmp_path / "outbox.db", tmp_path / "killed" / "outbox.db")
    outbox.close()
    clocks.uptime_s = 5.0
    outbox = clocks.open(copied)
    assert outbox.age_out() == 2


@pytest.mark.parametrize(
    "wrong_s",
    [
        pytest.param(sign * hours * 3600.0, marks=[] if hours in SHORT else pytest.mark.slow)
        for sign in (1, -1)
        for hours in (1, 23, 24 * 31, 24 * 400, 24 * 365 * 10, 24 * 365 * 60)
    ],
)
def test_no_wrong_clock_takes_what_is_younger_by_running_time(
    tmp_path: Path, wrong_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Wrong while events are stored, wrong at a later start, set right while it runs."""
    n_deleted = n_starts = 0
    for wrong_then, wrong_now in ((0.0, wrong_s), (wrong_s, 0.0), (-wrong_s, wrong_s)):
        clocks = Clocks()
        path = tmp_path / f"{n_starts}" / "outbox.db"
        clocks.wall_s += wrong_then
        outbox = clocks.open(path)
        _journalled(outbox, 15)
        outbox.close()
        for jump_s in (wrong_now - wrong_then, -wrong_now, wrong_now):
            clocks.wall_s += jump_s
            outbox = clocks.open(path)
            n_deleted += outbox.age_out() + outbox.age_out()
            clocks.pass_time(3600)
            n_deleted += outbox.age_out()
            outbox.close()
            n_starts += 1
    print(
        f"\nclock wrong by {wrong_s / 3600:+.0f} h: {n_starts} starts, {n_deleted} events deleted"
    )
    assert n_deleted == 0
    says = [r.getMessage() for r in caplog.records if "is the clock right?" in r.getMessage()]
    assert len(says) <= n_starts
    assert bool(says) == (abs(wrong_s) > MAX_AGE_S)


def test_a_doubtful_clock_is_said_once_with_what_it_keeps_and_how_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clocks = Clocks()
    outbox = clocks.open(tmp_path / "outbox.db")
    _journalled(outbox, 15)
    clocks.wall_s += 31 * 86400
    clocks.pass_time(86400)
    assert outbox.age_out() == outbox.age_out() == 0
    (record,) = caplog.records
    assert "15 events are older than 30 days" in record.getMessage()
    assert "for 29 days, 0:00:00 more" in record.getMessage()


def test_one_step_takes_a_bounded_share(tmp_path: Path) -> None:
    clocks = Clocks()
    outbox = clocks.open(tmp_path / "outbox.db")
    _journalled(outbox, 130)
    clocks.pass_time(MAX_AGE_S + 1)
    assert [outbox.age_out() for _ in range(3)] == [100, 30, 0]


@pytest.mark.parametrize(
    ("sound", "changed", "reason"),
    [
        (b'"seq":151,"event_type"', b'"seq":151,\xffevent_type"', "its checksum is another"),
        (
            b'"seq":151,"event_type":"activity_started","activity":"c',
            b'"seq":151,"event_type":"activity_started","activity":"b',
            "its checksum is another",
        ),
    ],
)
def test_a_row_that_was_changed_is_set_aside_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sound: bytes, changed: bytes, reason: str
) -> None:
    """One changed byte among 302 events once kept all of them back."""
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    for _ in range(302):
        _append(outbox)
    outbox.close()
    _change_in_file(path, sound, changed)
    outbox = Outbox(path)
    _send_all(outbox)
    assert outbox.depth() == 0
    seqs = [e.seq for first in (1, 101, 202, 301) for e in outbox.replay("cam1", first).events]
    assert sorted({*seqs}) == [n for n in range(1, 303) if n != 151]
    outbox.close()
    (record,) = caplog.records
    assert "event 151 of camera cam1" in record.getMessage()
    assert "set aside" in record.getMessage()
    with closing(sqlite3.connect(path)) as db:
        ((camera, seq, event, why),) = db.execute("SELECT camera, seq, event, why FROM set_aside")
    assert (camera, seq) == ("cam1", 151)
    assert changed in event
    assert reason in why


def test_a_row_that_says_another_number_than_its_event_is_set_aside(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    for _ in range(3):
        _append(outbox)
    outbox.close()
    _change_in_file(tmp_path / "outbox.db", b'"seq":2,', b'"seq":9,')
    assert [p.event.seq for p in Outbox(tmp_path / "outbox.db").pending()] == [1, 3]


def test_a_last_number_beyond_counting_is_taken_from_the_events(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    assert [_append(outbox), _append(outbox)] == [1, 2]
    outbox.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE cameras SET last_seq = ?", (2**63 - 1,))
    outbox = Outbox(path)
    assert outbox.last_seqs() == {"cam1": 2}
    assert _append(outbox) == 3


@pytest.mark.parametrize("n_events", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_the_disk_is_bounded(tmp_path: Path, n_events: int) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, max_events=n_events)
    for _ in range(n_events):
        _append(outbox)
    full = _bytes_on_disk(path)
    for _ in range(n_events // 2):
        _append(outbox)
    after = _bytes_on_disk(path)
    outbox.close()
    print(f"\n{n_events} events: {full / 1e6:.1f} MB, after half as many more {after / 1e6:.1f} MB")
    assert after < 1.1 * full + 5e6, "SQLite's write-ahead log takes some 4 MB"


def test_two_processes_do_not_share_an_outbox(tmp_path: Path) -> None:
    _append(Outbox(tmp_path / "outbox.db"))
    program = (
        "from pathlib import Path\n"
        "from har_stream.publishing.outbox import Outbox\n"
        f"Outbox(Path({str(tmp_path)!r}) / 'outbox.db')\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "InputError" in other.stderr
    assert "--state-dir" in other.stderr
