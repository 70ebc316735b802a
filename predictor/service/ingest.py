"""Events from the broker into the journal: kept first, acknowledged then, missing ones asked for.

Its handlers run in the MQTT client's thread. An event is acknowledged once it is on disk, and only
as far as none before it is missing; a node gives out again what was not acknowledged.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.exc import DataError, DBAPIError

from har_stream.config.ids import is_id
from har_stream.core.log_once import LogOnce
from har_stream.mqtt.connection import Publishes
from har_stream.mqtt.messages import (
    ActivityEvent,
    BridgeRequest,
    BridgeResponse,
    EventAck,
    MessageError,
    Replay,
)
from har_stream.mqtt.signing import SignatureCheck
from har_stream.mqtt.topics import Topics
from predictor.journal.journal import Journal
from predictor.journal.records import JournalEntry, Progress
from predictor.service.home_clock import CameraKey

logger = logging.getLogger(__name__)

MAX_JUMP = 10**9
"""No camera sends so many events; a number that is further ahead is a mistake, or a lie."""
MAX_CAMERAS = 1000
"""Whoever may publish can invent cameras; so many are believed before they send an event."""


class EventIngest:
    """Keeps events and sees to it that none is missing.

    Args:
        journal: Where they are kept.
        publisher: For acknowledgements and requests.
        topics: The names of topics.
        signatures: Tells which events are to be believed.
        deliver: Called with every event that is new, once it is kept.
        wall: This machine's clock.
    """

    def __init__(
        self,
        journal: Journal,
        publisher: Publishes,
        *,
        topics: Topics,
        signatures: SignatureCheck,
        deliver: Callable[[JournalEntry], None],
        wall: Callable[[], datetime],
    ) -> None:
        self._journal = journal
        self._publisher = publisher
        self._topics = topics
        self._signatures = signatures
        self._deliver = deliver
        self._wall = wall
        self._progress: dict[CameraKey, Progress] = journal.progress()
        self._asked: dict[CameraKey, int] = {}
        self._failing = False
        self._once = LogOnce()

    def take_event(self, topic: str, payload: bytes) -> None:
        """Take in a message on ``<node>/<cam>/event``.

        Raises:
            MessageError: It is no event, or of another camera than its topic says.
        """
        event = ActivityEvent.decode(payload)
        camera = event.node, event.camera
        if self._topics.split(topic) != (*camera, "event"):
            raise MessageError(f"ActivityEvent: it says that it is of {'/'.join(camera)}")
        if self._is_genuine(event) and self._keep(event):
            self._acknowledge(camera)
            if self._progress[camera].has_gap:
                self._ask(camera)

    def take_replay(self, topic: str, payload: bytes) -> None:
        """Take in an answer to ``replay``: events that the node still holds.

        Raises:
            MessageError: It is no such answer.
        """
        node = self._topics.split(topic)[0]
        answer = BridgeResponse.decode(payload)
        if answer.status == "error":
            if any(node == known for known, _ in self._progress):
                # Quoted and cut, and of known nodes only: a stranger may have written it.
                why = f"{str(answer.error)[:200]!r}"
                self._once.warn(("replay", node), f"{node} gives no events out again: {why}")
            return
        try:
            replay = Replay.model_validate(answer.data)
        except ValidationError as error:
            raise MessageError(f"Replay: {error.errors()[0]['msg']}") from error
        camera = node, replay.camera
        if any((event.node, event.camera) != camera for event in replay.events):
            raise MessageError(f"Replay: it holds events of others than {'/'.join(camera)}")
        kept = [self._is_genuine(event) and self._keep(event) for event in replay.events]
        if all(kept) and camera in self._progress:
            self._give_up_before(camera, replay.first_seq)
            self._acknowledge(camera)
            self._ask_further(camera, replay)

    def take_info(self, topic: str, payload: bytes) -> None:
        """Take in an answer to ``info``: it names every camera of which a node has events.

        Raises:
            MessageError: It is no such answer.
        """
        answer = BridgeResponse.decode(payload)
        last_seqs = answer.data.get("last_seq", {})
        if not isinstance(last_seqs, dict) or not all(map(is_id, last_seqs)):
            raise MessageError("BridgeResponse: data.last_seq: a number for every camera expected")
        for name in last_seqs:
            self.meet((self._topics.split(topic)[0], name))

    def meet(self, camera: CameraKey) -> None:
        """Take in that a camera exists; one that is new is asked for all that it has."""
        if camera not in self._progress and len(self._progress) < MAX_CAMERAS:
            self._progress[camera] = Progress(is_new=False, contiguous_seq=0, has_gap=False)
            self._ask(camera)

    def ask_again(self) -> None:
        """Ask for all that may be missing."""
        for camera in list(self._progress):
            self._ask_anew(camera)

    def ask_node(self, node: str) -> None:
        """Ask a node that came, or came back, what it has and for what may be missing."""
        for camera in list(self._progress):
            if camera[0] == node:
                self._ask_anew(camera)
        topic = self._topics.node(node, "bridge", "request", "info")
        self._publisher.publish(topic, BridgeRequest())

    def ask_for_gaps(self) -> None:
        """Ask once more for what is known to be missing."""
        for camera, progress in list(self._progress.items()):
            if progress.has_gap:
                self._ask_anew(camera)

    def _is_genuine(self, event: ActivityEvent) -> bool:
        return self._signatures.passes(event, node=event.node, camera=event.camera)

    def _keep(self, event: ActivityEvent) -> bool:
        """Write an event to the journal; false where the database refuses to.

        Raises:
            MessageError: Its number cannot be true, or the database cannot hold what it says.
        """
        camera = event.node, event.camera
        before = self._progress.get(camera)
        if event.seq > (before.contiguous_seq if before else 0) + MAX_JUMP:
            raise MessageError(f"ActivityEvent: seq: {event.seq} is too far ahead")
        entry = JournalEntry(event, self._wall())
        try:
            recorded = self._journal.record(event, received_at=entry.received_at)
        except DataError as error:
            raise MessageError(f"ActivityEvent: {error.orig}") from error
        except DBAPIError as error:
            self._fail(camera, error)
            return False
        if self._failing:
            self._failing = False
            logger.warning("the journal can be written again")
        self._progress[camera] = recorded
        if recorded.is_new:
            self._deliver(entry)
        return True

    def _fail(self, camera: CameraKey, error: DBAPIError) -> None:
        """Say it once, and count the event as missing: its node holds it until acknowledged."""
        if not self._failing:
            self._failing = True
            logger.error(
                "the journal cannot be written (%s); events wait at their node", error.orig
            )
        before = self._progress.get(camera)
        self._progress[camera] = Progress(
            is_new=False, contiguous_seq=before.contiguous_seq if before else 0, has_gap=True
        )

    def _acknowledge(self, camera: CameraKey) -> None:
        ack = EventAck(journal=self._journal.id, seq=self._progress[camera].contiguous_seq)
        self._publisher.publish(self._topics.camera(*camera, "event", "ack"), ack)

    def _ask_anew(self, camera: CameraKey) -> None:
        """Ask, also where an earlier request may still be answered."""
        self._asked.pop(camera, None)
        self._ask(camera)

    def _ask(self, camera: CameraKey, from_seq: int | None = None) -> None:
        """Ask for what follows the last event without a gap; not twice for the same."""
        if from_seq is None:
            from_seq = self._progress[camera].contiguous_seq + 1
        if self._asked.get(camera) == from_seq:
            return
        node, name = camera
        topic = self._topics.node(node, "bridge", "request", "replay")
        if self._publisher.publish(topic, BridgeRequest(camera=name, from_seq=from_seq)):
            self._asked[camera] = from_seq

    def _ask_further(self, camera: CameraKey, replay: Replay) -> None:
        """An answer holds so many events only; a node that lost its state counts from 1 again."""
        held = self._progress[camera].contiguous_seq
        if replay.events and held < replay.last_seq:
            self._ask(camera, max(held, replay.events[-1].seq) + 1)
        elif not replay.events and 0 < replay.last_seq < held:
            self._ask(camera, 1)

    def _give_up_before(self, camera: CameraKey, first_seq: int) -> None:
        """Stop waiting for what its node no longer holds."""
        before = self._progress[camera]
        if not before.has_gap or first_seq <= before.contiguous_seq + 1:
            return
        held = self._journal.give_up_before(*camera, first_seq)
        logger.warning(
            "events %s to %s of %s/%s are lost: their node no longer holds them",
            before.contiguous_seq + 1,
            min(first_seq - 1, held),
            *camera,
        )
        self._progress[camera] = self._journal.progress()[camera]
