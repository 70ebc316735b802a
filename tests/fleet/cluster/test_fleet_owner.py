"""One process runs a fleet: a second one is refused, and one that was replaced ends."""

import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from support.broker.fake_machines import Machines
from support.processes.postgresql import PostgreSQL

from fleet.cluster import fleet_owner, run_fleet
from fleet.cluster.run_fleet import RunningFleet
from fleet.commands.fleet import main
from har_stream.core.errors import InputError

MACHINES = "machines: {m1: 6}\n"


@pytest.fixture
def path(write_fleet: Callable[..., Path], postgresql: PostgreSQL) -> Path:
    """A fleet that is planned, of a name of its own."""
    found = write_fleet(2, f"name: {uuid.uuid4()}\n{MACHINES}database: {postgresql.url}\n")
    assert main(["plan", str(found)]) == 0
    return found


def test_a_second_one_is_refused_while_the_first_works(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both started the same lots: each start took the other's lot, for ever."""
    monkeypatch.setattr(run_fleet, "TICK_S", 0.05)
    first, stopped = RunningFleet(path, {}, Machines()), threading.Event()
    first.step()
    thread = threading.Thread(target=first.run, args=(stopped,))
    thread.start()
    try:
        with pytest.raises(InputError, match=r"run by another .* process \d+\); end that first"):
            RunningFleet(path, {}, Machines())
    finally:
        stopped.set()
        thread.join()


def test_one_that_was_frozen_meanwhile_touches_nothing_and_ends(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_owner, "WATCH_S", 0.1)
    monkeypatch.setattr(run_fleet, "TICK_S", 0.05)
    machines = Machines()
    first = RunningFleet(path, {}, machines)
    first.step()
    second = RunningFleet(path, {}, Machines())
    machines.ends = dict.fromkeys(machines.running, "the lot is another's")
    with pytest.raises(InputError, match="another har-fleet run has taken"):
        first.run(threading.Event())
    assert len(machines.started) == 1, "a lot that the other one has is not taken back"
    second.step()
