"""The real processes on a simulated day: what reaches the journal is what was true."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pytest
from support.broker.real_broker import Mosquitto, listening
from support.processes.forecast_process import HarForecast
from support.processes.stream_process import read_events, start_har_stream
from support.repository import ROOT

from har_stream.core.activity import FALLEN, IDLE
from har_stream.mqtt.messages import ActivityEvent, Forecast
from har_stream.simulation.truth import truth
from training.evaluation.simulated_home import ReportedChange, score_changes, share_of_time

SCHEMA = ROOT / "docs" / "schema"
SEED = 4242
MIDNIGHT = datetime(2026, 3, 2, tzinfo=timezone(timedelta(hours=1)))
EVERY_S = 60.0


def _now(event: ActivityEvent) -> tuple[datetime, str]:
    return (event.ended_at, IDLE) if event.ended_at else (event.started_at, event.activity)


def _states(events: list[ActivityEvent]) -> list[tuple[datetime, str]]:
    """What was known from each instant on: a long lie goes on, and who got up goes on at once.

    The journal keeps no stages of falls; see "Falls" in docs/mqtt.md.
    """
    states: list[tuple[datetime, str]] = []
    got_up_at = None
    for event in events:
        if event.activity == event.previous == FALLEN:
            assert states[-1][1] == FALLEN
            continue
        if event.event_type == "activity_started" and event.started_at == got_up_at:
            states.pop()  # idle for no time
        states.append(_now(event))
        got_up_at = event.ended_at if event.activity == FALLEN else None
    return states


@pytest.mark.parametrize(
    ("start_at", "days"),
    [
        (MIDNIGHT.replace(hour=5), 0.3),  # from bed to noon: every activity, and a fall
        pytest.param(MIDNIGHT, 1, marks=pytest.mark.slow),
    ],
)
def test_a_simulated_day_is_recognised_journalled_and_forecast(
    mosquitto: Mosquitto, tmp_path: Path, start_at: datetime, days: float
) -> None:
    recorded = tmp_path / "events.jsonl"
    forecast_topic = "har/home/h1/forecast"
    with (
        listening(mosquitto.port, "har/+/+/event", forecast_topic) as listener,
        HarForecast(mosquitto.url, tmp_path / "forecast") as forecaster,
    ):
        forecaster.wait_for_log("connected")
        stream = start_har_stream(
            *("--camera", f"sim:{SEED}?days={days}&every={EVERY_S:g}", "--bundle", "sim-home"),
            *("--start-at", start_at.isoformat(), "--node", "n1", "--home", "h1"),
            *("--broker", mosquitto.url, "--state-dir", tmp_path / "stream"),
            *("--record-events", recorded),
        )
        listener.wait_for(lambda _: len(listener.on("har/n1/sim_4242/event")) >= 5, timeout_s=120)
        forecaster.kill()
        forecaster.start()
        _, said = stream.communicate(timeout=240)
        assert stream.returncode == 0, said
        announced = read_events(recorded)
        last = announced[-1].ended_at or announced[-1].started_at
        listener.wait_for(
            lambda _: Forecast.decode(listener.on(forecast_topic)[-1]).at >= last, timeout_s=60
        )
        kept = forecaster.kept()
        newest = json.loads(listener.on(forecast_topic)[-1])

    assert [event.id for event in kept] == [event.id for event in announced]
    assert [event.seq for event in kept] == list(range(1, len(kept) + 1))
    event_schema = json.loads((SCHEMA / "event.json").read_text())
    for payload in listener.on("har/n1/sim_4242/event"):
        jsonschema.validate(json.loads(payload), event_schema)
    jsonschema.validate(newest, json.loads((SCHEMA / "forecast.json").read_text()))

    stays = truth(SEED, start_at=start_at, days=days)
    if kept[-1].ended_at and stays[-1].ended_at - kept[-1].ended_at <= timedelta(seconds=EVERY_S):
        kept.pop()  # the source ended, and with it whatever was going on
    states = _states(kept)
    told = [ReportedChange(activity, at, at) for at, activity in states]
    stages = [event.fall_stage for event in announced if event.fall_stage]
    n_falls = sum(stay.activity == FALLEN for stay in stays)
    assert n_falls
    assert stages == ["fallen", "long_lie", "got_up"] * n_falls, "each lies for minutes"
    score = score_changes(stays, told, every_s=EVERY_S)
    assert (score.n_missed, score.n_false) == (0, 0)
    assert score.n_true > 10
    first = (start_at, stays[0].activity if stays[0].activity == IDLE else "unknown")
    right = share_of_time(stays, [first, *states], until=stays[-1].ended_at)
    print(f"{days} days: all of {score.n_true} changes told, {right:.1%} of the time right")
    assert right >= 0.9
