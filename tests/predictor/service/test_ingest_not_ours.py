"""What is forged, or of another home, enters nothing; numbers beyond reason move nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.broker.ingest_desk import ANSWER, Desk, numbered_events
from support.broker.real_broker import Mosquitto
from support.event_builder import EIGHT, event, started
from support.processes.forecast_process import HarForecast, Node, har_forecast

from har_stream.mqtt.messages import ActivityEvent, MessageError
from har_stream.mqtt.requests import BridgeResponse
from har_stream.mqtt.signing import sign
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.service.ingest import MAX_JUMP


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        yield journal


@pytest.fixture
def desk(journal: Journal) -> Desk:
    return Desk(journal)


KEYS = {"n1": b"k" * 32, "n2": b"l" * 32}


def _signed(one: ActivityEvent, *, by: str = "n1") -> ActivityEvent:
    return sign(one, KEYS[by], node=one.node, camera=one.camera)


def test_where_nodes_have_keys_only_their_own_events_enter(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(journal, KEYS)
    true, unsigned, altered, by_another, again = numbered_events(1, 2, 2, 2, 2)
    desk.tell(_signed(true), unsigned, unsigned)
    desk.tell(_signed(altered).model_copy(update={"activity": "sleeping"}))
    desk.tell(_signed(by_another, by="n2"))
    stranger = event(node="n3")
    desk.tell(sign(stranger, KEYS["n1"], node="n3", camera="cam1"))
    assert [entry.event.id for entry in desk.delivered] == [true.id]
    assert desk.acknowledged() == [1]
    assert desk.signatures.n_refused == 5
    assert len(caplog.records) == 3  # unsigned, wrong, stranger
    desk.tell(_signed(again))
    assert desk.acknowledged() == [1, 2]


def test_a_replay_of_signed_events_enters_and_a_forged_one_does_not(journal: Journal) -> None:
    desk = Desk(journal, KEYS)
    one, two, three = numbered_events(1, 2, 3)
    desk.tell(_signed(one), _signed(three))
    assert desk.asked() == [2]
    desk.answer(two, _signed(three), first=1, last=3)
    assert journal.count() == 2
    assert desk.acknowledged()[-1] == 1
    desk.answer(_signed(two), _signed(three), first=1, last=3)
    assert desk.acknowledged()[-1] == 3
    assert journal.count() == 3


@pytest.mark.parametrize("first", [2**40, 2**53 - 1])
def test_a_forged_first_number_moves_nothing(desk: Desk, journal: Journal, first: int) -> None:
    desk.tell(*numbered_events(1, 2))
    desk.answer(first=first, last=first)
    assert journal.progress()["n1", "cam1"].contiguous_seq == 2
    desk.tell(*numbered_events(3))
    assert desk.acknowledged()[-1] == 3


@pytest.mark.parametrize("first", [2**53, 2**62, 2**63, 2**70])
def test_an_answer_with_numbers_out_of_range_is_refused(desk: Desk, first: int) -> None:
    replay = {"camera": "cam1", "first_seq": first, "last_seq": first, "events": []}
    answer = BridgeResponse(status="ok", data=replay)
    with pytest.raises(MessageError, match="Replay"):
        desk.ingest.take_replay(ANSWER, answer.encode())


def test_a_number_too_far_ahead_is_refused(desk: Desk, journal: Journal) -> None:
    desk.tell(*numbered_events(1))
    with pytest.raises(MessageError, match=r"seq: \d+ is too far ahead"):
        desk.tell(event(seq=MAX_JUMP + 2))
    assert not journal.progress()["n1", "cam1"].has_gap
    desk.tell(event(seq=MAX_JUMP + 1))
    assert journal.progress()["n1", "cam1"].has_gap


def test_a_lots_epoch_of_next_week_is_refused_and_shuts_nobody_out(
    desk: Desk, journal: Journal
) -> None:
    one, two = numbered_events(1, 2)
    now_s = int(desk.wall.timestamp())
    with pytest.raises(MessageError, match=r"lot_epoch: \d+ lies in the future"):
        desk.tell(one.model_copy(update={"lot_epoch": now_s + 7 * 86_400}))
    desk.tell(two.model_copy(update={"lot_epoch": now_s}))
    assert journal.count() == 1


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


def test_nobody_speaks_for_our_own_sensors(journal: Journal) -> None:
    journal.record(started("sleeping", minute=0, seq=1, node="sensors"), received_at=EIGHT)
    desk = Desk(journal)
    with pytest.raises(MessageError, match="nobody may be called 'sensors'"):
        desk.tell(started("cooking", minute=1, seq=2, node="sensors"))
    desk.ingest.ask_again()
    desk.work()
    assert not desk.said.messages, "they are asked for nothing"
    assert not desk.delivered
