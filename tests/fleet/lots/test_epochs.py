"""A journal in PostgreSQL takes a lot's events from the newest owner alone, and misses none."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from itertools import accumulate

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from support.broker.ingest_desk import Desk
from support.event_builder import COOKING, started
from support.processes.postgresql import PostgreSQL

from fleet.lots.lot_outbox import LotOutbox
from fleet.lots.lot_tables import take_epoch
from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.journal import Journal
from predictor.journal.records import JournalEntry
from predictor.journal.sequence import Recorder

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def journal(postgresql: PostgreSQL) -> Iterator[Journal]:
    with Journal(postgresql.url) as journal:
        yield journal


@pytest.fixture
def lot() -> str:
    return f"lot-{uuid.uuid4()}"


def _said(lot: str, seq: int, epoch: int | None) -> ActivityEvent:
    return started("eating", minute=seq, seq=seq).model_copy(
        update={"node": lot, "lot_epoch": epoch}
    )


def _seqs(journal: Journal, lot: str) -> list[int]:
    return [entry.event.seq for entry in journal.entries() if entry.event.node == lot]


def test_what_a_former_owner_still_says_is_refused_and_had_from_the_newest(
    postgresql: PostgreSQL, journal: Journal, lot: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(journal)
    desk.wall = datetime.now(UTC)
    first = LotOutbox(postgresql.url, lot, owner="m1")
    for _ in range(2):
        first.append(COOKING, node=lot, camera="cam1", room=None)
    one, two = (waiting.event for waiting in first.pending())
    second = LotOutbox(postgresql.url, lot, owner="m2")
    second.append(COOKING, node=lot, camera="cam1", room=None)
    three = second.pending()[2].event

    desk.tell(one, three, two, two)
    assert _seqs(journal, lot) == [1, 3]
    assert [entry.event.seq for entry in desk.delivered] == [1, 3]
    said = f"lot {lot}: a former owner (epoch {two.lot_epoch}, the newest is {three.lot_epoch})"
    assert caplog.text.count(said) == 1
    assert "its event 2 of camera cam1 is refused" in caplog.text
    asked = [each["from_seq"] for each in desk.said.on(f"har/{lot}/bridge/request/replay")]
    assert asked == [2]

    desk.tell(*second.replay("cam1", 2).events)
    assert _seqs(journal, lot) == [1, 2, 3]
    first.close()
    second.close()


def test_a_former_owner_cannot_call_sent_what_a_journal_refuses(
    postgresql: PostgreSQL, lot: str
) -> None:
    first = LotOutbox(postgresql.url, lot, owner="m1")
    first.append(COOKING, node=lot, camera="cam1", room=None)
    (waiting,) = first.pending()
    second = LotOutbox(postgresql.url, lot, owner="m2")
    first.mark_sent(waiting.position)
    assert [each.position for each in second.pending()] == [waiting.position]
    second.mark_sent(waiting.position)
    assert second.pending() == []
    first.close()
    second.close()


def test_the_epoch_is_compared_in_the_transaction_that_inserts(
    postgresql: PostgreSQL, journal: Journal, lot: str
) -> None:
    engine = sqlalchemy.create_engine(postgresql.url)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as db:
            recorder = Recorder(db, running_s=0.0)
            recorder.record([JournalEntry(_said(lot, 2, 8), NOW)])
            recorder.finish()
            late = pool.submit(journal.record, _said(lot, 1, 7), received_at=NOW)
            assert not wait([late], timeout=0.2).done, "it waits for what the newest inserts"
        assert not late.result(20).is_new
    engine.dispose()
    assert _seqs(journal, lot) == [2]


@settings(max_examples=20, deadline=None)
@given(epochs=st.lists(st.none() | st.integers(0, 4), max_size=12), together=st.booleans())
def test_epochs_never_go_back_and_events_without_one_are_always_taken(
    postgresql: PostgreSQL, journal: Journal, epochs: list[int | None], together: bool
) -> None:
    lot = f"lot-{uuid.uuid4()}"
    entries = [JournalEntry(_said(lot, n, each), NOW) for n, each in enumerate(epochs, 1)]
    for some in [entries] if together else [[each] for each in entries]:
        journal.record_together(some)
    newest = accumulate((-1 if each is None else each for each in epochs), max)
    taken = [
        n
        for n, (epoch, so_far) in enumerate(zip(epochs, newest, strict=True), 1)
        if epoch is None or epoch == so_far
    ]
    assert _seqs(journal, lot) == taken


def test_an_epoch_is_a_time_so_that_a_lot_without_its_tables_is_heard_again(
    postgresql: PostgreSQL, lot: str
) -> None:
    engine = sqlalchemy.create_engine(postgresql.url)
    with engine.begin() as db:
        first, second = take_epoch(db, lot, "m1"), take_epoch(db, lot, "m2")
    engine.dispose()
    assert first < second
    assert abs(first - datetime.now(UTC).timestamp()) < 60
