"""The real `har-forecast` on a real Mosquitto: nothing lost, nothing twice, whatever dies."""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.broker.real_broker import Mosquitto, free_port
from support.bundles.manifest_builder import manifest
from support.event_builder import living
from support.processes.forecast_process import HarForecast, Node, har_forecast
from support.repository import ROOT

from har_stream.bundles.bundle import load_named_bundle, save_bundle
from har_stream.config.settings import Settings
from har_stream.config.state_dir import bundles_dir
from har_stream.core.log_once import LogOnce
from har_stream.mqtt.messages import ActivityEvent, Forecast, RuleState
from predictor.journal.records import JournalEntry
from predictor.logs.event_file import write_events
from predictor.models import store
from predictor.service.home_forecast import HomeForecast
from predictor.service.home_learning import make_forecaster

FORECAST, ATTRIBUTES = "har/home/h1/forecast", "har/home/h1/forecast/attributes"


@pytest.fixture
def forecaster(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Callable[..., HarForecast]]:
    with ExitStack() as running:
        yield lambda *arguments: running.enter_context(
            HarForecast(mosquitto.url, tmp_path / "state", *arguments)
        )


@pytest.fixture
def make_node(mosquitto: Mosquitto) -> Iterator[Callable[[list[ActivityEvent]], Node]]:
    nodes: list[Node] = []

    def make(events: list[ActivityEvent]) -> Node:
        nodes.append(Node(mosquitto.port, events))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()


def _schema(name: str) -> Any:
    return json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text())


def _wait_until_forecast(node: Node, event: ActivityEvent) -> None:
    at = event.started_at
    node.wait_for(lambda _: any(Forecast.decode(said).at == at for said in node.on(FORECAST)[-1:]))


@pytest.mark.parametrize("model", store.NAMES)
def test_events_in_any_order_are_kept_once_and_forecast(
    forecaster: Callable[..., HarForecast], make_node: Callable[..., Node], model: str
) -> None:
    events = list(living(days=8))
    node, process = make_node(events), forecaster("--model", model)
    node.wait_until_online()
    arrivals = events + events[::3]
    random.Random(5).shuffle(arrivals)
    node.send(*arrivals)
    node.wait_until_acknowledged(len(events))
    _wait_until_forecast(node, events[-1])
    node.wait_for(lambda _: json.loads(node.on(FORECAST)[-1])["enough_data"])
    for payload in node.on(FORECAST):
        jsonschema.validate(json.loads(payload), _schema("forecast"))
    for payload in node.on(ATTRIBUTES):
        jsonschema.validate(json.loads(payload), _schema("forecast_attributes"))
    forecast = json.loads(node.on(FORECAST)[-1])
    assert forecast["activity"]["label"] == events[-1].activity
    assert json.loads(node.on(FORECAST)[0])["enough_data"] is False
    assert forecast["model"] == model
    assert json.loads(node.on(ATTRIBUTES)[-1])["scores"].keys() >= {model, "markov"}
    assert node.on("har/home/h1/availability") == [b"online"]
    assert any(m.topic.startswith("homeassistant/sensor/home_h1/") for m in node.wait_for(len))
    assert process.stop() == 0
    node.wait_for(lambda _: node.on("har/home/h1/availability")[-1] == b"offline")
    assert process.kept() == events
    assert "Traceback" not in process.log


def test_kill_9_and_restart(
    forecaster: Callable[..., HarForecast], make_node: Callable[..., Node]
) -> None:
    events = list(living(days=4))
    node, process = make_node(events), forecaster()
    node.wait_until_online()
    for n_th, batch in enumerate((events[:12], events[12:]), 1):
        node.send(*batch)
        node.wait_until_acknowledged(batch[0].seq)  # it is in the midst of them
        process.kill()
        held = [event.seq for event in process.kept()]
        assert held == sorted(set(held))
        assert held[-1] >= node.acknowledged
        process.start()
        node.wait_until_online(n_th + 1)
    node.wait_until_acknowledged(len(events))
    assert process.kept() == events
    # Before the node has sent the rest, no camera has spoken.
    node.wait_for(lambda _: any(not Forecast.decode(said).fresh for said in node.on(FORECAST)))


def test_a_journal_damaged_while_in_use_ends_it_and_is_begun_anew(
    forecaster: Callable[..., HarForecast], make_node: Callable[..., Node], tmp_path: Path
) -> None:
    events = list(living(days=40))
    node, process = make_node(events), forecaster()
    node.wait_until_online()
    node.send(*events[:-1])
    node.wait_until_acknowledged(len(events) - 1)
    (path,) = tmp_path.rglob("journal.db")
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    with path.open("r+b") as file:  # all but the first page and the last ones of events
        file.seek(4096)
        file.write(bytes(8 * 4096))
    node.send(events[-1])
    assert process.wait() == 1
    assert "is damaged" in process.log
    assert "lies at journal.db.damaged-" in process.log
    process.start()
    node.wait_until_acknowledged(len(events))
    assert process.kept() == events
    assert "Traceback" not in process.log


def test_a_journal_that_is_damaged_before_the_start_is_begun_anew(tmp_path: Path) -> None:
    write_events(living(days=40), tmp_path / "log.jsonl")
    arguments = ("--state-dir", tmp_path)
    assert har_forecast(*arguments, "--import", tmp_path / "log.jsonl").returncode == 0
    with (tmp_path / "journal.db").open("r+b") as file:
        file.seek(30)
        file.write(bytes(20 * 4096))
    ended = har_forecast(*arguments, "--export", tmp_path / "rest.jsonl")
    assert ended.returncode == 0
    assert ended.stderr.count("was damaged") == 1
    assert "Traceback" not in ended.stderr
    whole = (tmp_path / "log.jsonl").read_text().splitlines()
    rest = (tmp_path / "rest.jsonl").read_text().splitlines()
    assert len(whole) // 3 < len(rest) < len(whole)
    assert {*rest} < {*whole}


def test_the_broker_goes_and_comes_back(
    mosquitto: Mosquitto,
    forecaster: Callable[..., HarForecast],
    make_node: Callable[..., Node],
) -> None:
    events = list(living(days=2))
    node, process = make_node(events), forecaster()
    node.wait_until_online()
    node.send(*events[:5])
    node.wait_until_acknowledged(5)
    mosquitto.kill()  # without persistence: what it held is gone, our session too
    process.wait_for_log("trying again")
    mosquitto.start()
    process.wait_for_log("connected to broker", 2)
    node.wait_until_acknowledged(len(events))  # nobody sent them; they were asked for
    assert 6 in node.asked
    assert process.kept() == events
    assert node.on("har/home/h1/availability")[-1] == b"online"


def test_a_gap_is_filled_by_a_replay(
    forecaster: Callable[..., HarForecast], make_node: Callable[..., Node]
) -> None:
    events = list(living(days=15))
    assert len(events) > 120  # more than one answer holds
    node, process = make_node(events), forecaster()
    node.wait_until_online()
    node.send(events[0], events[-1])
    node.wait_until_acknowledged(len(events))
    assert node.asked[0] == 2
    assert process.kept() == events


def test_the_loop_is_closed_by_a_rule(
    forecaster: Callable[..., HarForecast],
    make_node: Callable[..., Node],
    tmp_path: Path,
) -> None:
    events = list(living(days=13))
    past = [event for event in events if event.started_at < events[0].started_at.replace(day=16)]
    write_events(past, tmp_path / "past.jsonl")
    assert (
        "new events"
        in har_forecast(
            "--state-dir", tmp_path / "state", "--import", tmp_path / "past.jsonl"
        ).stdout
    )
    config = tmp_path / "har-forecast.yaml"
    config.write_text(
        """
forecast:
  binary_sensors: [sleeping]
  rules:
    - name: heating
      activity: sleeping
      within: 180min
      probability: 0.5
      payload_on: ON
      topic: home/bedroom/heating/set
"""
    )
    held = list(past)  # what the node could replay
    node, process = make_node(held), forecaster("--config", config)
    node.wait_until_online()
    assert node.on("home/bedroom/heating/set") == []
    for event in events[len(past) :]:  # one by one: of a burst only the newest is forecast from
        held.append(event)
        node.send(event)
        _wait_until_forecast(node, event)
    node.wait_for(lambda _: node.on("home/bedroom/heating/set")[:1] == [b"ON"])
    node.wait_for(lambda _: node.on("har/home/h1/rule/heating"))
    state = RuleState.decode(node.on("har/home/h1/rule/heating")[0])
    jsonschema.validate(json.loads(node.on("har/home/h1/rule/heating")[0]), _schema("rule"))
    assert state.cause is not None
    assert state.cause.enough_data
    assert state.cause.within["180min"]["sleeping"] >= 0.5
    assert "rule heating: on: sleeping within 180min" in process.log
    node.wait_for(lambda _: node.on("homeassistant/binary_sensor/home_h1/likely_sleeping/config"))


def test_a_corrupt_model_falls_back_to_the_last_good_one(
    forecaster: Callable[..., HarForecast], make_node: Callable[..., Node], tmp_path: Path
) -> None:
    forecasting = store.create("hmm")
    live = HomeForecast(forecasting, LogOnce(), stale_after_s=900)
    for event in living(days=9):
        live.take_event(JournalEntry(event, event.started_at))
    store.save(forecasting, tmp_path / "model")
    newest = store.save(forecasting, tmp_path / "model")
    (newest / "arrays.npz").write_bytes(b"torn by a power cut")
    node, process = make_node([]), forecaster("--model-path", tmp_path / "model")
    process.wait_for_log(str(newest))
    node.wait_for(lambda _: node.on(FORECAST))
    assert json.loads(node.on(FORECAST)[0])["training_days"] >= 9
    assert process.log.count("WARNING") == 1


@pytest.mark.skipif(
    shutil.which("mosquitto_passwd") is None,
    reason="needs mosquitto_passwd: apt-get install mosquitto",
)
def test_the_printed_acl_is_all_that_it_needs(
    make_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)
    config = tmp_path / "har-forecast.yaml"
    config.write_text(
        f"""
broker: {{username: ada, password_file: {tmp_path / "password"}}}
forecast:
  stale_after_s: 1.0e+9
  rules:
    - {{name: heat, activity: eating, within: 180min, probability: 0.0, topic: home/heat/set}}
  sensors: [{{name: bed, topic: house/bed/state}}]
"""
    )
    acl = har_forecast("--config", config, "--print-acl").stdout
    assert {"topic write home/heat/set", "topic read house/bed/state"} <= set(acl.splitlines())
    (tmp_path / "acl").write_text(acl)
    known = tmp_path / "passwd"
    known.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", known, "ada", "secret"], check=True)
    broker = make_mosquitto(
        f"password_file {known}",
        f"acl_file {tmp_path / 'acl'}",
        "log_type debug",
        anonymous=False,
    )
    write_events(living(days=10), tmp_path / "past.jsonl")
    state = ("--state-dir", tmp_path / "state")
    assert har_forecast(*state, "--import", tmp_path / "past.jsonl").returncode == 0
    with HarForecast(broker.url, tmp_path / "state", "--config", config) as process:
        process.wait_for_log("rule heat: on")
        broker.wait_for_log("'home/heat/set'")
        assert process.stop() == 0
        assert "forbids" not in process.log
    assert not any("Denied" in line for line in broker.log)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--broker", "http://host"], "mqtt://"),
        (["--broker", "mqtt://127.0.0.1:PORT", "--fail-fast"], "PORT"),
        (["--config", "FOLDER/absent.yaml"], "absent.yaml"),
        (["--config", "FOLDER/wrong.yaml"], "wrong.yaml:2: unknown key 'forecast.modle'"),
        (["--config", "FOLDER/flaps.yaml"], "release must not be above probability"),
        (["--model-path", "FOLDER/no-model"], "no usable model"),
        (["--model", "dbn", "--model-path", "FOLDER/hmm"], "of kind hmm, not dbn; leave the kind"),
        (["--journal", "nonsense"], "no database URL"),
        (["--home", "No Home"], "no valid id"),
        (["--import", "FOLDER/absent.csv"], "cannot be read"),
        (["--export", "FOLDER/journal.xml"], ".csv or .jsonl"),
        (["--forget-before", "yesterday"], "--forget-before"),
        (["--delete", "2026-11-22"], "is no span of time; give FROM..TO"),
        (["--delete", "2026-11-22..2026-11-22"], "ends before it begins"),
        (["--delete", "2026-11-22..soon"], "'soon' is no time"),
        (["--forget-camera", "desk"], "'desk' is not NODE/CAMERA"),
    ],
)
def test_wrong_input_is_one_clear_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    port = str(free_port())
    (tmp_path / "wrong.yaml").write_text("forecast:\n  modle: hmm\n")
    (tmp_path / "flaps.yaml").write_text(
        "forecast:\n  rules:\n    - {name: a, activity: b, within: 60min, probability: 0.5, "
        "release: 0.6, topic: c}\n"
    )
    store.save(store.create("hmm"), tmp_path / "hmm")
    given = [one.replace("FOLDER", str(tmp_path)).replace("PORT", port) for one in arguments]
    ended = har_forecast("--state-dir", tmp_path / "state", *given)
    assert ended.returncode == 2
    assert words.replace("PORT", port) in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert ended.stderr.startswith("har-forecast: ")


def test_export_and_import_are_one_command_each(tmp_path: Path) -> None:
    write_events(living(days=2), tmp_path / "a.jsonl")
    one, other = (("--state-dir", tmp_path / name) for name in ("one", "other"))
    assert har_forecast(*one, "--import", tmp_path / "a.jsonl").returncode == 0
    assert har_forecast(*one, "--export", tmp_path / "b.csv").returncode == 0
    assert har_forecast(*other, "--import", tmp_path / "b.csv").returncode == 0
    assert har_forecast(*other, "--export", tmp_path / "c.jsonl").returncode == 0
    assert (tmp_path / "c.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()


def test_a_persons_own_bundle_is_found_by_the_name_that_har_stream_finds_it_by(
    tmp_path: Path,
) -> None:
    mine = manifest(confusion=((0.8, 0.1, 0.1), (0.2, 0.7, 0.1), (0.0, 0.0, 1.0)))
    save_bundle(bundles_dir(tmp_path) / "mine", mine, {})
    assert load_named_bundle("mine", state_dir=tmp_path).manifest.confusion == mine.confusion
    settings = Settings(state_dir=tmp_path, forecast={"bundle": "mine"})  # type: ignore[arg-type]
    assert make_forecaster(settings).confusion == mine.confusion_by_label()


def test_the_predictor_loads_neither_tensorflow_nor_opencv() -> None:
    script = """
import importlib, pkgutil, sys, predictor
import har_stream.bundles.bundle  # which is imported where it is used
for module in pkgutil.walk_packages(predictor.__path__, "predictor."):
    importlib.import_module(module.name)
print({"tensorflow", "keras", "cv2"} & set(sys.modules))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ended.stdout.strip() == "set()"


def test_help_and_version_are_instant_and_teach() -> None:
    text = har_forecast("--help").stdout
    for word in ("--broker", "--import", "enough_data", "mosquitto_sub"):
        assert word in text
    assert har_forecast("--version").stdout.startswith("har-forecast ")


def test_a_backup_says_what_it_holds_and_is_a_journal(tmp_path: Path) -> None:
    events = list(living(days=2))
    write_events(events, tmp_path / "all.jsonl")
    state, copy = ("--state-dir", tmp_path / "state"), tmp_path / "copy.db"
    assert har_forecast(*state, "--import", tmp_path / "all.jsonl").returncode == 0
    ended = har_forecast(*state, "--backup", copy)
    assert (ended.returncode, ended.stdout) == (0, f"{copy}: {len(events)} events, checked\n")
    again = har_forecast(*state, "--backup", copy)
    assert again.returncode == 2
    assert f"{copy}: is there already; --backup overwrites nothing" in again.stderr
    restored = ("--state-dir", tmp_path / "other", "--journal", f"sqlite:///{copy}")
    assert har_forecast(*restored, "--export", tmp_path / "restored.jsonl").returncode == 0
    assert (tmp_path / "restored.jsonl").read_bytes() == (tmp_path / "all.jsonl").read_bytes()
