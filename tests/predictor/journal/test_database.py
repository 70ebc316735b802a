"""A journal is brought up to date, refused where it cannot be used, and the same on PostgreSQL."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy
from support.broker.real_broker import free_port
from support.event_builder import started

from har_stream.core.errors import InputError
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.journal.tables import STEPS, migrate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_id_survives_reopening(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    with Journal(url) as first, Journal(url) as second:
        assert first.id == second.id


def test_an_older_journal_is_brought_up_step_by_step(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        name = migrate(connection, steps=STEPS[:1])
    engine.dispose()
    with Journal(url) as journal:
        assert journal.id == name
        journal.record(started("a", minute=0, seq=1), received_at=NOW)
        assert len(list(journal.sessions())) == 1


def test_a_journal_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        migrate(connection, steps=(*STEPS, ("CREATE TABLE later (x INTEGER)",)))
    engine.dispose()
    with pytest.raises(InputError, match="update har-stream"):
        Journal(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "no database URL"),
        ("nosuchdb://host/x", "no database URL"),
        ("sqlite:////proc/nowhere/journal.db", "journal"),
        ("mysql+nodriver://host/x", "no database URL"),
    ],
)
def test_a_wrong_url_is_one_clear_line(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as raised:
        Journal(url)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("certainly not a database, but long enough to look at")
    with pytest.raises(InputError, match="not a database"):
        Journal(sqlite_url(tmp_path / "journal.db"))


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty PostgreSQL of our own, on a socket in a folder of ours."""
    pytest.importorskip("psycopg", reason="no psycopg here: pip install 'har-stream[postgresql]'")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    programs = found[-1].parent if found else shutil.which("initdb") and Path("/usr/bin")
    if not programs:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="har-pg-"))
    as_user = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "nobody")
    subprocess.run(
        [*as_user, programs / "initdb", "-D", folder / "db", "-U", "har", "-A", "trust", "-N"],
        check=True,
        capture_output=True,
    )
    port = free_port()
    listen = f"-c listen_addresses= -c unix_socket_directories={folder} -c port={port}".split()
    server = subprocess.Popen(
        [*as_user, programs / "postgres", "-D", folder / "db", *listen], stderr=subprocess.DEVNULL
    )
    url = f"postgresql+psycopg://har@/postgres?host={folder}&port={port}"
    try:
        _wait_until_it_answers(url)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        shutil.rmtree(folder)


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            Journal(url).close()
        except InputError:
            if time.monotonic() > deadline:
                raise
        else:
            return


def test_postgresql_holds_the_same(postgresql: str, tmp_path: Path) -> None:
    events = [started(f"a{n % 3}", minute=7 * n, seq=n) for n in (1, 2, 4, 3, 6, 5)]
    arrivals = [*events, events[0], started("anew", minute=60, seq=2)]
    with Journal(postgresql) as there, Journal(sqlite_url(tmp_path / "journal.db")) as here:
        for one in arrivals:
            assert there.record(one, received_at=NOW) == here.record(one, received_at=NOW)
        kept_there, kept_here = (
            [entry.event for entry in each.entries()] for each in (there, here)
        )
        assert kept_there == kept_here
        assert list(there.sessions()) == list(here.sessions())
        assert list(there.bouts()) == list(here.bouts())
        assert there.progress() == here.progress()
        assert there.forget_before(events[0].started_at + timedelta(minutes=8)) == 2
