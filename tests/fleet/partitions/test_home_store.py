"""Homes in one database see nothing of each other; a former owner writes nothing; snapshots."""

import threading
import uuid
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError
from support.event_builder import living, started
from support.processes.postgresql import PostgreSQL

from fleet.lots.lot_tables import EpochLostError, open_database, run
from fleet.partitions.home_store import HomeStore, SnapshotsAhead
from fleet.partitions.partition_task import PartitionStatus
from har_stream.core.errors import InputError
from har_stream.mqtt.messages import RuleState
from predictor.journal.deletion import Selection
from predictor.journal.records import ContextValue

AT = datetime(2026, 3, 2, 7, tzinfo=UTC)
HOMES = tuple("abcdef")
STATUS = PartitionStatus(n_homes=2)


def _store(url: str, partition: str | None = None) -> HomeStore:
    return HomeStore(url, partition or uuid.uuid4().hex, owner="m1")


def _homes() -> tuple[str, str]:
    return uuid.uuid4().hex, uuid.uuid4().hex


def test_every_table_of_the_journal_is_the_homes_own(fleet_url: str) -> None:
    store = _store(fleet_url)
    one, two = (store.journal_of(home) for home in _homes())
    events = list(living(days=1))
    for journal, lived in ((one, events), (two, events[:2])):  # the same ids, in both
        journal.record_all(lived, received_at=AT)
        journal.keep_rule_state("rule", RuleState(state="on", changed_at=AT, dry_run=False))
        journal.record_context(ContextValue("guests", 1.0, AT))
    assert (one.count(), two.count()) == (len(events), 2)
    assert len(list(two.memories())) == 3
    assert len(two.rule_states()) == len(list(two.contexts())) == 1
    assert two.delete(Selection()) == 2
    assert (one.count(), two.count()) == (len(events), 0)
    assert (one.last_deletion(), two.last_deletion()) == (None, 1)
    assert one.progress()["n1", "cam1"].contiguous_seq == len(events)
    assert one.id == two.id
    store.close()


def test_a_transaction_that_names_no_home_sees_none(fleet_url: str) -> None:
    store = _store(fleet_url)
    store.journal_of(_homes()[0]).record(started("eating", minute=0, seq=1), received_at=AT)
    with store._engine.begin() as db:  # a connection that has served a home
        assert not db.exec_driver_sql("SELECT * FROM fleet_homes.events").all()
    store._engine.dispose()
    with store._engine.begin() as db, pytest.raises(DBAPIError, match=r"har\.home"):
        db.exec_driver_sql("SELECT * FROM fleet_homes.events")
    store.close()


def test_what_a_former_owner_writes_is_refused(fleet_url: str) -> None:
    partition, (home, _) = uuid.uuid4().hex, _homes()
    former = _store(fleet_url, partition)
    journal = former.journal_of(home)
    journal.record(started("eating", minute=0, seq=1), received_at=AT)
    newest = _store(fleet_url, partition)
    with pytest.raises(EpochLostError):
        journal.record(started("relaxing", minute=9, seq=2), received_at=AT)
    with pytest.raises(EpochLostError):
        former.save_snapshot(home, b"old", received_s=1.0)
    assert former.is_lost
    assert not former.confirm(STATUS)
    assert newest.confirm(STATUS)
    assert newest.journal_of(home).count() == 1
    assert newest.load_snapshot(home) is None
    for store in (former, newest):
        store.close()


def test_a_snapshot_is_the_homes_own_and_running_time_goes_on_from_it(fleet_url: str) -> None:
    store, (one, two) = _store(fleet_url), _homes()
    store.save_snapshot(one, b"first", received_s=100.0)
    store.save_snapshot(one, b"second", received_s=200.0)
    assert (store.load_snapshot(one), store.load_snapshot(two)) == (b"second", None)
    assert store.journal_of(one).running_s() >= 200.0 > store.journal_of(two).running_s()
    store.close()


def test_a_snapshot_that_the_database_does_not_give_is_an_error_of_it(fleet_url: str) -> None:
    store, (home, _) = _store(fleet_url), _homes()
    store.save_snapshot(home, b"\x00\xff", received_s=100.0)
    with open_database(fleet_url).begin() as db:
        run(db, "ALTER TABLE fleet_homes.snapshots RENAME content TO other")
    try:
        with pytest.raises(DBAPIError, match="content"):
            store.load_snapshot(home)
    finally:
        with open_database(fleet_url).begin() as db:
            run(db, "ALTER TABLE fleet_homes.snapshots RENAME other TO content")
    assert store.load_snapshot(home) == b"\x00\xff"
    store.close()


def test_a_role_that_passes_over_row_security_is_refused(postgresql: PostgreSQL) -> None:
    with pytest.raises(InputError, match="CREATE ROLE fleet LOGIN"):
        _store(postgresql.url)


@given(st.permutations(HOMES), st.permutations(HOMES))
def test_each_home_gets_its_own_read_once(expected: list[str], begun: list[str]) -> None:
    read = []

    def load(home: str) -> bytes:
        read.append(home)
        return home.encode()

    with closing(SnapshotsAhead(load, expected)) as snapshots:
        assert [snapshots.load(home) for home in begun] == [home.encode() for home in begun]
    assert sorted(read) == [*HOMES]


def test_the_next_is_read_while_a_home_begins() -> None:
    is_read = threading.Event()

    def load(home: str) -> bytes | None:
        if home == "b":
            is_read.set()
        return None

    with closing(SnapshotsAhead(load, "ab")) as snapshots:
        assert snapshots.load("a") is None
        assert is_read.wait(10.0), "nobody has asked for b"


def test_what_could_not_be_read_ahead_is_an_error_of_its_home_and_asked_for_again() -> None:
    n_asked = 0

    def load(home: str) -> bytes:
        nonlocal n_asked
        n_asked += home == "b"
        if home == "b" and n_asked == 1:
            raise ConnectionError("away")
        return home.encode()

    with closing(SnapshotsAhead(load, "abc")) as snapshots:
        assert snapshots.load("a") == b"a"
        with pytest.raises(ConnectionError, match="away"):
            snapshots.load("b")
        assert (snapshots.load("b"), snapshots.load("c")) == (b"b", b"c")
