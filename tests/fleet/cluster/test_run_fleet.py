"""A fleet on a real Ray, broker and PostgreSQL: what is killed goes on, and nothing is lost."""

import json
import os
import re
import signal
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from support.broker.busy_lot import activity_of, actor_pids, busy_lot
from support.broker.fake_machines import Machines
from support.broker.real_broker import Listener, Mosquitto, listening
from support.event_builder import NOON
from support.processes.postgresql import PostgreSQL

from fleet.cluster import fleet_owner, orders
from fleet.cluster.rolling_restart import RestartOrder
from fleet.cluster.run_fleet import RunningFleet, make_tasks
from fleet.cluster.run_partitions import RunningPartitions
from fleet.commands.fleet import main
from fleet.inventory.fleet import read_fleet
from fleet.lots.lot import LotTask
from fleet.lots.lot_tables import open_database
from fleet.partitions.home_store import HomeStore
from fleet.partitions.partition_task import PartitionTask
from fleet.planning.plan import Plan, make_plan
from har_stream.core.errors import InputError

ray_workers = pytest.importorskip("fleet.cluster.ray_workers", reason="no ray here")
WAIT_S = 120.0
LOT_OF = {"h0": "town-00001", "h1": "town-00002"}


def _seqs(listener: Listener) -> dict[str, list[int]]:
    """By camera's topic, the numbers of its events as they came, each event once."""
    seen: dict[str, dict[str, int]] = defaultdict(dict)
    for message in listener.messages:
        if message.topic.endswith("/event"):
            event = json.loads(message.payload)
            seen[message.topic].setdefault(event["id"], event["seq"])
    return {topic: list(seqs.values()) for topic, seqs in seen.items()}


def _forecasts(listener: Listener) -> list[str]:
    """Homes of the forecasts so far, each of what happens there; none is of another home."""
    found = []
    for message in listener.messages:
        *_, home, kind = message.topic.split("/")
        if kind == "forecast":
            activity = json.loads(message.payload)["activity"]["label"]
            assert activity in ("unknown", activity_of(LOT_OF[home])), home
            found += [home] * (activity != "unknown")
    return found


def _wait_until_kept(url: str, seqs: Mapping[str, Sequence[int]]) -> None:
    """Wait until every home's journal has all events of its cameras, and no other home's."""
    store = HomeStore(url, "onlooker", owner="test")
    deadline_s = time.monotonic() + WAIT_S
    for home, lot in LOT_OF.items():
        told = {topic.split("/")[2]: max(of) for topic, of in seqs.items() if lot in topic}
        journal = store.journal_of(home)
        while True:
            kept = {camera: each.contiguous_seq for (_, camera), each in journal.progress().items()}
            if kept.keys() == told.keys() and all(kept[name] >= told[name] for name in told):
                break
            assert time.monotonic() < deadline_s, (home, kept, told)
        assert journal.count() >= sum(told.values())
    store.close()


@contextmanager
def _at_work(running: RunningFleet, stopped: threading.Event) -> Iterator[None]:
    """A fleet at work in a thread for the length of a block, however that ends."""
    thread = threading.Thread(target=running.run, args=(stopped,))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(WAIT_S)
    assert not thread.is_alive()


def test_what_is_killed_goes_on_without_a_gap_and_orders_are_followed(
    ray: None,
    write_fleet: Callable[..., Path],
    mosquitto: Mosquitto,
    fleet_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    yaml = "name: town\nmachines: {r1: 4, r2: 4}\nlot_cameras: 2\nforecast: {model: hmm}\n"
    yaml += f"broker: {{url: '{mosquitto.url}'}}\ndatabase: {fleet_url}\nstate_dir: {tmp_path}\n"
    path = write_fleet(4, yaml)
    assert main(["plan", str(path)]) == 0
    tasks: dict[str, LotTask] = {}
    homes: dict[str, PartitionTask] = {}
    partitions = RunningPartitions(
        homes,
        ray_workers.RayWorkers(
            homes, make=ray_workers.make_partition, actor=ray_workers.PartitionActor
        ),
    )
    lots = ray_workers.RayWorkers(tasks, make=busy_lot)
    running = RunningFleet(path, tasks, lots, partitions)
    stopped = threading.Event()
    topics = ("har/+/+/event", "har/+/availability", "har/home/+/forecast")
    with listening(mosquitto.port, *topics) as listener:

        def wait_for_events(more: int) -> None:
            before = {topic: len(seqs) for topic, seqs in _seqs(listener).items()}
            listener.wait_for(
                lambda _: (
                    len(now := _seqs(listener)) == 4
                    and all(len(seqs) >= before.get(topic, 0) + more for topic, seqs in now.items())
                ),
                timeout_s=WAIT_S,
            )

        def wait_for_forecasts() -> None:
            n_before = len(_forecasts(listener))
            listener.wait_for(
                lambda _: {*_forecasts(listener)[n_before:]} == {*LOT_OF}, timeout_s=WAIT_S
            )

        def wait_for_status(*texts: str, until_gone: str = "nothing") -> None:
            deadline_s = time.monotonic() + WAIT_S
            while True:
                capsys.readouterr()
                assert main(["status", str(path)]) == 0
                said = capsys.readouterr().out
                if (
                    all(re.search(text, said, re.MULTILINE) for text in texts)
                    and until_gone not in said
                ):
                    return
                assert time.monotonic() < deadline_s, said
                stopped.wait(0.2)

        with _at_work(running, stopped):
            wait_for_events(2)
            wait_for_status(
                "town-00001  r1          2/2", "cameras online: 4 of 4, lots nowhere: 0 of 2"
            )
            wait_for_forecasts()
            wait_for_status("town-homes-00001  r. .* 2/2 .* 0$")
            for victim in (actor_pids()[0], *actor_pids("PartitionActor")):
                os.kill(victim, signal.SIGKILL)
            wait_for_events(3)
            wait_for_status("town-0000.  .* 1  runs$", "town-homes-00001  r. .* 2/2 .* 1$")
            wait_for_forecasts()
            assert main(["drain", str(path), "r1"]) == 0
            wait_for_status("town-00001  r2          2/2", "town-00002  r2          2/2")
            wait_for_status("town-homes-00001  r2 .* 2/2")
            wait_for_forecasts()
            wait_for_events(2)
            before = {*actor_pids(), *actor_pids("PartitionActor")}
            assert main(["restart", str(path)]) == 0
            assert "decided something again: 3\n" in capsys.readouterr().out
            wait_for_status("still to be restarted: ")
            wait_for_status(until_gone="still to be restarted")
            assert not before & {*actor_pids(), *actor_pids("PartitionActor")}
            wait_for_status("town-homes-00001  r2 .* 2/2")
            wait_for_events(2)
            _wait_until_kept(fleet_url, _seqs(listener))
        for topic, seqs in _seqs(listener).items():
            assert seqs == list(range(1, len(seqs) + 1)), topic
        assert {listener.on(f"har/town-0000{n}/availability")[-1] for n in (1, 2)} == {b"offline"}


def test_another_plan_and_a_database_that_is_away_touch_no_other_lot(
    write_fleet: Callable[..., Path],
    postgresql: PostgreSQL,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    yaml = f"name: {uuid.uuid4()}\nmachines: {{m1: 6, m2: 6}}\nlot_cameras: 2\n"
    path = write_fleet(4, f"{yaml}database: {postgresql.url}\n")
    machines = Machines()
    tasks: dict[str, LotTask] = {}
    with pytest.raises(InputError, match="camera c00 is in no lot yet; run har-fleet plan first"):
        RunningFleet(path, tasks, machines)
    assert main(["plan", str(path)]) == 0
    running = RunningFleet(path, tasks, machines)
    running.step()
    first, second = sorted(machines.running)
    assert [camera.id for camera in tasks[first].settings.cameras] == ["c00", "c01"]
    assert {camera.home for camera in tasks[second].settings.cameras} == {"h1"}

    write_fleet(5, f"{yaml}database: {postgresql.url}\n")
    running.step()
    assert len(machines.started) == 2, "only har-fleet plan changes a plan"
    assert main(["plan", str(path)]) == 0
    running.step()
    assert [lot for lot, _ in machines.started] == [first, second, f"{first[:-1]}3"]
    with closing(psycopg.connect(postgresql.url.replace("+psycopg", ""))) as db:
        told = db.execute("SELECT camera, home, lot FROM fleet_plan ORDER BY camera").fetchall()
    assert [home for _, home, _ in told] == ["h0", "h0", "h1", "h1", "h2"]
    assert told[-1] == ("c04", "h2", f"{first[:-1]}3"), "whoever looks at the fleet knows the plan"

    kept = (path.parent / "plan.csv").read_text()
    for nonsense in ("rubbish\n", kept.replace("camera,c04", "camera,c05")):
        caplog.clear()
        (path.parent / "plan.csv").write_text(nonsense)
        running.step()
        assert "the new plan is not taken" in caplog.text
    postgresql.stop()
    try:
        running.step()
        assert "nothing new can be asked" in caplog.text
        assert main(["status", str(path)]) == 2
        assert capsys.readouterr().err.startswith("har-fleet: database postgresql")
    finally:
        postgresql.start()
    running.step()
    assert len(machines.started) == len(machines.running) == 3

    (path.parent / "plan.csv").write_text(kept)
    write_fleet(6, f"{yaml}database: {postgresql.url}\n")
    begun = Machines()
    monkeypatch.setattr(fleet_owner, "WATCH_S", 0.0)
    RunningFleet(path, {}, begun).step()
    assert len(begun.started) == 3, "one camera that is not planned yet stops no other"
    assert "no lot has camera c05 yet" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["drain", "FLEET", "m9"], "there is no machine 'm9'; there are m1, m2"),
        (["scale", "FLEET", "m9", "5"], "there is no machine 'm9'"),
        (["move", "FLEET", "town-00009", "m1"], "there is no lot 'town-00009'"),
        (["restart", "FLEET", "town-00009"], "there is no lot or partition 'town-00009'"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    arguments: list[str],
    said: str,
    write_fleet: Callable[..., Path],
    postgresql: PostgreSQL,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_fleet(2, f"machines: {{m1: 6, m2: 6}}\ndatabase: {postgresql.url}\n")
    given = [str(path) if each == "FLEET" else each for each in arguments]
    assert main(given) == 2
    assert said in capsys.readouterr().err


def test_the_last_machine_that_is_drained_keeps_its_lots_which_is_said(
    write_fleet: Callable[..., Path], postgresql: PostgreSQL, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_fleet(2, f"machines: {{y1: 6, y2: 6}}\ndatabase: {postgresql.url}\n")
    for machine, said in (("y1", "its lots leave\n"), ("y2", "its lots stay: no other machine")):
        assert main(["drain", str(path), machine]) == 0
        assert f"{machine}: {said}" in capsys.readouterr().out
    assert main(["plan", str(path)]) == 0
    machines = Machines()
    machines.there = {"y1": True}
    running = RunningFleet(path, {}, machines)
    running.step()
    assert not machines.running
    assert main(["drain", str(path), "y1", "--undo"]) == 0
    running.step()
    assert main(["drain", str(path), "y1"]) == 0
    running.step()
    assert [*machines.running.values()] == ["y1"]


def test_orders_are_kept_until_others_come(postgresql: PostgreSQL) -> None:
    engine = open_database(postgresql.url)
    with engine.begin() as db:
        for machine, drained in (("x1", True), ("x2", True), ("x1", False)):
            orders.drain(db, machine, drained)
        orders.scale(db, "x1", 7)
        orders.move(db, "lot-x", "x1")
        orders.move(db, "lot-x", "x2")
        orders.move(db, "lot-y", "x2")
        orders.move(db, "lot-y", None)
        orders.scale(db, "x3", 7)
        orders.scale(db, "x3", None)
        orders.restart(db, ["lot-b", "lot-a"])
        found = orders.read_orders(db)
        assert [each.lot for each in found.restarts] == ["lot-a", "lot-b"]
        orders.end_restarts(db, [RestartOrder("lot-a", NOON), found.restarts[1]])
        assert [each.lot for each in orders.read_orders(db).restarts] == ["lot-a"]
        orders.end_restarts(db, found.restarts)
    engine.dispose()
    assert {"x1", "x2"} & found.drained == {"x2"}
    assert found.capacities["x1"] == 7
    assert "x2" not in found.capacities
    assert found.pinned["lot-x"] == "x2"
    assert "lot-y" not in found.pinned
    assert "x3" not in found.capacities


def test_a_lot_signs_in_as_itself_and_is_told_its_cameras_alone(
    write_fleet: Callable[..., Path],
) -> None:
    yaml = "name: town\nmachines: {m1: 6}\nlot_cameras: 2\nbundle: lrcn-ucf\nlogins: logins\n"
    yaml += "broker: {url: 'mqtts://b:8883', username: nobody}\n"
    fleet = read_fleet(write_fleet(3, f"{yaml}database: postgresql://har@db/har\n"))
    told = make_tasks(fleet, make_plan(fleet, Plan()))
    task = LotTask.model_validate_json(told["town-00001"].model_dump_json(exclude_unset=True))
    assert task == told["town-00001"]
    settings = task.settings
    assert (settings.node, settings.bundle) == ("town-00001", "lrcn-ucf")
    assert [(camera.id, camera.home) for camera in settings.cameras] == [
        ("c00", "h0"),
        ("c01", "h0"),
    ]
    assert settings.broker.username == "town-00001"
    assert settings.broker.password_file == fleet.plan_file.parent / "logins" / "town-00001"
    assert not settings.discovery.enabled
    without = read_fleet(write_fleet(3, yaml))
    with pytest.raises(InputError, match="database is missing"):
        make_tasks(without, make_plan(without, Plan()))
