"""What is deleted stays away: its node may give it out again, and its numbers count as held."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.event_builder import EIGHT, event, started

from predictor.journal.database import sqlite_url
from predictor.journal.deletion import Selection
from predictor.journal.journal import Journal
from predictor.journal.records import ContextValue

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAMERA = ("n1", "cam1")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        yield journal


def _minutes(since: float, until: float) -> Selection:
    return Selection(since=EIGHT + timedelta(minutes=since), until=EIGHT + timedelta(minutes=until))


def _seqs(journal: Journal) -> list[int]:
    return [entry.event.seq for entry in journal.entries()]


def test_what_is_deleted_does_not_come_again(journal: Journal) -> None:
    events = [started("cooking", minute=seq, seq=seq) for seq in range(1, 7)]
    for one in events:
        journal.record(one, received_at=NOW)
    assert journal.count_selected(_minutes(2, 5)) == 3
    assert journal.delete(_minutes(2, 5)) == 3
    for one in events:  # the node was not told that they had arrived
        progress = journal.record(one, received_at=NOW)
        assert (progress.is_new, progress.contiguous_seq, progress.has_gap) == (False, 6, False)
    assert _seqs(journal) == [1, 5, 6]
    later = journal.record(started("eating", minute=9, seq=7), received_at=NOW)
    assert (later.is_new, later.contiguous_seq) == (True, 7)


def test_a_deleted_event_behind_a_gap_counts_as_held_once_it_is_given_out_again(
    journal: Journal,
) -> None:
    first, second, third = (started("cooking", minute=seq, seq=seq) for seq in (1, 2, 3))
    for one in (first, third):
        journal.record(one, received_at=NOW)
    journal.delete(_minutes(3, 4))
    assert journal.record(second, received_at=NOW).has_gap, "the journal asks for the third"
    again = journal.record(third, received_at=NOW)
    assert (again.is_new, again.contiguous_seq, again.has_gap) == (False, 3, False)
    assert _seqs(journal) == [1, 2]


def test_a_node_that_lost_its_state_still_counts_anew(journal: Journal) -> None:
    for seq in (1, 2, 3):
        journal.record(started("old", minute=seq, seq=seq), received_at=NOW)
    journal.delete(Selection(camera=CAMERA))
    anew = journal.record(started("new", minute=10, seq=1), received_at=NOW)
    assert (anew.is_new, anew.contiguous_seq, anew.has_gap) == (True, 1, False)


def test_a_camera_that_is_forgotten_is_asked_for_nothing(journal: Journal) -> None:
    for camera, seq in (("cam1", 1), ("cam1", 5), ("cam2", 1)):
        one = started("cooking", minute=seq, seq=seq, camera=camera)
        journal.record(one, received_at=NOW)
    assert journal.delete(Selection(camera=CAMERA)) == 2
    progress = journal.progress()[CAMERA]
    assert (progress.contiguous_seq, progress.has_gap) == (5, False)
    assert [entry.event.camera for entry in journal.entries()] == ["cam2"]


def test_an_activity_that_began_in_the_span_leaves_with_its_end(journal: Journal) -> None:
    ended = {"event_type": "activity_ended", "activity": "cooking"}
    journal.record(started("cooking", minute=10, seq=1), received_at=NOW)
    journal.record(event(seq=2, minute=10, ended_minute=40, **ended), received_at=NOW)
    journal.record(started("eating", minute=41, seq=3), received_at=NOW)
    journal.record_context(ContextValue("lamp", "on", EIGHT + timedelta(minutes=11)))
    journal.record_context(ContextValue("lamp", "off", EIGHT + timedelta(minutes=30)))
    assert journal.delete(_minutes(5, 20)) == 2
    assert _seqs(journal) == [3]
    assert [context.value for context in journal.contexts()] == ["off"]


@pytest.mark.parametrize("kind", ["activity_ended", "activity_changed"])
def test_what_began_before_the_span_ends_where_it_begins(journal: Journal, kind: str) -> None:
    journal.record(started("cooking", minute=10, seq=1, room="kitchen"), received_at=NOW)
    changes = {"activity": "eating", "previous": "cooking", "minute": 40}
    ends = {"activity": "cooking", "minute": 10, "ended_minute": 40}
    fields = ends if kind == "activity_ended" else changes
    second = event(seq=2, event_type=kind, **fields)
    journal.record(second, received_at=NOW)
    journal.record(started("walking", minute=45, seq=3), received_at=NOW)
    journal.record(started("reading", minute=90, seq=4), received_at=NOW)
    assert journal.count_selected(_minutes(20, 60)) == 2
    assert journal.delete(_minutes(20, 60)) == 2
    at = EIGHT + timedelta(minutes=20)
    assert [
        (bout.activity, bout.room, bout.started_at, bout.ended_at) for bout in journal.bouts()
    ] == [
        ("cooking", "kitchen", EIGHT + timedelta(minutes=10), at - timedelta(milliseconds=1)),
        ("reading", None, EIGHT + timedelta(minutes=90), None),
    ]
    assert not journal.record(second, received_at=NOW).is_new
    assert _seqs(journal) == [1, 2, 4]
    journal.record_all([second], received_at=NOW)
    assert list(journal.entries())[1].event == second


def test_an_import_brings_it_back(journal: Journal) -> None:
    events = [started("cooking", minute=seq, seq=seq) for seq in (1, 2)]
    journal.record_all(events, received_at=NOW)
    journal.delete(_minutes(0, 60))
    assert journal.record_all(events, received_at=NOW) == 2
    assert _seqs(journal) == [1, 2]


def test_a_repaired_journal_does_not_give_back_what_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    events = [started("cooking", minute=seq, seq=seq) for seq in range(1, 300)]
    with Journal(sqlite_url(path)) as journal:
        journal.record_all(events, received_at=NOW)
        assert journal.delete(_minutes(100, 200)) == 100
    with path.open("r+b") as file:
        file.seek(30)
        file.write(bytes(60))
    with Journal(sqlite_url(path)) as journal:
        assert set(_seqs(journal)) <= {*range(1, 100), *range(200, 300)}
        assert len(_seqs(journal)) > 150
        assert not journal.record(events[150], received_at=NOW).is_new
        assert journal.last_deletion() == 1
