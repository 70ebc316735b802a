"""The proactive loop closed: camera, broker, forecaster and rule, before bedtime."""

import csv
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from support.broker.real_broker import Mosquitto, listening
from support.processes.forecast_process import HarForecast, har_forecast
from support.processes.stream_process import start_har_stream

from har_stream.core.activity import IDLE
from har_stream.mqtt.messages import RuleState
from har_stream.simulation.truth import truth

SEED = 4242
PAST_DAYS = 14
EVENING = datetime(2026, 3, 16, 19, tzinfo=timezone(timedelta(hours=1)))
HEATING = "home/bedroom/heating/set"
RULE = f"""
forecast:
  refresh_s: 1.0
  rules:
    - name: heating
      activity: sleeping
      within: 180min
      probability: 0.5
      topic: {HEATING}
"""


def _write_past(path: Path) -> None:
    """Write what the resident did so far, as a log of this home."""
    first_midnight = EVENING.replace(hour=0) - timedelta(days=PAST_DAYS)
    lived = truth(SEED, start_at=first_midnight, days=PAST_DAYS + EVENING.hour / 24)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("start", "end", "activity", "room"))
        for stay in lived:
            if stay.activity != IDLE:
                rows.writerow((stay.started_at, stay.ended_at, stay.activity, stay.room))


def test_the_bedroom_is_heated_before_the_resident_goes_to_bed(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    _write_past(tmp_path / "past.csv")
    state_dir, config = tmp_path / "forecast", tmp_path / "har-forecast.yaml"
    config.write_text(RULE)
    imported = har_forecast("--state-dir", state_dir, "--import", tmp_path / "past.csv")
    assert imported.returncode == 0, imported.stderr
    rule_topic, event_topic = "har/home/h1/rule/heating", "har/n1/sim_4242/event"
    with (
        listening(mosquitto.port, HEATING, rule_topic, event_topic) as listener,
        HarForecast(mosquitto.url, state_dir, "--config", config) as forecaster,
    ):
        forecaster.wait_for_log("connected")
        assert listener.on(HEATING) == []  # nothing is known of this evening yet
        stream = start_har_stream(
            *("--camera", f"sim:{SEED}?days=0.16&every=120&past={PAST_DAYS}"),
            *("--bundle", "sim-home"),
            *("--start-at", EVENING.isoformat(), "--node", "n1", "--home", "h1"),
            *("--broker", mosquitto.url, "--state-dir", tmp_path / "stream"),
        )
        _, said = stream.communicate(timeout=240)
        assert stream.returncode == 0, said
        listener.wait_for(lambda _: b"ON" in listener.on(HEATING), timeout_s=60)
        listener.wait_for(lambda _: listener.on(rule_topic), timeout_s=60)
        state = RuleState.decode(listener.on(rule_topic)[0])
        events = [json.loads(payload) for payload in listener.on(event_topic)]

    to_bed = [
        datetime.fromisoformat(event["started_at"])
        for event in events
        if event["activity"] == "sleeping" and event["event_type"] != "activity_ended"
    ]
    assert to_bed
    assert EVENING <= state.changed_at < to_bed[0]
    assert state.state == "on"
    assert state.cause is not None
    assert state.cause.enough_data
    assert state.cause.within["180min"]["sleeping"] >= 0.5
    assert "rule heating: on: sleeping within 180min" in forecaster.log
