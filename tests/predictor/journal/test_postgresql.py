"""A PostgreSQL that hangs is not waited for without end."""

import time
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import DBAPIError
from support.event_builder import started
from support.processes.postgresql import running_postgresql

from predictor.journal.journal import Journal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_server_that_hangs_is_waited_for_so_long_only_and_holds_all_once_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    postgresql = pytest.importorskip("predictor.journal.postgresql")
    monkeypatch.setattr(postgresql, "ANSWER_S", 1.0)
    monkeypatch.setattr(postgresql, "CONNECT_S", 2)
    monkeypatch.setattr(postgresql, "PAUSE_S", 3.0)
    with running_postgresql() as server, Journal(server.url) as journal:
        journal.record(started("cooking", minute=1, seq=1), received_at=NOW)
        server.hang()
        took_s = []
        for words in ("timeout expired", "did not answer just now"):
            began_s = time.monotonic()
            with pytest.raises(DBAPIError, match=words):
                journal.record(started("eating", minute=2, seq=2), received_at=NOW)
            took_s.append(time.monotonic() - began_s)
        assert took_s[0] < 6, "one second for the old connection, two for a new one"
        assert took_s[1] < 0.5, "nobody waits for it again so soon"
        server.go_on()
        deadline_s = time.monotonic() + 20
        while True:
            try:
                progress = journal.record(started("eating", minute=2, seq=2), received_at=NOW)
            except DBAPIError:
                assert time.monotonic() < deadline_s
            else:
                break
        assert progress.contiguous_seq == 2
        assert [entry.event.seq for entry in journal.entries()] == [1, 2]


def test_an_answer_that_does_not_come_within_a_transaction_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    postgresql = pytest.importorskip("predictor.journal.postgresql")
    with running_postgresql() as server:
        connection = postgresql.BoundedConnection.connect(server.url.replace("+psycopg", ""))
        monkeypatch.setattr(postgresql, "ANSWER_S", 1.0)
        with pytest.raises(postgresql.psycopg.OperationalError, match="no answer within 1 s"):
            connection.execute("SELECT pg_sleep(30)")
        assert connection.closed
