"""Each home keeps its own: events that name another one are left to that one, unanswered."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.broker.ingest_desk import Desk, numbered_events
from support.broker.real_broker import Mosquitto
from support.event_builder import started
from support.processes.forecast_process import HarForecast, Node, har_forecast

from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        yield Desk(journal)


def _of(home: str | None, *numbers: int) -> list[ActivityEvent]:
    return [event.model_copy(update={"home": home}) for event in numbered_events(*numbers)]


def test_what_names_another_home_is_neither_kept_nor_acknowledged(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.tell(*_of("flat2", 1, 2))
    desk.answer(*_of("flat2", 1, 2), first=1, last=2)
    assert desk.journal.count() == 0
    assert desk.acknowledged() == []
    assert desk.asked() == []
    assert [record.message for record in caplog.records] == [
        "n1/'cam1' is of home 'flat2', not of h1; what it and others say is left to their "
        "home's har-forecast"
    ]


def test_what_names_this_home_or_none_is_kept(desk: Desk) -> None:
    desk.tell(*_of("h1", 1), *_of(None, 2))
    assert desk.acknowledged() == [1, 2]


def test_a_camera_that_moved_here_is_not_held_up_by_what_it_saw_elsewhere(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    (ours,) = _of("h1", 151)
    desk.tell(ours)
    assert desk.asked() == [1]
    desk.answer(*_of("flat2", *range(1, 101)), first=1, last=151, asked=1)
    assert desk.asked() == [1, 101]
    desk.answer(*_of("flat2", *range(101, 151)), ours, first=1, last=151, asked=101)
    assert desk.acknowledged()[-1] == 151
    assert desk.journal.count() == 1
    told = [record.message for record in caplog.records]
    assert told[1:] == [
        "events 1 to 100 of n1/cam1 are not of this home",
        "events 101 to 150 of n1/cam1 are not of this home",
    ]


@pytest.fixture
def forecaster(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Callable[..., HarForecast]]:
    with ExitStack() as running:
        yield lambda state, *arguments: running.enter_context(
            HarForecast(mosquitto.url, tmp_path / state, *arguments)
        )


def test_a_second_forecaster_of_a_home_is_refused(
    forecaster: Callable[..., HarForecast], mosquitto: Mosquitto, tmp_path: Path
) -> None:
    first = forecaster("a")
    first.wait_for_log("connected")
    node = Node(mosquitto.port, [])
    node.wait_until_online()
    second = har_forecast("--home", "h1", "--broker", mosquitto.url, "--state-dir", tmp_path / "b")
    assert second.returncode == 2
    assert "home 'h1' has a har-forecast at work on broker" in second.stderr
    node.send(started("cooking", minute=0, seq=1))
    node.wait_until_acknowledged(1)
    node.close()
    assert "is lost" not in first.log, "the first one goes on"
