"""The ingest of events on a journal, with a recording publisher in the broker's place."""

from collections.abc import Mapping
from datetime import UTC, datetime

from support.broker.recording_publisher import RecordingPublisher
from support.event_builder import started

from har_stream.mqtt.messages import ActivityEvent
from har_stream.mqtt.requests import BridgeResponse, Replay
from har_stream.mqtt.signing import SignatureCheck
from har_stream.mqtt.topics import Topics
from predictor.journal.journal import Journal
from predictor.journal.records import JournalEntry
from predictor.service.ingest import EventIngest

TOPIC, ANSWER = "har/n1/cam1/event", "har/n1/bridge/response/replay"
ACK, REQUEST = "har/n1/cam1/event/ack", "har/n1/bridge/request/replay"


class Desk:
    """The ingest of events on a journal of its own, and everything that came out of it."""

    def __init__(self, journal: Journal, keys: Mapping[str, bytes] | None = None) -> None:
        self.journal = journal
        self.seconds = 0.0
        self.wall = datetime(2026, 3, 1, tzinfo=UTC)
        self.said = RecordingPublisher()
        self.signatures = SignatureCheck(keys or {})
        self.delivered: list[JournalEntry] = []
        self.ingest = EventIngest(
            journal,
            self.said,
            topics=Topics(),
            signatures=self.signatures,
            home="h1",
            deliver=self.delivered.append,
            wall=lambda: self.wall,
            monotonic=lambda: self.seconds,
        )

    def tell(self, *events: ActivityEvent) -> None:
        """Events arrive from the broker."""
        for one in events:
            self.ingest.take_event(f"har/{one.node}/{one.camera}/event", one.encode())
            self.work()

    def work(self) -> None:
        """Do all that waits."""
        self.ingest.work(0.0)

    def answer(
        self, *events: ActivityEvent, first: int, last: int, asked: int | None = None
    ) -> None:
        """The node answers a request for a replay."""
        replay = Replay(camera="cam1", first_seq=first, last_seq=last, events=list(events))
        data = replay.model_dump(mode="json")
        self.ingest.take_replay(
            ANSWER, BridgeResponse(status="ok", data=data, transaction=asked).encode()
        )
        self.work()

    def acknowledged(self) -> list[int]:
        """The numbers that were acknowledged, in order."""
        self.work()
        return [payload["seq"] for payload in self.said.on(ACK)]

    def asked(self) -> list[int]:
        """The numbers from which replays were asked for, in order."""
        self.work()
        return [payload["from_seq"] for payload in self.said.on(REQUEST)]


def numbered_events(*numbers: int) -> list[ActivityEvent]:
    """Events of one camera with these numbers."""
    return [started(f"a{seq}", minute=seq, seq=seq) for seq in numbers]
