"""Events are numbered without a gap, survive a crash, leave in order: in SQLite and PostgreSQL."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.broker.event_stores import Stored, append, send_all
from support.event_builder import COOKING, NOON
from support.repository import ENVIRONMENT

from fleet.lots import lot_outbox
from har_stream.publishing import outbox as outbox_module
from har_stream.publishing.outbox import MAX_AGE_S

Make = Callable[[], Stored]


@pytest.fixture(params=["sqlite", "postgresql"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Make the events of another node, none yet."""
    url = request.getfixturevalue("postgresql").url if request.param == "postgresql" else None
    return lambda: Stored(tmp_path, url)


def test_an_event_says_all_that_the_change_says(make: Make) -> None:
    outbox = make().open()
    event = outbox.append(COOKING, node="n1", camera="cam1", room="kitchen", home="h1")
    assert event is not None
    assert event == outbox.pending()[0].event
    assert (event.node, event.camera, event.room, event.seq) == ("n1", "cam1", "kitchen", 1)
    assert (event.activity, event.event_type) == ("cooking", "activity_started")
    assert (event.started_at, event.home) == (NOON, "h1")
    assert event.probabilities == {"cooking": 0.9, "eating": 0.1}
    outbox.close()


def test_numbers_go_on_per_camera_after_a_restart(make: Make) -> None:
    stored = make()
    outbox = stored.open()
    assert [append(outbox), append(outbox), append(outbox, "cam2")] == [1, 2, 1]
    outbox.close()
    outbox = stored.open()
    assert [append(outbox), append(outbox, "cam2")] == [3, 2]
    assert [(p.event.camera, p.event.seq) for p in outbox.pending()] == [
        ("cam1", 1),
        ("cam1", 2),
        ("cam2", 1),
        ("cam1", 3),
        ("cam2", 2),
    ]
    assert outbox.last_seqs() == {"cam1": 3, "cam2": 2}
    outbox.close()


def test_what_append_returned_is_there_after_kill_9(make: Make) -> None:
    stored = make()
    program = f"""{stored.program()}
from support.event_builder import COOKING
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
    outbox = stored.open()
    held = [p.event.seq for p in outbox.pending(limit=10**6)]
    assert held == list(range(1, len(held) + 1))
    assert held[: len(said)] == said
    outbox.close()


def test_sent_events_wait_no_more_but_can_be_replayed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (outbox_module, lot_outbox):
        monkeypatch.setattr(module, "REPLAY_EVENTS", 10)
    outbox = make().open()
    for _ in range(15):
        append(outbox)
    send_all(outbox)
    assert outbox.depth() == 0
    replay = outbox.replay("cam1", 3)
    assert [event.seq for event in replay.events] == list(range(3, 13))
    assert (replay.first_seq, replay.last_seq) == (1, 15)
    assert outbox.replay("cam1", 16).events == []
    assert (outbox.replay("nobody", 1).first_seq, outbox.replay("nobody", 1).last_seq) == (1, 0)
    outbox.close()


def test_the_bound_takes_acknowledged_events_first_and_says_when_it_takes_others(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = make().open(max_events=4)
    for camera in ("old", "old", "new", "new"):
        append(outbox, camera)
    send_all(outbox)
    outbox.acknowledge("new", 1)
    append(outbox, "new")
    assert [e.seq for e in outbox.replay("new", 1).events] == [2, 3]
    assert [e.seq for e in outbox.replay("old", 1).events] == [1, 2]
    assert not caplog.records
    append(outbox, "new")
    assert [e.seq for e in outbox.replay("old", 1).events] == [2]
    assert outbox.replay("old", 1).first_seq == 2
    assert "event 1 of camera old is given up" in caplog.text
    outbox.close()


def test_an_acknowledgement_of_what_was_never_sent_is_of_an_earlier_outbox(make: Make) -> None:
    outbox = make().open(max_events=2)
    append(outbox)
    outbox.acknowledge("cam1", 184)
    append(outbox)
    assert [p.event.seq for p in outbox.pending()] == [1, 2]
    outbox.close()


def test_what_a_journal_has_leaves_by_age_and_nothing_else(make: Make) -> None:
    """A journal may be away for longer, or may yet come: only the bound takes the rest."""
    stored = make()
    outbox = stored.open()
    for _ in range(3):
        append(outbox, "kept")
    send_all(outbox)
    outbox.acknowledge("kept", 3)
    for camera in ("kept", "unheard"):
        append(outbox, camera)
    outbox.mark_sent(outbox.pending()[0].position)
    stored.pass_time(MAX_AGE_S - 60)
    assert outbox.age_out() == 0
    stored.pass_time(61)
    assert outbox.age_out() == 3
    assert [event.seq for event in outbox.replay("kept", 1).events] == [4]
    assert [p.event.camera for p in outbox.pending()] == ["unheard"]
    assert append(outbox, "kept") == 5
    outbox.acknowledge("kept", 4)
    assert outbox.age_out() == 1
    outbox.close()


@pytest.mark.parametrize("number", [2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**30])
def test_no_number_from_the_wire_is_too_large(
    make: Make, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = make().open()
    append(outbox)
    send_all(outbox)
    assert outbox.replay("cam1", number).events == []
    outbox.acknowledge("\ud800", number)
    outbox.mark_sent(number)
    outbox.acknowledge("cam1", number)
    assert outbox.pending(after=number) == []
    assert append(outbox) == 2
    assert all("fails" in record.getMessage() for record in caplog.records)
    outbox.close()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    make: Make, steps: list[tuple[str, object]]
) -> None:
    outbox = make().open()
    given_out: dict[str, int] = {"a": 0, "b": 0}
    unsent: list[tuple[str, int]] = []
    for kind, value in steps:
        if kind == "append":
            assert isinstance(value, str)
            given_out[value] += 1
            assert append(outbox, value) == given_out[value]
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
