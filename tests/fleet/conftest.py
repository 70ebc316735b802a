"""What tests of fleets share: a PostgreSQL, a Ray, and files of a small fleet."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from support.processes.postgresql import PostgreSQL, running_postgresql
from support.repository import ENVIRONMENT

SMALL = """\
name: city
machines: {m1: 6, m2: 6}
lot_cameras: 3
partition_homes: 2
"""


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One server for all tests; each takes tables or lots of its own."""
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Ray of our own, which takes seconds to start; it stands for the machines r1 and r2."""
    ray_workers = pytest.importorskip("fleet.cluster.ray_workers", reason="no ray here")
    # Beside jsonschema, the test tools bring a grammar of addresses that nobody here needs, and
    # that each of Ray's ten processes would spend two seconds on.
    without = tmp_path_factory.mktemp("without")
    (without / "rfc3987_syntax.py").write_text("raise ImportError\n")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", f"{without}:{ENVIRONMENT['PYTHONPATH']}")
        ray_workers.start_ray(["r1", "r2"], address=None)
        yield  # within: tests know the processes of this Ray by that path
        ray_workers.ray.shutdown()


@pytest.fixture(scope="session")
def fleet_url(postgresql: PostgreSQL) -> str:
    """URL of a database with an ordinary role, as an administrator gives one to a fleet."""
    with psycopg.connect(postgresql.url.replace("+psycopg", ""), autocommit=True) as db:
        db.execute("CREATE ROLE fleet LOGIN")
        db.execute("CREATE DATABASE fleet OWNER fleet")
    return postgresql.url.replace("har@/postgres", "fleet@/fleet")


@pytest.fixture
def write_fleet(tmp_path: Path) -> Callable[..., Path]:
    """Write a `fleet.yaml` and a `cameras.csv` of so many cameras, two to a home."""

    def write(n_cameras: int, yaml: str = SMALL) -> Path:
        rows = [f"c{n:02},h{n // 2},sim:{n}\n" for n in range(n_cameras)]
        (tmp_path / "cameras.csv").write_text("".join(["name,home,source\n", *rows]))
        path = tmp_path / "fleet.yaml"
        path.write_text(f"{yaml}cameras_csv: cameras.csv\n")
        return path

    return write
