"""What people say that really happened stands beside what was said, and wins where it is read."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.event_builder import EIGHT, event, started
from support.files.damage import PAGE

from predictor.journal.corrections import correct_bouts, correct_memories
from predictor.journal.database import sqlite_url
from predictor.journal.deletion import Selection
from predictor.journal.journal import Journal
from predictor.journal.reader import JournalReader
from predictor.journal.records import Bout, ContextValue, Correction, JournalEntry

CAMERA = ("n1", "cam1")


def at(minute: float) -> datetime:
    return EIGHT + timedelta(minutes=minute)


def correction(activity: str, start: float, end: float, *, name: str = "c1") -> Correction:
    return Correction(name, CAMERA, activity, at(start), at(end), corrected_at=at(1000))


def said(activity: str, start: float, end: float | None) -> Bout:
    ended_at = None if end is None else at(end)
    return Bout(activity, "kitchen", at(start), ended_at, CAMERA, 0.9)


def shown(bouts: Sequence[Bout]) -> list[tuple[str, float, float | None]]:
    def minute(instant: datetime) -> float:
        return (instant - EIGHT) / timedelta(minutes=1)

    return [
        (bout.activity, minute(bout.started_at), bout.ended_at and minute(bout.ended_at))
        for bout in bouts
    ]


DAY = [said("sleeping", 0, 20), said("cooking", 20, 50), said("eating", 50, None)]


@pytest.mark.parametrize(
    ("corrections", "left"),
    [
        ([], [("sleeping", 0, 20), ("cooking", 20, 50), ("eating", 50, None)]),
        (
            [correction("washing", 20, 50)],
            [("sleeping", 0, 20), ("washing", 20, 50), ("eating", 50, None)],
        ),
        (
            [correction("washing", 30, 60)],
            [("sleeping", 0, 20), ("cooking", 20, 30), ("washing", 30, 60), ("eating", 60, None)],
        ),
        (
            [correction("idle", 5, 10)],
            [("sleeping", 0, 5), ("sleeping", 10, 20), ("cooking", 20, 50), ("eating", 50, None)],
        ),
        (  # the later one holds where two overlap
            [correction("washing", 20, 50), correction("ironing", 30, 40, name="c2")],
            [
                *(("sleeping", 0, 20), ("washing", 20, 30), ("ironing", 30, 40)),
                *(("washing", 40, 50), ("eating", 50, None)),
            ],
        ),
    ],
)
def test_bouts_are_cut_where_something_else_was_said(
    corrections: list[Correction], left: list[tuple[str, float, float | None]]
) -> None:
    assert shown(correct_bouts(DAY, corrections)) == left


def test_another_camera_is_not_corrected() -> None:
    elsewhere = Correction("c1", ("n1", "cam2"), "washing", at(20), at(50), at(99))
    assert correct_bouts(DAY, [elsewhere])[:1] == DAY[:1]
    assert ("cooking", 20, 50) in shown(correct_bouts(DAY, [elsewhere]))


def _entries(*events: tuple[str, float]) -> list[JournalEntry]:
    return [
        JournalEntry(started(activity, minute=minute, seq=seq), at(minute))
        for seq, (activity, minute) in enumerate(events, 1)
    ]


def _lived(memories: Iterator[JournalEntry | ContextValue]) -> list[tuple[str, float]]:
    """What a model is told, in order: an activity or the end of one, and when."""
    told = []
    for memory in memories:
        assert isinstance(memory, JournalEntry)
        ends = memory.event.event_type == "activity_ended"
        minute = (memory.happened_at - EIGHT) / timedelta(minutes=1)
        told.append(("end" if ends else memory.event.activity, minute))
    return told


@pytest.mark.parametrize(
    ("corrections", "told"),
    [
        (
            [correction("washing", 20, 50)],
            [("sleeping", 0), ("washing", 20), ("eating", 50)],
        ),
        (
            [correction("washing", 30, 60)],
            [("sleeping", 0), ("cooking", 20), ("washing", 30), ("eating", 60)],
        ),
        (
            [correction("idle", 20, 50)],
            [("sleeping", 0), ("end", 20), ("eating", 50)],
        ),
        (
            [correction("washing", 20, 35), correction("ironing", 35, 50, name="c2")],
            [("sleeping", 0), ("washing", 20), ("ironing", 35), ("eating", 50)],
        ),
        ([correction("reading", -10, -5)], [("reading", -10), ("end", -5), *(
            ("sleeping", 0), ("cooking", 20), ("eating", 50))]),
    ],
)  # fmt: skip
def test_a_model_is_told_what_really_happened(
    corrections: list[Correction], told: list[tuple[str, float]]
) -> None:
    memories = _entries(("sleeping", 0), ("cooking", 20), ("eating", 50))
    assert _lived(correct_memories(memories, corrections)) == told


@given(
    st.lists(st.tuples(st.sampled_from("abci"), st.integers(0, 50), st.integers(1, 30)), max_size=6)
)
def test_minute_by_minute_the_last_word_holds(
    corrected: list[tuple[str, int, int]],
) -> None:
    """An oracle that knows no intervals: every minute by itself, the last correction wins."""
    labels = {"a": "sleeping", "b": "washing", "c": "ironing", "i": "idle"}
    corrections = [
        correction(labels[letter], start, start + length, name=f"c{number}")
        for number, (letter, start, length) in enumerate(corrected)
    ]
    found = correct_bouts(DAY, corrections)
    for minute in range(80):
        expected = next(bout.activity for bout in DAY[::-1] if bout.started_at <= at(minute))
        for each in corrections:
            if each.started_at <= at(minute) < each.ended_at:
                expected = each.activity
        now = [
            bout.activity
            for bout in found
            if bout.started_at <= at(minute) and (not bout.ended_at or at(minute) < bout.ended_at)
        ]
        assert now == ([] if expected == "idle" else [expected])


def test_a_journal_keeps_both_words_and_takes_one_back(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    with Journal(url) as journal:
        events = [entry.event for entry in _entries(("cooking", 0), ("eating", 20))]
        journal.record_all(events, received_at=at(21))
        for _ in range(2):  # asked for twice, kept once
            journal.corrections.record(correction("washing", 0, 20))
        assert [bout.activity for bout in journal.bouts()] == ["washing", "eating"]
        assert [entry.event.activity for entry in journal.entries()] == ["cooking", "eating"]
        span = JournalReader(url).span(at(0), at(30))
        assert [bout.activity for bout in span.said] == ["cooking", "eating"]
        assert [bout.activity for bout in span.bouts] == ["washing", "eating"]
        assert span.corrections == journal.corrections.since()
        assert not journal.corrections.undo("another", at=at(40))
        assert journal.corrections.undo("c1", at=at(40))
        journal.corrections.record(correction("washing", 0, 20))  # its id is known
        assert [bout.activity for bout in journal.bouts()] == ["cooking", "eating"]


@pytest.mark.parametrize(
    ("which", "is_left"),
    [
        (Selection(until=at(0)), True),
        (Selection(until=at(1)), False),
        (Selection(since=at(20)), True),
        (Selection(since=at(19), until=at(60)), False),
        (Selection(camera=("n1", "cam2")), True),
        (Selection(camera=CAMERA), False),
    ],
)
def test_a_correction_leaves_with_any_part_of_what_it_covers(
    which: Selection, is_left: bool, tmp_path: Path
) -> None:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        journal.record(event(minute=0), received_at=at(1))
        journal.corrections.record(correction("washing", 0, 20))
        journal.delete(which)
        assert bool(journal.corrections.since()) == is_left


def test_corrections_outlast_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(sqlite_url(path)) as journal:
        for seq in range(1, 60):
            journal.record(started("cooking", minute=seq, seq=seq), received_at=at(seq))
        journal.corrections.record(correction("washing", 0, 20))
        journal.corrections.record(correction("ironing", 0, 20, name="c2"))
        journal.corrections.undo("c2", at=at(99))
    path.write_bytes(bytes(PAGE) + path.read_bytes()[PAGE:])
    with Journal(sqlite_url(path)) as journal:
        assert journal.corrections.since() == [correction("washing", 0, 20)]
        assert journal.corrections.undo("c2", at=at(99))
