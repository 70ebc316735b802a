"""Events are kept before they are acknowledged, and what is missing is asked for."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.broker.recording_publisher import RecordingPublisher
from support.event_builder import event, started

from har_stream.core.activity import Change
from har_stream.mqtt.messages import ActivityEvent, BridgeResponse, MessageError, Replay
from har_stream.mqtt.signing import SignatureCheck, sign
from har_stream.mqtt.topics import Topics
from har_stream.publishing.outbox import Outbox
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.journal.records import JournalEntry
from predictor.service.ingest import MAX_CAMERAS, MAX_JUMP, EventIngest

TOPIC, ANSWER = "har/n1/cam1/event", "har/n1/bridge/response/replay"
ACK, REQUEST = "har/n1/cam1/event/ack", "har/n1/bridge/request/replay"


class Desk:
    """The ingest of events on a journal of its own, and everything that came out of it."""

    def __init__(self, journal: Journal, keys: Mapping[str, bytes] | None = None) -> None:
        self.journal = journal
        self.said = RecordingPublisher()
        self.signatures = SignatureCheck(keys or {})
        self.delivered: list[JournalEntry] = []
        self.ingest = EventIngest(
            journal,
            self.said,
            topics=Topics(),
            signatures=self.signatures,
            deliver=self.delivered.append,
            wall=lambda: datetime(2026, 3, 1, tzinfo=UTC),
        )

    def tell(self, *events: ActivityEvent) -> None:
        """Events arrive from the broker."""
        for one in events:
            self.ingest.take_event(f"har/{one.node}/{one.camera}/event", one.encode())

    def answer(self, *events: ActivityEvent, first: int, last: int) -> None:
        """The node answers a request for a replay."""
        replay = Replay(camera="cam1", first_seq=first, last_seq=last, events=list(events))
        data = replay.model_dump(mode="json")
        self.ingest.take_replay(ANSWER, BridgeResponse(status="ok", data=data).encode())

    def acknowledged(self) -> list[int]:
        """The numbers that were acknowledged, in order."""
        return [payload["seq"] for payload in self.said.on(ACK)]

    def asked(self) -> list[int]:
        """The numbers from which replays were asked for, in order."""
        return [payload["from_seq"] for payload in self.said.on(REQUEST)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        yield journal


@pytest.fixture
def desk(journal: Journal) -> Desk:
    return Desk(journal)


def _events(*numbers: int) -> list[ActivityEvent]:
    return [started(f"a{seq}", minute=seq, seq=seq) for seq in numbers]


KEYS = {"n1": b"k" * 32, "n2": b"l" * 32}


def _signed(one: ActivityEvent, *, by: str = "n1") -> ActivityEvent:
    return sign(one, KEYS[by], node=one.node, camera=one.camera)


def test_where_nodes_have_keys_only_their_own_events_enter(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(journal, KEYS)
    true, unsigned, altered, by_another, again = _events(1, 2, 2, 2, 2)
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
    one, two, three = _events(1, 2, 3)
    desk.tell(_signed(one), _signed(three))
    assert desk.asked() == [2]
    desk.answer(two, _signed(three), first=1, last=3)
    assert journal.count() == 2
    assert desk.acknowledged()[-1] == 1
    desk.answer(_signed(two), _signed(three), first=1, last=3)
    assert desk.acknowledged()[-1] == 3
    assert journal.count() == 3


def test_each_event_is_kept_acknowledged_and_delivered_once(desk: Desk) -> None:
    first, second = _events(1, 2)
    desk.tell(first, first, second, first)
    assert desk.acknowledged() == [1, 1, 2, 2]
    assert [entry.event for entry in desk.delivered] == [first, second]
    assert desk.journal.count() == 2
    assert desk.said.on(ACK)[0]["journal"] == desk.journal.id


def test_a_gap_is_asked_for_once_and_acknowledged_only_up_to(desk: Desk) -> None:
    one, two, three, four, five = _events(1, 2, 3, 4, 5)
    desk.tell(one, four, five)
    assert desk.acknowledged() == [1, 1, 1]
    assert desk.asked() == [2]
    desk.answer(two, three, four, five, first=1, last=5)
    assert desk.acknowledged()[-1] == 5
    assert desk.asked() == [2]
    assert sorted(entry.event.seq for entry in desk.delivered) == [1, 2, 3, 4, 5]


def test_an_answer_that_got_lost_is_asked_for_again(desk: Desk) -> None:
    desk.tell(*_events(1, 3))
    desk.ingest.ask_for_gaps()
    desk.ingest.ask_for_gaps()
    assert desk.asked() == [2, 2, 2]
    desk.answer(*_events(2), first=1, last=3)
    desk.ingest.ask_for_gaps()
    assert desk.asked() == [2, 2, 2]


def test_on_every_connection_it_asks_for_what_follows(desk: Desk, journal: Journal) -> None:
    desk.tell(*_events(1, 2))
    again = Desk(journal)  # after a restart
    again.ingest.ask_again()
    assert again.asked() == [3]
    again.ingest.ask_node("n2")
    assert again.asked() == [3]
    again.ingest.ask_node("n1")
    assert again.asked() == [3, 3]


def test_a_camera_never_heard_of_is_asked_for_all_that_it_has(desk: Desk) -> None:
    desk.ingest.meet(("n1", "cam1"))
    desk.ingest.meet(("n1", "cam1"))
    assert desk.asked() == [1]


def test_a_node_that_comes_is_asked_what_it_has_and_then_for_all_of_it(desk: Desk) -> None:
    """Of a camera that left the configuration while nobody listened, nothing else tells."""
    desk.ingest.ask_node("n1")
    assert desk.said.on("har/n1/bridge/request/info")
    answer = BridgeResponse(status="ok", data={"last_seq": {"cam1": 7}})
    desk.ingest.take_info("har/n1/bridge/response/info", answer.encode())
    assert desk.asked() == [1]
    desk.ingest.take_info("har/n1/bridge/response/info", answer.encode())
    assert desk.asked() == [1], "once"


@pytest.mark.parametrize("last_seq", [["cam1"], {"no camera": 7}])
def test_what_is_no_info_is_refused(desk: Desk, last_seq: object) -> None:
    answer = BridgeResponse(status="ok", data={"last_seq": last_seq})
    with pytest.raises(MessageError):
        desk.ingest.take_info("har/n1/bridge/response/info", answer.encode())
    assert desk.asked() == []


def test_a_request_without_a_connection_is_made_later(desk: Desk) -> None:
    desk.said.is_connected = False
    desk.ingest.meet(("n1", "cam1"))
    assert desk.asked() == []
    desk.said.is_connected = True
    desk.ingest.ask_again()
    assert desk.asked() == [1]


@pytest.mark.parametrize("first", [2**40, 2**53 - 1])
def test_a_forged_first_number_moves_nothing(desk: Desk, journal: Journal, first: int) -> None:
    desk.tell(*_events(1, 2))
    desk.answer(first=first, last=first)
    assert journal.progress()["n1", "cam1"].contiguous_seq == 2
    desk.tell(*_events(3))
    assert desk.acknowledged()[-1] == 3


@pytest.mark.parametrize("first", [2**53, 2**62, 2**63, 2**70])
def test_an_answer_with_numbers_out_of_range_is_refused(desk: Desk, first: int) -> None:
    replay = {"camera": "cam1", "first_seq": first, "last_seq": first, "events": []}
    answer = BridgeResponse(status="ok", data=replay)
    with pytest.raises(MessageError, match="Replay"):
        desk.ingest.take_replay(ANSWER, answer.encode())


def test_a_number_too_far_ahead_is_refused(desk: Desk, journal: Journal) -> None:
    desk.tell(*_events(1))
    with pytest.raises(MessageError, match=r"seq: \d+ is too far ahead"):
        desk.tell(event(seq=MAX_JUMP + 2))
    assert not journal.progress()["n1", "cam1"].has_gap
    desk.tell(event(seq=MAX_JUMP + 1))
    assert journal.progress()["n1", "cam1"].has_gap


def test_what_a_node_has_lost_is_given_up_and_said(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.tell(*_events(1, 150, 151))
    desk.answer(*_events(149), first=149, last=151)
    assert desk.acknowledged()[-1] == 151
    assert "events 2 to 148 of n1/cam1 are lost" in caplog.text


def test_a_node_that_lost_its_state_is_read_from_its_new_beginning(desk: Desk) -> None:
    desk.tell(*_events(1, 2, 3, 4, 5))
    desk.ingest.ask_again()
    anew = [event(activity="new", seq=seq, minute=100 + seq) for seq in (1, 2)]
    desk.answer(first=1, last=2)
    assert desk.asked() == [6, 1]
    desk.answer(*anew, first=1, last=2)
    assert desk.acknowledged()[-1] == 2
    assert desk.journal.count() == 7


@settings(max_examples=12, deadline=None)
@given(fate=st.lists(st.sampled_from(["arrives", "lost", "twice"]), min_size=1, max_size=130))
def test_with_the_real_outbox_nothing_is_ever_missing(
    tmp_path_factory: pytest.TempPathFactory, fate: list[str]
) -> None:
    """Whatever the broker loses or doubles: the outbox's answers fill the journal, in order."""
    folder = tmp_path_factory.mktemp("delivery")
    outbox = Outbox(folder / "outbox.db")
    with Journal(sqlite_url(folder / "journal.db")) as journal:
        desk = Desk(journal)
        made = []
        for number, happens in enumerate(fate):
            start = started("a", minute=number, seq=1).started_at
            change = Change("cam1", "activity_started", "a", None, {}, 0.9, start, None)
            made.append(outbox.append(change, node="n1", camera="cam1", room=None))
            desk.tell(*[made[-1]] * {"arrives": 1, "lost": 0, "twice": 2}[happens])
        desk.ingest.meet(("n1", "cam1"))
        desk.ingest.ask_again()
        answered = 0
        while answered < len(desk.asked()):
            replay = outbox.replay("cam1", desk.asked()[answered])
            desk.answer(*replay.events, first=replay.first_seq, last=replay.last_seq)
            answered += 1
        assert [entry.event for entry in journal.entries()] == made
        assert desk.acknowledged()[-1] == len(made)
    outbox.close()


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPIC, b"\xff\xfe"),
        (TOPIC, b"{}"),
        ("har/n1/cam2/event", _events(1)[0].encode()),
        ("har/n2/cam1/event", _events(1)[0].encode()),
        (TOPIC, _events(1)[0].encode().replace(b'"seq":1', b'"seq":99999999999999999999')),
        (TOPIC, _events(1)[0].encode().replace(b"2026-", b"0001-")),
    ],
)
def test_what_is_no_event_of_its_topic_is_refused(desk: Desk, topic: str, payload: bytes) -> None:
    with pytest.raises(MessageError):
        desk.ingest.take_event(topic, payload)
    assert desk.journal.count() == 0
    assert desk.said.messages == []


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("events"),
        lambda data: data.update(first_seq=-4),
        lambda data: data["events"][0].update(node="n2"),
        lambda data: data["events"][0].update(camera="cam2"),
    ],
)
def test_what_is_no_replay_is_refused(
    desk: Desk, change: Callable[[dict[str, object]], object]
) -> None:
    replay = Replay(camera="cam1", first_seq=1, last_seq=1, events=_events(1))
    data = replay.model_dump(mode="json")
    change(data)
    with pytest.raises(MessageError):
        desk.ingest.take_replay(ANSWER, BridgeResponse(status="ok", data=data).encode())
    assert desk.journal.count() == 0


def test_a_node_that_refuses_is_said_once_an_unknown_one_not_at_all(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.ingest.meet(("n1", "cam1"))
    refusal = BridgeResponse(status="error", error="no such camera\n" + 300 * "!").encode()
    for node in ("n1", "n1", "invented"):
        desk.ingest.take_replay(f"har/{node}/bridge/response/replay", refusal)
    assert [record.message for record in caplog.records] == [
        "n1 gives no events out again: 'no such camera\\n" + 185 * "!" + "'"
    ]


def test_a_journal_that_cannot_be_written_is_said_once_and_caught_up(
    desk: Desk, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = _events(1, 2, 3)
    desk.tell(first)
    with journal._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE events RENAME TO hidden")
    desk.tell(second, third)
    assert desk.acknowledged() == [1]
    assert [entry.event for entry in desk.delivered] == [first]
    with journal._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE hidden RENAME TO events")
    desk.ingest.ask_for_gaps()
    assert desk.asked() == [2]
    desk.answer(second, third, first=1, last=3)
    assert desk.acknowledged()[-1] == 3
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_invented_cameras_do_not_fill_the_memory(desk: Desk) -> None:
    for number in range(MAX_CAMERAS + 50):
        desk.ingest.meet(("n1", f"cam{number}"))
    assert len(desk.asked()) == MAX_CAMERAS
