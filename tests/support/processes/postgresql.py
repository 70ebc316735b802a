"""A real PostgreSQL of our own for tests, on a socket in a folder of ours, or on a network."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.broker.real_broker import free_port

from har_stream.core.errors import InputError
from predictor.journal.journal import Journal


class PostgreSQL:
    """One server; it keeps its data over `stop` and `start`.

    Args:
        programs: Where PostgreSQL's programs are.
        folder: For its data.
        address: An address on which it listens as well; none: on its socket alone.
        access: Who may sign in there, and how: a line of `pg_hba.conf`.
        options: Of its configuration, such as `ssl=on`.

    Attributes:
        port: That it listens on.
        url: Of its empty database on its socket, as SQLAlchemy reads it.
    """

    def __init__(
        self,
        programs: Path,
        folder: Path,
        *,
        address: str = "",
        access: str = "host all all all trust",
        options: Sequence[str] = (),
    ) -> None:
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.geteuid() == 0 else []
        if as_user:
            shutil.chown(folder, "nobody")
        self.port = port = free_port()
        data = folder / "db"
        sockets = [f"listen_addresses={address}", f"unix_socket_directories={folder}"]
        settings = [part for each in (*sockets, f"port={port}", *options) for part in ("-c", each)]
        self.url = f"postgresql+psycopg://har@/postgres?host={folder}&port={port}"
        self._command = [*as_user, programs / "postgres", "-D", data, *settings]
        subprocess.run(
            [*as_user, programs / "initdb", "-D", data, "-U", "har", "-A", "trust", "-N"],
            check=True,
            capture_output=True,
        )
        if address:
            (data / "pg_hba.conf").write_text(f"local all all trust\n{access}\n")
        self.start()

    def start(self) -> None:
        """Start it and return once it answers."""
        self._server = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
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
        self._server.wait(60)

    def hang(self) -> None:
        """Stop all its processes where they are: it accepts connections, and answers nothing."""
        self._signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let them go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        pid = self._server.pid
        os.kill(pid, number)  # first, so that it starts no further one
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)


@contextmanager
def running_postgresql(
    *, address: str = "", access: str = "host all all all trust", options: Sequence[str] = ()
) -> Iterator[PostgreSQL]:
    """A server for the length of a block; the test is skipped where there is none."""
    pytest.importorskip("psycopg", reason="no psycopg here: pip install 'har-stream[postgresql]'")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="har-pg-"))
    programs = Path(initdb).resolve().parent
    server = PostgreSQL(programs, folder, address=address, access=access, options=options)
    try:
        yield server
    finally:
        server.go_on()
        server.stop()
        shutil.rmtree(folder)
