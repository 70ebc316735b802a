"""Events are kept before they are acknowledged, and what is missing is asked for."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.broker.ingest_desk import ACK, ANSWER, REQUEST, TOPIC, Desk, numbered_events
from support.event_builder import COOKING, event, started

from har_stream.core.activity import Change
from har_stream.mqtt.messages import ActivityEvent, EventAck, MessageError
from har_stream.mqtt.requests import BridgeResponse, Replay
from har_stream.publishing.bridge_requests import Responder
from har_stream.publishing.outbox import Outbox
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.service import ingest
from predictor.service.ingest import MAX_CAMERAS, REQUEST_EVERY_S


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        yield journal


@pytest.fixture
def desk(journal: Journal) -> Desk:
    return Desk(journal)


def test_each_event_is_kept_acknowledged_and_delivered_once(desk: Desk) -> None:
    first, second = numbered_events(1, 2)
    desk.tell(first, first, second, first)
    assert desk.acknowledged() == [1, 1, 2, 2]
    assert [entry.event for entry in desk.delivered] == [first, second]
    assert desk.journal.count() == 2
    assert desk.said.on(ACK)[0]["journal"] == desk.journal.id


def test_a_gap_is_asked_for_once_and_acknowledged_only_up_to(desk: Desk) -> None:
    one, two, three, four, five = numbered_events(1, 2, 3, 4, 5)
    desk.tell(one, four, five)
    assert desk.acknowledged() == [1, 1, 1]
    assert desk.asked() == [2]
    desk.answer(two, three, four, five, first=1, last=5)
    assert desk.acknowledged()[-1] == 5
    assert desk.asked() == [2]
    assert sorted(entry.event.seq for entry in desk.delivered) == [1, 2, 3, 4, 5]


def test_an_answer_that_got_lost_is_asked_for_again(desk: Desk) -> None:
    desk.tell(*numbered_events(1, 3))
    desk.ingest.ask_for_gaps()
    desk.ingest.ask_for_gaps()
    assert desk.asked() == [2, 2, 2]
    desk.answer(*numbered_events(2), first=1, last=3)
    desk.ingest.ask_for_gaps()
    assert desk.asked() == [2, 2, 2]


def test_on_every_connection_it_asks_for_what_follows(desk: Desk, journal: Journal) -> None:
    desk.tell(*numbered_events(1, 2))
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
    desk.work()
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


def test_what_a_node_has_lost_is_given_up_and_said(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.tell(*numbered_events(1, 150, 151))
    desk.answer(*numbered_events(149), first=149, last=151)
    assert desk.acknowledged()[-1] == 151
    assert "events 2 to 148 of n1/cam1 are lost" in caplog.text


def test_a_node_that_lost_its_state_is_read_from_its_new_beginning(desk: Desk) -> None:
    desk.tell(*numbered_events(1, 2, 3, 4, 5))
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
        ("har/n1/cam2/event", numbered_events(1)[0].encode()),
        ("har/n2/cam1/event", numbered_events(1)[0].encode()),
        (TOPIC, numbered_events(1)[0].encode().replace(b'"seq":1', b'"seq":99999999999999999999')),
        (TOPIC, numbered_events(1)[0].encode().replace(b"2026-", b"0001-")),
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
    replay = Replay(camera="cam1", first_seq=1, last_seq=1, events=numbered_events(1))
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
        desk.work()
    assert [record.message for record in caplog.records] == [
        "n1 gives no events out again: 'no such camera\\n" + 185 * "!" + "'"
    ]


def test_a_journal_that_cannot_be_written_is_said_once_and_caught_up(
    desk: Desk, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = numbered_events(1, 2, 3)
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
        desk.work()
    assert len(desk.asked()) == MAX_CAMERAS


class Home:
    """A journal and the real outbox of a node, and nothing between them that could lose anything.

    The outbox answers each request for a replay and takes each acknowledgement.
    """

    def __init__(self, folder: Path, journal: Journal) -> None:
        self.path = folder / "outbox.db"
        self.outbox = Outbox(self.path)
        self.desk = Desk(journal)
        self._n_seen = 0

    def make(self, n_events: int, *, lost: bool = False) -> list[ActivityEvent]:
        """So many changes happen; the broker loses their events, or not."""
        made = []
        for _ in range(n_events):
            event = self.outbox.append(COOKING, node="n1", camera="cam1", room=None)
            assert event is not None
            made.append(event)
            self.outbox.mark_sent(self.outbox.pending()[-1].position)
            if not lost:
                self.desk.tell(event)
                self.settle()
        return made

    def settle(self) -> None:
        """Pass on what was said until nobody says anything more."""
        self.desk.work()
        while self._n_seen < len(self.desk.said.messages):
            message = self.desk.said.messages[self._n_seen]
            self._n_seen += 1
            if message.topic == ACK:
                self.outbox.acknowledge("cam1", EventAck.decode(message.payload).seq)
            elif message.topic == REQUEST:
                answered = Responder(self.outbox, dict).answer("replay", message.payload.encode())
                self.desk.ingest.take_replay(ANSWER, answered.encode())
            self.desk.work()

    def restore(self, copy: Path) -> None:
        """Put a copy of the outbox in its place."""
        self.outbox.close()
        for each in self.path.parent.glob(f"{self.path.name}*"):
            each.unlink()
        shutil.copy(copy, self.path)
        self.outbox = Outbox(self.path)

    def counted(self) -> tuple[int, int]:
        """How often the node was asked for events, and how often it had an acknowledgement."""
        return len(self.desk.said.on(REQUEST)), len(self.desk.said.on(ACK))

    def n_unacknowledged(self) -> int:
        """How many of its events no journal has acknowledged, as far as the node knows."""
        query = "SELECT COUNT(*) FROM events WHERE NOT acknowledged"
        (count,) = self.outbox._file.attempt(
            lambda db: db.execute(query).fetchone(), otherwise=(-1,), costs=""
        )
        return int(count)


@pytest.fixture
def home(tmp_path: Path, journal: Journal) -> Iterator[Home]:
    home = Home(tmp_path, journal)
    yield home
    home.outbox.close()


@pytest.mark.parametrize("n_events", [110, pytest.param(1500, marks=pytest.mark.slow)])
def test_a_node_restored_from_a_backup_is_acknowledged_again(
    home: Home, tmp_path: Path, n_events: int
) -> None:
    """It counts again from where it was; its old numbers are known, its new ones are taken."""
    home.make(n_events, lost=True)
    home.make(1)
    home.outbox.close()
    shutil.copy(home.path, tmp_path / "copy.db")
    home.outbox = Outbox(home.path)
    home.make(n_events, lost=True)
    home.make(1)
    home.restore(tmp_path / "copy.db")
    before = home.counted()
    anew = home.make(20)
    for _ in range(100):
        home.desk.ingest.ask_for_gaps()
        home.desk.ingest.ask_again()
        home.settle()
    asked, acknowledged = (after - was for after, was in zip(home.counted(), before, strict=True))
    print(f"\n{n_events} events again: {asked} requests, {acknowledged} acknowledgements")
    assert asked <= n_events / 100 + 3 + 100, "each further connection asks once for what follows"
    assert acknowledged <= n_events / 100 + 3 + 20 + 100
    assert home.desk.acknowledged()[-1] == anew[-1].seq == n_events + 21
    assert home.n_unacknowledged() == 0
    assert home.desk.journal.count() == 2 * n_events + 22
    assert not home.desk.journal.progress()["n1", "cam1"].has_gap


@pytest.mark.parametrize("seq", [1, 40, 99, 100])
def test_an_event_with_a_number_that_is_taken_stops_nothing(home: Home, seq: int) -> None:
    home.make(100)
    forged = started("forged", minute=5, seq=seq)
    home.desk.tell(forged, forged)
    home.settle()
    n_requests, _ = home.counted()
    assert n_requests <= 3
    last = home.make(30)[-1]
    assert home.desk.acknowledged()[-1] == last.seq
    assert home.n_unacknowledged() == 0
    assert home.counted()[0] <= n_requests + 1
    assert home.desk.journal.count() == 131


def test_a_node_is_not_made_to_give_its_events_out_without_end(
    home: Home, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "MAX_REQUESTS", 20)
    home.make(10)
    for number in range(30):
        home.desk.tell(started("forged", minute=number, seq=5))
        home.settle()
    assert home.counted()[0] == 20
    assert [record.message for record in caplog.records] == [
        "n1/cam1 was asked 20 times for events and had no new one; "
        "from now on it is asked once in 60 s"
    ]
    home.desk.seconds += 10 * REQUEST_EVERY_S
    home.desk.ingest.ask_again()
    home.settle()
    assert 20 < home.counted()[0] <= 30
    assert home.n_unacknowledged() == 0


def test_what_the_node_cannot_read_any_more_is_given_up(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """Damage set some of its events aside; it would be asked for them for ever."""
    home.make(3)
    lost = home.make(250, lost=True)
    home.outbox._file.attempt(
        lambda db: db.execute("UPDATE events SET event = 'x' WHERE seq IN (4, 5, 77, 120, 121)"),
        otherwise=None,
        costs="",
    )
    last = home.make(1)[-1]
    assert home.desk.acknowledged()[-1] == last.seq
    assert home.desk.journal.count() == 4 + len(lost) - 5
    told = [record.message for record in caplog.records if "are lost" in record.message]
    assert [line.split(" of ")[0] for line in told] == [
        "events 4 to 5", "events 77 to 77", "events 120 to 121"
    ]  # fmt: skip


def test_events_that_wait_are_kept_in_one_commit_and_acknowledged_once(desk: Desk) -> None:
    events = numbered_events(*range(1, 301))
    others = [started("b", minute=n, seq=n, camera="cam2") for n in range(1, 101)]
    for one in [*events, *others]:
        desk.ingest.take_event(f"har/n1/{one.camera}/event", one.encode())
    assert desk.said.messages == []
    assert desk.journal.count() == 0
    desk.work()
    assert desk.acknowledged() == [300]
    assert [payload["seq"] for payload in desk.said.on("har/n1/cam2/event/ack")] == [100]
    assert [entry.event for entry in desk.delivered] == [*events, *others]
    assert desk.journal.count() == 400
