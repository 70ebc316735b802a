"""One owner of a lot at a time; while the database is away nothing is said and nothing is lost."""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError
from support.broker.event_stores import append
from support.event_builder import COOKING, NOON
from support.processes.postgresql import PostgreSQL

from fleet.lots import lot_tables
from fleet.lots.lot_outbox import FENCE_S, LotOutbox
from har_stream.core.errors import InputError
from predictor.journal import postgresql as journal_postgresql

Take = Callable[..., LotOutbox]
ENDED = replace(COOKING, event_type="activity_ended", ended_at=NOON)


@pytest.fixture
def take(postgresql: PostgreSQL) -> Iterator[Take]:
    """Take a lot, by default the test's own, as a further owner."""
    lot = f"lot-{uuid.uuid4()}"
    taken: list[LotOutbox] = []

    def make(owner: str = "m1", *, lot: str = lot, **options: object) -> LotOutbox:
        taken.append(LotOutbox(postgresql.url, lot, owner=owner, **options))  # type: ignore[arg-type]
        return taken[-1]

    yield make
    for each in taken:
        each.close()


def _try(outbox: LotOutbox) -> int | None:
    event = outbox.append(COOKING, node="n1", camera="cam1", room=None)
    return None if event is None else event.seq


def _seqs(outbox: LotOutbox) -> list[int]:
    return [waiting.event.seq for waiting in outbox.pending(limit=10**6)]


def test_a_former_owner_adds_nothing_and_says_nothing(
    take: Take, caplog: pytest.LogCaptureFixture
) -> None:
    first = take("m1")
    assert append(first) == 1
    second = take("m2")
    assert first.may_speak, "it cannot know yet"
    assert _try(first) is None
    assert first.is_lost
    assert not first.may_speak
    assert not first.confirm()
    assert "m2 has taken it" in caplog.text
    assert append(second) == 2
    assert second.confirm()
    assert _seqs(second) == [1, 2]


@settings(max_examples=6)
@given(steps=st.lists(st.sampled_from(["take", "newest", "older", "confirm older"]), max_size=12))
def test_whoever_wakes_up_late_numbers_stay_gapless_and_are_the_newest_owners(
    postgresql: PostgreSQL, steps: list[str]
) -> None:
    lot = f"lot-{uuid.uuid4()}"
    owners = [LotOutbox(postgresql.url, lot, owner="m0")]
    n_kept = 0
    for step in steps:
        if step == "take":
            owners.append(LotOutbox(postgresql.url, lot, owner=f"m{len(owners)}"))
        elif step == "newest":
            n_kept += 1
            assert append(owners[-1]) == n_kept
        elif len(owners) > 1 and step == "older":
            assert _try(owners[-2]) is None
        elif len(owners) > 1:
            assert not owners[-2].confirm()
    assert _seqs(owners[-1]) == list(range(1, n_kept + 1))
    for each in owners:
        each.close()


def test_a_database_that_is_away_delays_events_and_loses_none(
    take: Take, postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = 0.0
    outbox = take(monotonic=lambda: now_s)
    other = take(lot=f"lot-{uuid.uuid4()}", monotonic=lambda: now_s)
    assert append(outbox) == append(other) == 1
    postgresql.stop()
    try:
        assert [_try(outbox) for _ in range(3)] == [None] * 3
        assert _try(other) is None
        assert outbox.may_speak, "for a moment its epoch is sure enough"
        now_s += FENCE_S
        assert not outbox.may_speak
        assert not outbox.confirm()
        assert (outbox.pending(), outbox.last_seqs(), outbox.depth()) == ([], {}, 3)
        assert outbox.replay("cam1", 1).events == []
        assert len([r for r in caplog.records if "nothing is said" in r.getMessage()]) == 2
    finally:
        postgresql.start()
    taken = take("m2", lot=other._lot)
    assert outbox.confirm()
    assert _seqs(outbox) == [1, 2, 3, 4]
    assert not other.confirm()
    assert _seqs(taken) == [1], "what it kept in memory is the new owner's to see"


def test_a_database_that_hangs_holds_nobody_up(
    take: Take, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lot_tables, "ANSWER_S", 0.3)
    monkeypatch.setattr(journal_postgresql, "CONNECT_S", 2)
    monkeypatch.setattr(journal_postgresql, "PAUSE_S", 0.0)
    outbox = take()
    assert append(outbox) == 1
    postgresql.hang()
    try:
        assert _try(outbox) is None
    finally:
        postgresql.go_on()
    assert outbox.confirm()
    assert _seqs(outbox) == [1, 2]


def test_a_commit_whose_answer_is_lost_doubles_nothing(
    take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = take()
    begin = sqlalchemy.Engine.begin

    @contextmanager
    def without_answer(engine: sqlalchemy.Engine) -> Iterator[sqlalchemy.Connection]:
        with begin(engine) as db:
            yield db
        raise OperationalError(None, None, ConnectionError("reset"))

    with monkeypatch.context() as patched:
        patched.setattr(sqlalchemy.Engine, "begin", without_answer)
        assert _try(outbox) is None
    assert _try(outbox) == 2
    assert _seqs(outbox) == [1, 2]


def test_the_next_owner_hears_what_goes_on(take: Take) -> None:
    first = take()
    for camera, change in (("a", COOKING), ("b", COOKING), ("b", ENDED), ("c", ENDED)):
        first.append(change, node="n1", camera=camera, room=None)
    first.append(replace(COOKING, activity="eating"), node="n1", camera="c", room=None)
    running = take("m2").running()
    assert {camera: event.activity for camera, event in running.items()} == {
        "a": "cooking",
        "c": "eating",
    }


def test_an_event_that_was_changed_is_left_out_and_named(
    take: Take, postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = take()
    for _ in range(3):
        append(outbox)
    engine = sqlalchemy.create_engine(postgresql.url)
    with engine.begin() as db:
        changed = "UPDATE fleet_events SET event = replace(event, 'cooking', 'sleeping')"
        db.execute(sqlalchemy.text(f"{changed} WHERE lot = :lot AND seq = 2"), {"lot": outbox._lot})
    engine.dispose()
    assert _seqs(outbox) == [1, 3]
    assert "event 2 of camera cam1 cannot be read and is left out" in caplog.text
    caplog.clear()
    assert _seqs(outbox) == [1, 3]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_database_that_refuses_is_one_line_without_its_password() -> None:
    with pytest.raises(InputError, match=r"^database postgresql.*refused") as caught:
        LotOutbox("postgresql+psycopg://har:secret@127.0.0.1:9/har", "lot", owner="m1")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
