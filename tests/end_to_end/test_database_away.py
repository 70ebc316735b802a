"""PostgreSQL goes away or hangs: forecasts go on, events wait at their node, and all arrive."""

from pathlib import Path

import pytest
from support.broker.real_broker import Mosquitto
from support.event_builder import living
from support.processes.forecast_process import HarForecast, Node
from support.processes.postgresql import running_postgresql

from predictor.journal.journal import Journal

FORECAST = "har/home/h1/forecast"


@pytest.mark.parametrize(
    "away_s", [3, pytest.param(180, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_nothing_is_lost_while_the_database_is_away(
    mosquitto: Mosquitto, tmp_path: Path, away_s: int
) -> None:
    """A forecast a second is the clock of this test, and an event follows each."""
    events = list(living(days=20))[: 10 + away_s]
    config = tmp_path / "har-forecast.yaml"
    config.write_text("forecast: {refresh_s: 1.0}\n")
    node = Node(mosquitto.port, events)
    with running_postgresql() as server:
        options = ("--journal", server.url, "--config", config)
        with HarForecast(mosquitto.url, tmp_path / "state", *options) as forecaster:
            node.wait_until_online()
            node.send(*events[:5])
            node.wait_until_acknowledged(5)
            server.stop()
            for n_said, one in enumerate(events[5:-1], start=len(node.on(FORECAST))):
                node.send(one)
                node.publish("har/home/h1/context/door/set", f"{n_said}")
                node.wait_for(lambda _, n_said=n_said: len(node.on(FORECAST)) > n_said)
            assert node.acknowledged == 5
            server.start()
            node.send(events[-1])
            node.wait_until_acknowledged(len(events))
            assert forecaster.stop() == 0
        with Journal(server.url) as journal:
            assert [entry.event for entry in journal.entries()] == events
    node.close()
    assert "Traceback" not in forecaster.log
    assert forecaster.log.count("the journal cannot be written") == 1
    assert forecaster.log.count("the journal can be written again") == 1
    print(f"\n{len(events) - 6} events while PostgreSQL was away: all arrived, none twice")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_lost_while_the_database_hangs(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What is to be kept waits for it, 25 seconds at most; then forecasts go on."""
    events = list(living(days=20))[:40]
    config = tmp_path / "har-forecast.yaml"
    config.write_text("forecast: {refresh_s: 1.0}\n")
    node = Node(mosquitto.port, events)
    with running_postgresql() as server:
        options = ("--journal", server.url, "--config", config)
        with HarForecast(mosquitto.url, tmp_path / "state", *options) as forecaster:
            node.wait_until_online()
            node.send(*events[:5])
            node.wait_until_acknowledged(5)
            server.hang()
            node.send(*events[5:10])
            node.publish("har/home/h1/context/door/set", "1")
            forecaster.wait_for_log("the journal cannot be written", timeout_s=60)
            for one in events[10:-1]:
                n_said = len(node.on(FORECAST))
                node.send(one)
                node.wait_for(
                    lambda _, n_said=n_said: len(node.on(FORECAST)) > n_said, timeout_s=60
                )
            assert node.acknowledged == 5
            server.go_on()
            node.send(events[-1])
            node.wait_for(lambda _: node.acknowledged >= len(events), timeout_s=60)
            assert forecaster.stop() == 0
        with Journal(server.url) as journal:
            assert [entry.event for entry in journal.entries()] == events
    node.close()
    assert "Traceback" not in forecaster.log
    assert forecaster.log.count("the journal cannot be written") == 1
    assert forecaster.log.count("the journal can be written again") == 1
