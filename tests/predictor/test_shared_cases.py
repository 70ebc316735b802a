"""Cases of forecasts and homes that failed once, replayed through the real commands.

Each prints what came of it: `pytest -s -m slow tests/predictor/test_shared_cases.py`.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from support.broker.real_broker import Listener, Mosquitto
from support.event_builder import event
from support.processes.forecast_process import HarForecast, har_forecast
from support.processes.stream_process import COMMAND, eager_copy, har_stream, read_events
from support.repository import ENVIRONMENT
from support.video.video_source import MjpegServer

from har_stream.core.frame import Image
from har_stream.mqtt.messages import ActivityEvent, Forecast

pytestmark = pytest.mark.slow
FORECAST = "har/home/h1/forecast"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.fixture
def cases(shared: Path) -> Path:
    """The folder of cases."""
    if not (shared / "cases").is_dir():
        pytest.skip(f"no cases at {shared}/cases")
    return shared / "cases"


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Listener]:
    """Hears all of the broker."""
    listener = Listener(mosquitto.port, "har/#")
    yield listener
    listener.close()


def _train(*words: str | Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from predictor.commands.train_hmm import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)


def _forecast_after(
    listener: Listener, process: HarForecast, activity: str, at: datetime
) -> Forecast:
    """Say that an activity started, and return what is forecast from it."""
    process.wait_for_log("connected", timeout_s=60)
    told = event(node="n9", camera="cam9", activity=activity, started_at=at, confidence=1.0)
    listener.publish("har/n9/cam9/event", told.encode())
    listener.wait_for(lambda _: listener.on("har/n9/cam9/event/ack"))

    def newest() -> Forecast:
        return Forecast.decode(listener.on(FORECAST)[-1])

    listener.wait_for(lambda _: listener.on(FORECAST) and newest().activity.label == activity)
    return newest()


@pytest.mark.parametrize("name", ["log.csv", "last_end_2062.csv"])
def test_future_row(
    cases: Path, mosquitto: Mosquitto, listener: Listener, tmp_path: Path, name: str
) -> None:
    log, model = cases / "future_row" / name, tmp_path / "model"
    fitted = _train(log, "--out", model)
    assert fitted.returncode == 0, fitted.stderr
    assert "after now (20" in fitted.stderr
    imported = har_forecast("--state-dir", tmp_path / "import", "--import", log)
    assert "after now (20" in imported.stderr
    with HarForecast(
        mosquitto.url, tmp_path / "state", "--model-path", model, "--model", "dbn"
    ) as process:
        forecast = _forecast_after(listener, process, "lunch", datetime.now().astimezone())
        assert forecast.fresh
        assert "goes on from there" not in process.log
    print(f"\nfuture_row/{name}: {fitted.stderr.splitlines()[0]}; a live event is forecast from")


def test_utc_node(
    cases: Path,
    make_mosquitto: Callable[..., Mosquitto],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    at = datetime.now(UTC)
    told = []
    for ahead in (timedelta(hours=-8), timedelta(0)):
        broker, state = make_mosquitto(), tmp_path / f"state{len(told)}"
        listener = Listener(broker.port, "har/#")
        kept = har_forecast("--state-dir", state, "--import", cases / "utc_node" / "kv.csv")
        assert kept.returncode == 0, kept.stderr
        with HarForecast(broker.url, state, "--model", "dbn") as process:
            here = at.astimezone(timezone(ahead))
            told.append(_forecast_after(listener, process, "kitchen_visit", here))
        listener.close()
    first, second = (dict(forecast.next) for forecast in told)
    assert first.keys() == second.keys()
    assert all(abs(first[label] - second[label]) < 0.02 for label in first)
    print(f"\nutc_node: {told[0].next[0]} from -08:00, {told[1].next[0]} from +00:00")


def test_two_homes(mosquitto: Mosquitto, listener: Listener, cases: Path, tmp_path: Path) -> None:
    (clip, *_) = sorted((cases.parent / "data" / "ucf" / "TaiChi").glob("*.mp4"))
    with HarForecast(mosquitto.url, tmp_path / "flat2", "--home", "flat2") as process:
        process.wait_for_log("connected")
        streamed = har_stream(
            *("--home", "flat1", "--node", "flat1node", "--camera", clip, "--realtime"),
            *("--bundle", eager_copy(tmp_path / "bundle"), "--state-dir", tmp_path / "stream"),
            *("--broker", mosquitto.url, "--record-events", tmp_path / "events.jsonl"),
        )
        assert streamed.returncode == 0, streamed.stderr
        assert read_events(tmp_path / "events.jsonl")
        process.wait_for_log("is of home 'flat1', not of flat2")
        assert process.kept() == []
        assert not [one for one in listener.messages if one.topic.endswith("/event/ack")]
    print("\ntwo_homes: flat2 keeps and acknowledges nothing of flat1")


def test_two_forecasters(mosquitto: Mosquitto, cases: Path, tmp_path: Path) -> None:
    del cases
    with HarForecast(mosquitto.url, tmp_path / "a") as first:
        first.wait_for_log("connected")
        words = ("--home", "h1", "--broker", mosquitto.url, "--state-dir", tmp_path / "b")
        second = har_forecast(*words)
        assert second.returncode == 2
        assert "has a har-forecast at work" in second.stderr
        assert "is lost" not in first.log
    print(f"\ntwo_forecasters: {second.stderr.strip()}")


@pytest.mark.parametrize("offsets", [("-56y", "+0"), ("-1d", "+0"), ("+1d", "+0")])
def test_clock_of_1970(
    cases: Path, mosquitto: Mosquitto, listener: Listener, tmp_path: Path, offsets: tuple[str, str]
) -> None:
    del cases
    if not FAKETIME.exists():
        pytest.skip("no libfaketime here: apt-get install faketime")
    clock = tmp_path / "clock"
    clock.write_text(offsets[0])
    faked = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    with MjpegServer(_moving_bar) as camera:
        words = (
            *("--camera", camera.url, "--node", "n1", "--state-dir", tmp_path / "state"),
            *("--bundle", eager_copy(tmp_path / "bundle"), "--broker", mosquitto.url),
            *("--record-events", tmp_path / "events.jsonl"),
        )
        stream = subprocess.Popen(
            [*COMMAND, *map(str, words)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **ENVIRONMENT, **faked},
        )
        try:
            listener.wait_for(lambda _: listener.on("har/n1/video/event"), timeout_s=60)
            clock.write_text(offsets[1])
            set_at = datetime.now(UTC)

            def has_begun_anew() -> bool:
                said = map(ActivityEvent.decode, listener.on("har/n1/video/event"))
                return any(abs(one.started_at - set_at) < timedelta(minutes=2) for one in said)

            listener.wait_for(lambda _: has_begun_anew(), timeout_s=60)
        finally:
            stream.terminate()
            stream.communicate(timeout=60)
    events = read_events(tmp_path / "events.jsonl")
    for one in events:
        if one.ended_at:
            assert one.ended_at - one.started_at < timedelta(minutes=5), one
    print(f"\nclock_of_1970, {offsets[0]}, then right:", *map(_told, events), sep="\n    ")


def _moving_bar(n: int) -> Image:
    image = np.full((120, 160, 3), 90, np.uint8)
    left = 4 * n % 160
    image[:, left : left + 20] = (40, 160, 220)
    return image


def _told(one: ActivityEvent) -> str:
    return f"{one.event_type} {one.activity} {one.started_at} {one.ended_at or ''}"
