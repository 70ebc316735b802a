"""The service says what is unusual, once, and takes it back; the switch pauses all learning."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from support.broker.forecast_bench import Bench
from support.event_builder import EIGHT, event, living

from har_stream.core.log_once import LogOnce
from har_stream.mqtt.messages import ActivityEvent, Unusual
from har_stream.mqtt.requests import AcknowledgeRequest
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.journal.records import JournalEntry
from predictor.models import store
from predictor.service.home_forecast import LEARNING, HomeForecast

UNUSUAL = "har/home/h1/unusual"
DAY = (("bathroom", -10), ("breakfast", 0), ("lunch", 270), ("dinner", 620), ("sleeping", 880))
"""What is done, in minutes after eight o'clock."""
N_DAYS = 30


def _days(n_days: int) -> Iterator[ActivityEvent]:
    seq = 0
    for day in range(n_days):
        for number, (activity, minute) in enumerate(DAY):
            seq += 1
            at = 1440 * day + minute + (37 * day + 11 * number) % 13
            yield event(activity=activity, minute=at, seq=seq, event_type="activity_changed")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        journal.record_together([JournalEntry(one, one.started_at) for one in _days(N_DAYS)])
        yield Bench(journal, state_dir=tmp_path)


def _said(bench: Bench) -> list[Any]:
    return [Unusual.model_validate(said) for said in bench.said.on(UNUSUAL)]


def _tell(bench: Bench, activity: str, minute: float, seq: int, *, is_end: bool = False) -> None:
    at = bench.wall = EIGHT + timedelta(days=N_DAYS, minutes=minute)
    ended = {"event_type": "activity_ended", "ended_at": at} if is_end else {}
    bench.tell(event(activity=activity, seq=seq, **{"started_at": at} | ended))


def test_a_late_breakfast_is_told_once_and_taken_back(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    _tell(bench, "bathroom", -10, 151)
    _tell(bench, "bathroom", -2, 152, is_end=True)
    for minute in range(10, 115, 10):
        bench.wall = EIGHT + timedelta(days=N_DAYS, minutes=minute)
        bench.beat(bench.wall)
    (late,) = _said(bench)[-1].findings
    known = {"kind": late.kind, "activity": late.activity, "since": late.since}
    bench.worker.acknowledge(AcknowledgeRequest.model_validate(known).encode())
    assert [each.acknowledged for each in _said(bench)[-1].findings] == [True]
    _tell(bench, "breakfast", 115, 153)
    told = [[finding.kind for finding in said.findings] for said in _said(bench)]
    changes = [kinds for kinds, _ in groupby(told)]
    assert changes == [[], ["not_yet"], []]
    (late,) = next(said.findings for said in _said(bench) if said.findings)
    assert late.activity == "breakfast"
    assert re.fullmatch(r"breakfast usually by ..:0., 95 % by ..:\d\d, not yet", late.words)
    assert caplog.text.count("unusual: breakfast usually by") == 1
    newest = _said(bench)[-1]
    assert (newest.learning, newest.days, newest.per_month) == (True, N_DAYS, 1.0)
    assert newest.past_days == N_DAYS - 7


def test_where_no_camera_speaks_nobody_knows(bench: Bench) -> None:
    _tell(bench, "bathroom", -10, 151)
    bench.wall += timedelta(hours=5)
    bench.seconds += 3600.0
    bench.worker.work()
    assert not bench.forecasts()[-1]["fresh"]
    assert _said(bench)[-1].findings == []


def test_after_a_pause_of_all_cameras_nothing_of_the_pause_is_missed(bench: Bench) -> None:
    _tell(bench, "lunch", 270, 151)
    assert _said(bench)[-1].findings == []
    for minutes in (350, 360, 370):
        bench.wall = EIGHT + timedelta(days=N_DAYS, minutes=minutes)
        bench.beat(bench.wall)
    assert "breakfast" not in {finding.activity for finding in _said(bench)[-1].findings}


def test_a_restart_repeats_nothing_before_cameras_are_heard(bench: Bench) -> None:
    assert bench.worker.work() > 0
    assert _said(bench) == []


def test_while_learning_is_switched_off_nothing_is_learnt(bench: Bench) -> None:
    _tell(bench, "bathroom", -10, 151)
    bench.worker.take_context(LEARNING, "OFF")
    _tell(bench, "juggling", 5, 152)
    assert not _said(bench)[-1].learning
    assert "juggling" in bench.forecasts()[-1]["within"]["60min"], "it is forecast from"
    bench.worker.take_context(LEARNING, "ON")
    _tell(bench, "lunch", 270, 153)
    assert _said(bench)[-1].learning
    assert "juggling" not in bench.forecasts()[-1]["within"]["60min"]


def test_a_pause_that_is_over_leaves_the_model_as_it_was() -> None:
    home = HomeForecast(store.create("dbn"), LogOnce(), stale_after_s=900)
    events = list(living(days=6))
    for number, one in enumerate(events):
        if number in (20, 40):
            home.set_context(LEARNING, "off" if number == 20 else "on", at=one.started_at)
        if number == 20:
            n_starts = home.forecaster.n_starts
        home.take_event(JournalEntry(one, one.started_at))
        if number == 40:
            assert home.forecaster.n_starts == n_starts + 1
            dwells = home.forecaster.dwells.n_seen.sum()
    assert dwells == n_starts - 1, "how long the pause lasted is no length"
