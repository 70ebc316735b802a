"""Events are numbered without a gap, survive a crash, and leave in the promised order."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.event_builder import COOKING, NOON
from support.repository import ENVIRONMENT

from har_stream.core.errors import InputError
from har_stream.publishing import outbox as outbox_module
from har_stream.publishing.outbox import MAX_AGE_S, Outbox


def _append(outbox: Outbox, camera: str = "cam1") -> int:
    event = outbox.append(COOKING, node="n1", camera=camera, room="kitchen")
    assert event is not None
    return event.seq


def _send_all(outbox: Outbox) -> None:
    for waiting in outbox.pending(limit=10**6):
        outbox.mark_sent(waiting.position)


def _bytes_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def test_an_event_says_all_that_the_change_says(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    event = outbox.append(COOKING, node="n1", camera="cam1", room="kitchen")
    assert event is not None
    assert event == outbox.pending()[0].event
    assert (event.node, event.camera, event.room, event.seq) == ("n1", "cam1", "kitchen", 1)
    assert (event.activity, event.event_type) == ("cooking", "activity_started")
    assert event.started_at == NOON
    assert event.probabilities == {"cooking": 0.9, "eating": 0.1}


def test_numbers_go_on_per_camera_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "outbox.db"
    outbox = Outbox(path)
    assert [_append(outbox), _append(outbox), _append(outbox, "cam2")] == [1, 2, 1]
    outbox.close()
    outbox = Outbox(path)
    assert [_append(outbox), _append(outbox, "cam2")] == [3, 2]
    assert [(p.event.camera, p.event.seq) for p in outbox.pending()] == [
        ("cam1", 1),
        ("cam1", 2),
        ("cam2", 1),
        ("cam1", 3),
        ("cam2", 2),
    ]


def test_what_append_returned_is_there_after_kill_9(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from har_stream.publishing.outbox import Outbox
from support.event_builder import COOKING
outbox = Outbox(Path({str(tmp_path)!r}) / "outbox.db")
while True:
    event = outbox.append(COOKING, node="n1", camera="cam1", room="kitchen")
    print(event.seq, flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(50)]
    process.kill()
    said += [int(line) for line in process.stdout.read().split()]
    process.wait()
    held = [p.event.seq for p in Outbox(tmp_path / "outbox.db").pending(limit=10**6)]
    assert held == list(range(1, len(held) + 1))
    assert held[: len(said)] == said


def test_sent_events_wait_no_more_but_can_be_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "REPLAY_EVENTS", 10)
    outbox = Outbox(tmp_path / "outbox.db")
    for _ in range(15):
        _append(outbox)
    _send_all(outbox)
    assert outbox.depth() == 0
    replay = outbox.replay("cam1", 3)
    assert [event.seq for event in replay.events] == list(range(3, 13))
    assert (replay.first_seq, replay.last_seq) == (1, 15)
    assert outbox.replay("cam1", 16).events == []
    assert (outbox.replay("nobody", 1).first_seq, outbox.replay("nobody", 1).last_seq) == (1, 0)


def test_the_bound_takes_acknowledged_events_first_and_says_when_it_takes_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_events=4)
    for camera in ("old", "old", "new", "new"):
        _append(outbox, camera)
    _send_all(outbox)
    outbox.acknowledge("new", 1)
    _append(outbox, "new")
    assert [e.seq for e in outbox.replay("new", 1).events] == [2, 3]
    assert [e.seq for e in outbox.replay("old", 1).events] == [1, 2]
    assert not caplog.records
    _append(outbox, "new")
    assert [e.seq for e in outbox.replay("old", 1).events] == [2]
    assert outbox.replay("old", 1).first_seq == 2
    assert "event 1 of camera old is given up" in caplog.text


def test_an_acknowledgement_of_what_was_never_sent_is_of_an_earlier_outbox(
    tmp_path: Path,
) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_events=2)
    _append(outbox)
    outbox.acknowledge("cam1", 184)
    _append(outbox)
    assert [p.event.seq for p in outbox.pending()] == [1, 2]


def test_what_was_sent_leaves_by_age_what_was_not_stays(tmp_path: Path) -> None:
    now_s = 0.0
    outbox = Outbox(tmp_path / "outbox.db", clock=lambda: now_s)
    _append(outbox)
    _append(outbox)
    outbox.mark_sent(outbox.pending()[0].position)
    now_s = MAX_AGE_S - 1
    assert outbox.age_out() == 0
    now_s = MAX_AGE_S + 1
    assert outbox.age_out() == 1
    assert [p.event.seq for p in outbox.pending()] == [2]
    assert _append(outbox) == 3


def test_what_a_journal_waits_for_does_not_leave_by_age(tmp_path: Path) -> None:
    """It may be away for longer than that; a camera that never had a journal does not wait."""
    now_s = 0.0
    outbox = Outbox(tmp_path / "outbox.db", clock=lambda: now_s)
    for camera in ("kept", "kept", "kept", "unheard"):
        _append(outbox, camera)
    _send_all(outbox)
    outbox.acknowledge("kept", 1)
    now_s = MAX_AGE_S + 1
    assert outbox.age_out() == 2
    outbox.close()
    outbox = Outbox(tmp_path / "outbox.db", clock=lambda: now_s)
    assert [event.seq for event in outbox.replay("kept", 1).events] == [2, 3]
    assert outbox.replay("unheard", 1).events == []
    outbox.acknowledge("kept", 3)
    assert outbox.age_out() == 2


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


def test_a_full_disk_costs_events_and_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    _append(outbox)
    (n_pages,) = outbox._db.execute("PRAGMA page_count").fetchone()
    outbox._db.execute(f"PRAGMA max_page_count = {n_pages}")  # as a disk of this size
    n_kept = 1
    while outbox.append(COOKING, node="n1", camera="cam1", room=None):
        n_kept += 1
    assert outbox.append(COOKING, node="n1", camera="cam1", room=None) is None
    (record,) = caplog.records
    assert "events are lost, for the outbox fails: database or disk is full" in record.getMessage()
    outbox._db.execute("PRAGMA max_page_count = 100000")
    assert _append(outbox) == n_kept + 1, "a number is not spent on what was lost"


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


def test_a_file_that_is_no_outbox_is_named(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_text("something else entirely, and long enough to be read as a header" * 50)
    with pytest.raises(InputError, match=r"outbox\.db"):
        Outbox(path)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.sampled_from("ab")),
            st.tuples(st.just("send"), st.integers(0, 9)),
            st.tuples(st.just("acknowledge"), st.integers(0, 30)),
        ),
        max_size=40,
    )
)
def test_seq_is_gapless_and_nothing_unsent_is_lost(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    outbox = Outbox(tmp_path_factory.mktemp("outbox") / "outbox.db")
    given_out: dict[str, int] = {"a": 0, "b": 0}
    unsent: list[tuple[str, int]] = []
    for kind, value in steps:
        if kind == "append":
            assert isinstance(value, str)
            given_out[value] += 1
            assert _append(outbox, value) == given_out[value]
            unsent.append((value, given_out[value]))
        elif kind == "send":
            assert isinstance(value, int)
            waiting = outbox.pending()
            if value < len(waiting):
                outbox.mark_sent(waiting[value].position)
                del unsent[value]
        else:
            assert isinstance(value, int)
            outbox.acknowledge("a", value)
    assert [(p.event.camera, p.event.seq) for p in outbox.pending()] == unsent
    assert outbox.depth() == len(unsent)
    outbox.close()
