"""Both nights on which the clocks change, with real programs in Berlin's zone.

No event is lost, doubled, out of order or an hour off, in an export neither.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support.broker.real_broker import Mosquitto, listening
from support.event_builder import event
from support.processes.forecast_process import HarForecast, Node, har_forecast
from support.processes.stream_process import (
    eager_copy,
    read_events,
    start_har_stream,
    write_video,
)

from har_stream.mqtt.messages import ActivityEvent, Forecast
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal

ZONE = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)
"""When the clocks change."""
FORECAST = "har/home/h1/forecast"
VIDEO_S = 40


@pytest.fixture(autouse=True)
def in_berlin() -> Iterator[None]:
    """The zone of this program, and of every one that is started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


def _in_berlin(at: datetime) -> datetime:
    """The instant with Berlin's offset, as cameras say it.

    Not with its zone: to Python an instant in the hour that comes twice equals none elsewhere.
    """
    return datetime.fromisoformat(at.astimezone(ZONE).isoformat())


def _night(change_at: datetime) -> Iterator[ActivityEvent]:
    """Every ten minutes from two hours before the change to two hours after it."""
    for n in range(24):
        at = change_at + timedelta(minutes=10 * (n - 12))
        is_end = n % 3 == 2
        yield event(
            seq=n + 1,
            event_type="activity_ended" if is_end else "activity_started",
            activity=("sleeping", "walking", "walking")[n % 3],
            started_at=_in_berlin(at),
            ended_at=_in_berlin(at + timedelta(minutes=5)) if is_end else None,
        )


def _said(events: list[ActivityEvent]) -> list[tuple[int, str]]:
    """Each event's number and its start as it is written: with its offset."""
    return [(each.seq, each.started_at.isoformat()) for each in events]


@pytest.mark.parametrize("change_at", [SPRING, AUTUMN])
def test_journal_forecast_and_export(
    mosquitto: Mosquitto, tmp_path: Path, change_at: datetime
) -> None:
    events = list(_night(change_at))
    starts = [each.started_at for each in events]
    clocks = [at.replace(tzinfo=None) for at in starts]
    assert (clocks == sorted(clocks)) == (change_at == SPRING), "an hour comes twice in autumn"
    node = Node(mosquitto.port, events)
    with HarForecast(mosquitto.url, tmp_path / "state") as forecaster:
        node.wait_until_online()
        for one in events:
            node.send(one)
            node.wait_for(lambda _, at=one.ended_at or one.started_at: _is_forecast(node, at))
        node.wait_until_acknowledged(len(events))
        assert forecaster.stop() == 0
        assert _said(forecaster.kept()) == _said(events)
        assert "WARNING" not in forecaster.log
    forecast_at = [Forecast.decode(payload).at for payload in node.on(FORECAST)]
    of_the_night = [at for at in forecast_at if at < change_at + timedelta(days=1)]
    assert of_the_night == sorted(of_the_night)
    assert {at.utcoffset() for at in of_the_night} == {at.utcoffset() for at in starts}
    node.close()
    for suffix in (".csv", ".jsonl"):
        export, other = tmp_path / f"journal{suffix}", tmp_path / f"other{suffix}"
        exported = har_forecast("--state-dir", tmp_path / "state", "--export", export)
        assert exported.returncode == 0, exported.stderr
        imported = har_forecast("--state-dir", other, "--import", export)
        assert f"{len(events)} new events" in imported.stdout
        with Journal(sqlite_url(other / "journal.db")) as journal:
            assert _said([entry.event for entry in journal.entries()]) == _said(events)


def _is_forecast(node: Node, at: datetime) -> bool:
    said = node.on(FORECAST)
    return bool(said) and Forecast.decode(said[-1]).at == at


@pytest.mark.parametrize("change_at", [SPRING, AUTUMN])
def test_a_camera_sees_through_the_change(
    mosquitto: Mosquitto, tmp_path: Path, change_at: datetime
) -> None:
    start_at = _in_berlin(change_at - timedelta(seconds=VIDEO_S / 2))
    video = write_video(tmp_path / "cam1.mp4", 25 * VIDEO_S)
    state = ("--state-dir", tmp_path / "stream")
    with (
        HarForecast(mosquitto.url, tmp_path / "forecast") as forecaster,
        listening(mosquitto.port, "har/n1/cam1/event/ack", "har/n1/cam1/activity") as listener,
    ):
        forecaster.wait_for_log("connected")
        stream = start_har_stream(
            *("--camera", video, "--bundle", eager_copy(tmp_path / "bundle"), "--node", "n1"),
            *("--start-at", start_at.isoformat(), "--broker", mosquitto.url, *state),
            *("--record-events", tmp_path / "events.jsonl"),
        )
        _, log = stream.communicate(timeout=120)
        assert stream.returncode == 0, log
        seen = read_events(tmp_path / "events.jsonl")
        assert seen
        newest = b'"seq":%d}' % seen[-1].seq
        listener.wait_for(
            lambda _: any(ack.endswith(newest) for ack in listener.on("har/n1/cam1/event/ack"))
        )
        assert forecaster.kept() == seen
    happened_at = [each.ended_at or each.started_at for each in seen]
    assert happened_at == sorted(happened_at)
    for at in (*happened_at, *(each.started_at for each in seen)):
        assert start_at <= at <= start_at + timedelta(seconds=VIDEO_S + 1)
