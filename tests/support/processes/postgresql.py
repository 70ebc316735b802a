"""A real PostgreSQL of our own for tests, on a socket in a folder of ours."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.broker.real_broker import free_port

from har_stream.core.errors import InputError
from predictor.journal.journal import Journal


class PostgreSQL:
    """One server; it keeps its data over `stop` and `start`.

    Attributes:
        url: Of its empty database, as SQLAlchemy reads it.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.geteuid() == 0 else []
        if as_user:
            shutil.chown(folder, "nobody")
        port = free_port()
        listen = f"-c listen_addresses= -c unix_socket_directories={folder} -c port={port}".split()
        self.url = f"postgresql+psycopg://har@/postgres?host={folder}&port={port}"
        self._command = [*as_user, programs / "postgres", "-D", folder / "db", *listen]
        subprocess.run(
            [*as_user, programs / "initdb", "-D", folder / "db", "-U", "har", "-A", "trust", "-N"],
            check=True,
            capture_output=True,
        )
        self.start()

    def start(self) -> None:
        """Start it and return once it answers."""
        self._server = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                Journal(self.url).close()
            except InputError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def stop(self) -> None:
        """Stop it at once, whoever is connected."""
        self._server.send_signal(signal.SIGINT)
        self._server.wait(20)


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """A server for the length of a block; the test is skipped where there is none."""
    pytest.importorskip("psycopg", reason="no psycopg here: pip install 'har-stream[postgresql]'")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="har-pg-"))
    server = PostgreSQL(Path(initdb).resolve().parent, folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
