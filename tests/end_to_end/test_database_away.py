"""PostgreSQL goes away or hangs: forecasts go on, events wait at their node, and all arrive."""

import os
import time
from pathlib import Path

import pytest
from support.broker.real_broker import Mosquitto
from support.event_builder import living
from support.processes.forecast_process import HarForecast, Node
from support.processes.postgresql import running_postgresql

from predictor.journal.journal import Journal

FORECAST = "har/home/h1/forecast"
AWAY_S = float(os.environ.get("HAR_AWAY_S", "120"))
"""How long the database is away in the long run; set it to 3600 to see an hour."""
N_MEANWHILE = 180


@pytest.mark.parametrize(
    ("n_meanwhile", "away_s"),
    [
        (7, 0),
        pytest.param(
            N_MEANWHILE, AWAY_S, marks=[pytest.mark.slow, pytest.mark.timeout(AWAY_S + 600)]
        ),
    ],
)
def test_nothing_is_lost_while_the_database_is_away(
    mosquitto: Mosquitto, tmp_path: Path, n_meanwhile: int, away_s: float
) -> None:
    """An event follows each forecast, spread over the whole time."""
    events = list(living(days=20))[: 6 + n_meanwhile]
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
            began_s = time.monotonic()
            for n_sent, one in enumerate(events[5:-1], start=1):
                n_said = len(node.on(FORECAST))
                node.send(one)
                node.publish("har/home/h1/context/door/set", f"{n_said}")
                until_s = began_s + away_s * n_sent / n_meanwhile
                node.wait_for(
                    lambda _, n_said=n_said, until_s=until_s: (
                        len(node.on(FORECAST)) > n_said and time.monotonic() >= until_s
                    ),
                    timeout_s=60,
                )
            was_away_s = time.monotonic() - began_s
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
    print(
        f"\n{n_meanwhile} events while PostgreSQL was away for {was_away_s:.0f} s: "
        "all arrived, none twice"
    )


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
