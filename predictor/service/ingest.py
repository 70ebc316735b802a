"""Events from the broker into the journal: kept first, acknowledged then, missing ones asked for.

The MQTT client's thread reads messages and queues what follows from them; `work`, in a thread of
its own, does it, with one commit for all events that wait. An event is acknowledged once it is on
disk, and only as far as none before it is missing; a node gives out again what was not
acknowledged.
"""

import logging
import queue
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise

from pydantic import ValidationError
from sqlalchemy.exc import DataError, DBAPIError

from har_stream.config.ids import SENSORS, is_id
from har_stream.core.log_once import LogOnce
from har_stream.mqtt.connection import Publishes
from har_stream.mqtt.messages import ActivityEvent, ActivityState, EventAck, Message, MessageError
from har_stream.mqtt.requests import BridgeRequest, BridgeResponse, Replay
from har_stream.mqtt.signing import SignatureCheck
from har_stream.mqtt.topics import Topics
from predictor.journal.journal import Journal
from predictor.journal.records import CameraKey, JournalEntry, Progress

logger = logging.getLogger(__name__)

LOST = "lost: their node no longer holds them"
MAX_JUMP = 10**9
"""No camera sends so many events; a number that is further ahead is a mistake, or a lie."""
MAX_EPOCH_AHEAD_S = 86_400
"""A lot's epoch is the time at which its owner began, or a little more."""
MAX_CAMERAS = 1000
"""Whoever may publish can invent cameras; so many are believed before they send an event."""
MAX_WAITING = 5000
"""Messages that may wait; beyond it the broker has to, and after it the nodes."""
MAX_TOGETHER = 500
"""Events that go into one commit."""
MAX_REQUESTS = 2000
"""So often a camera is asked for nothing new: enough to read a full outbox twice."""
REQUEST_EVERY_S = 60.0
"""Beyond that, it is asked once in so long."""


class EventIngest:
    """Keeps events and sees to it that none is missing.

    Args:
        journal: Where they are kept.
        publisher: For acknowledgements and requests.
        topics: The names of topics.
        signatures: Tells which events are to be believed.
        home: Whose events are kept; those that name another home stay at their node, unanswered.
        deliver: Called with every event that is new, once it is kept.
        wall: This machine's clock.
        monotonic: Seconds that nobody can set.
    """

    def __init__(
        self,
        journal: Journal,
        publisher: Publishes,
        *,
        topics: Topics,
        signatures: SignatureCheck,
        home: str,
        deliver: Callable[[JournalEntry], None],
        wall: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._publisher = publisher
        self._topics = topics
        self._signatures = signatures
        self._home = home
        self._deliver = deliver
        self._wall = wall
        self._monotonic = monotonic
        self._waiting: queue.Queue[JournalEntry | Callable[[], None]] = queue.Queue(MAX_WAITING)
        known = journal.progress().items()
        self._progress = {camera: each for camera, each in known if camera[0] != SENSORS}
        self._asked: dict[CameraKey, int] = {}
        self._spent: dict[CameraKey, tuple[float, float]] = {}
        self._unsent: dict[tuple[str, str], Message] = {}
        self._n_new = 0
        self._failing = False
        self._once = LogOnce()

    def work(self, wait_s: float) -> None:
        """Wait, so long at most, until there is something to do, and do what has come by then."""
        together: list[JournalEntry] = []
        try:
            for n_done in range(MAX_WAITING):
                todo = self._waiting.get(timeout=0.0 if n_done else wait_s)
                if isinstance(todo, JournalEntry):
                    together.append(todo)
                if len(together) == MAX_TOGETHER or not isinstance(todo, JournalEntry):
                    self._take_events(together)
                    together = []
                if not isinstance(todo, JournalEntry):
                    todo()
        except queue.Empty:
            pass
        self._take_events(together)
        self._send_waiting()

    def take_event(self, topic: str, payload: bytes) -> None:
        """Take in a message on ``<node>/<cam>/event``.

        Raises:
            MessageError: It is no event, of another camera than its topic says, of what no node
                may be called, or its number cannot be true.
        """
        event = ActivityEvent.decode(payload)
        camera = event.node, event.camera
        if event.node == SENSORS:  # its events are our own
            raise MessageError(f"ActivityEvent: node: nobody may be called {SENSORS!r}")
        if self._topics.split(topic) != (*camera, "event"):
            raise MessageError(f"ActivityEvent: it says that it is of {'/'.join(camera)}")
        if self.is_ours(event, camera) and self._is_genuine(event):
            self._waiting.put(self._arrived(event))

    def take_replay(self, topic: str, payload: bytes) -> None:
        """Take in an answer to ``replay``: events that the node still holds.

        Raises:
            MessageError: It is no such answer.
        """
        node = self._topics.split(topic)[0]
        answer = BridgeResponse.decode(payload)
        if answer.status == "error":
            self._waiting.put(partial(self._take_refusal, node, str(answer.error)))
            return
        try:
            replay = Replay.model_validate(answer.data)
        except ValidationError as error:
            raise MessageError(f"Replay: {error.errors()[0]['msg']}") from error
        camera = node, replay.camera
        if any((event.node, event.camera) != camera for event in replay.events):
            raise MessageError(f"Replay: it holds events of others than {'/'.join(camera)}")
        ours = [event for event in replay.events if self.is_ours(event, camera)]
        genuine = [event for event in ours if self._is_genuine(event)]
        if len(genuine) == len(ours):
            self._waiting.put(partial(self._take_replay, camera, replay, answer.transaction))
        else:  # what else it says is not to be believed
            for event in genuine:
                self._waiting.put(self._arrived(event))

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

    def is_ours(self, message: ActivityEvent | ActivityState, camera: CameraKey) -> bool:
        """Tell whether a message is of this home; what is of another is said once a camera."""
        if message.home is None or message.home == self._home:
            return True
        self._once.warn(  # whoever may publish can invent homes, and cameras
            "home",
            f"{camera[0]}/{camera[1]!r:.80} is of home {message.home!r:.80}, not of {self._home}; "
            "what it and others say is left to their home's har-forecast",
        )
        return False

    def meet(self, camera: CameraKey) -> None:
        """Take in that a camera exists; one that is new is asked for all that it has."""
        if camera not in self._progress:
            self._waiting.put(partial(self._meet, camera))

    def ask_again(self) -> None:
        """Ask for all that may be missing."""
        self._waiting.put(self._ask_all)

    def ask_node(self, node: str) -> None:
        """Ask a node that came, or came back, what it has and for what may be missing."""
        self._waiting.put(partial(self._ask_node, node))

    def ask_for_gaps(self) -> None:
        """Ask once more for what is known to be missing."""
        self._waiting.put(self._ask_for_gaps)

    def _meet(self, camera: CameraKey) -> None:
        if camera not in self._progress and len(self._progress) < MAX_CAMERAS:
            self._progress[camera] = Progress(is_new=False, contiguous_seq=0, has_gap=False)
            self._ask(camera)

    def _ask_all(self) -> None:
        for camera in self._progress:
            self._ask_anew(camera)

    def _ask_node(self, node: str) -> None:
        for camera in self._progress:
            if camera[0] == node:
                self._ask_anew(camera)
        topic = self._topics.node(node, "bridge", "request", "info")
        self._publisher.publish(topic, BridgeRequest())

    def _ask_for_gaps(self) -> None:
        for camera, progress in self._progress.items():
            if progress.has_gap:
                self._ask_anew(camera)

    def _take_events(self, entries: Sequence[JournalEntry]) -> None:
        """Keep events, acknowledge each camera's once, and ask for what is missing before them."""
        newest: dict[CameraKey, int] = {}
        for event in self._keep(entries):
            camera = event.node, event.camera
            newest[camera] = max(event.seq, newest.get(camera, 0))
        for camera, seq in newest.items():
            self._acknowledge(camera)
            if seq > self._progress[camera].contiguous_seq:
                self._ask(camera)

    def _is_genuine(self, event: ActivityEvent) -> bool:
        if event.seq > self._contiguous((event.node, event.camera)) + MAX_JUMP:
            raise MessageError(f"ActivityEvent: seq: {event.seq} is too far ahead")
        if (event.lot_epoch or 0) > self._wall().timestamp() + MAX_EPOCH_AHEAD_S:
            raise MessageError(f"ActivityEvent: lot_epoch: {event.lot_epoch} lies in the future")
        return self._signatures.passes(event, node=event.node, camera=event.camera)

    def _arrived(self, event: ActivityEvent) -> JournalEntry:
        return JournalEntry(event, self._wall())

    def _take_refusal(self, node: str, error: str) -> None:
        if any(node == known for known, _ in self._progress):
            # Quoted and cut, and of known nodes only: a stranger may have written it.
            why = f"{error[:200]!r}"
            self._once.warn(("replay", node), f"{node} gives no events out again: {why}")

    def _take_replay(self, camera: CameraKey, replay: Replay, asked_from: object) -> None:
        held = sorted(replay.events, key=lambda event: event.seq)
        events = [event for event in held if self.is_ours(event, camera)]
        seqs, fate = [event.seq for event in events], LOST
        if len(events) < len(held):
            fate = "not of this home"
            if not events and not self._is_known(camera):
                return  # it never was of this home, and is not answered
            seqs.append(held[-1].seq + 1)
        n_before = self._n_new
        kept = self._keep([self._arrived(event) for event in events])
        if len(kept) < len(events) or camera not in self._progress:
            return
        if self._n_new > n_before:
            spent, at_s = self._spent.get(camera, (0.0, self._monotonic()))
            self._spent[camera] = max(0.0, spent - 1), at_s
        # An answer leaves out nothing that its node holds between its events, or before them.
        self._give_up_before(camera, replay.first_seq)
        before = [asked_from - 1] if isinstance(asked_from, int) and asked_from > 0 else []
        for earlier, later in pairwise([*before, *seqs]):
            if earlier <= self._progress[camera].contiguous_seq:
                self._give_up_before(camera, later, fate)
        self._acknowledge(camera)
        self._ask_further(camera, replay)

    def _is_known(self, camera: CameraKey) -> bool:
        """Tell whether the journal has anything of a camera."""
        progress = self._progress.get(camera)
        return progress is not None and (progress.has_gap or progress.contiguous_seq > 0)

    def _keep(self, entries: Sequence[JournalEntry]) -> list[ActivityEvent]:
        """Write events to the journal and return those that it has, new ones or known."""
        if not entries:
            return []
        try:
            recorded = self._journal.record_together(entries)
        except (DataError, OverflowError, UnicodeError) as error:
            if len(entries) > 1:  # one that the database can never keep does not stop the others
                return [event for entry in entries for event in self._keep([entry])]
            event = entries[0].event
            told = (
                f"{event.node}/{event.camera}: an event that cannot be kept: {str(error)[:200]!r}"
            )
            self._once.warn(("data", event.node, event.camera), told)
            return []
        except DBAPIError as error:
            self._fail(entries, error)
            return []
        if self._failing:
            self._failing = False
            logger.warning("the journal can be written again")
        for entry, progress in zip(entries, recorded, strict=True):
            camera = entry.event.node, entry.event.camera
            if progress.contiguous_seq < self._contiguous(camera):  # its node counts anew
                self._asked.pop(camera, None)
            self._progress[camera] = progress
        for entry, progress in zip(entries, recorded, strict=True):
            if progress.is_new:
                self._n_new += 1
                self._deliver(entry)
        return [entry.event for entry in entries]

    def _fail(self, entries: Sequence[JournalEntry], error: DBAPIError) -> None:
        """Say it once, and count events as missing: their nodes hold them until acknowledged."""
        if not self._failing:
            self._failing = True
            logger.error(
                "the journal cannot be written (%s); events wait at their node", error.orig
            )
        for camera in {(entry.event.node, entry.event.camera) for entry in entries}:
            held = self._contiguous(camera)
            self._progress[camera] = Progress(is_new=False, contiguous_seq=held, has_gap=True)

    def _contiguous(self, camera: CameraKey) -> int:
        progress = self._progress.get(camera)
        return 0 if progress is None else progress.contiguous_seq

    def _acknowledge(self, camera: CameraKey) -> None:
        ack = EventAck(journal=self._journal.id, seq=self._progress[camera].contiguous_seq)
        self._send(self._topics.camera(*camera, "event", "ack"), camera[1], ack)

    def _send(self, topic: str, camera: str, message: Message) -> None:
        """Publish; what finds no room or no connection waits, the newest of a topic and camera.

        A node waits for its acknowledgement; without it, it would hold its events until it has a
        further one.
        """
        self._unsent[topic, camera] = message
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._unsent:
            (topic, camera), message = next(iter(self._unsent.items()))
            if not self._publisher.publish(topic, message):
                return
            del self._unsent[topic, camera]

    def _ask_anew(self, camera: CameraKey) -> None:
        """Ask, also where an earlier request may still be answered."""
        self._asked.pop(camera, None)
        self._ask(camera)

    def _ask(self, camera: CameraKey, from_seq: int | None = None) -> None:
        """Ask for what follows the last event without a gap; not twice for the same."""
        if from_seq is None:
            from_seq = self._progress[camera].contiguous_seq + 1
        if self._asked.get(camera) == from_seq or not self._may_ask(camera):
            return
        node, name = camera
        topic = self._topics.node(node, "bridge", "request", "replay")
        if (topic, name) not in self._unsent:  # one that was never sent is replaced
            spent, at_s = self._spent[camera]
            self._spent[camera] = spent + 1, at_s
        self._asked[camera] = from_seq
        request = BridgeRequest(camera=name, from_seq=from_seq, transaction=from_seq)
        self._send(topic, name, request)

    def _may_ask(self, camera: CameraKey) -> bool:
        """Whatever somebody sends, a node is not made to give its events out without end."""
        now_s = self._monotonic()
        spent, at_s = self._spent.get(camera, (0.0, now_s))
        spent = max(0.0, spent - (now_s - at_s) / REQUEST_EVERY_S)
        self._spent[camera] = spent, now_s
        if spent <= MAX_REQUESTS - 1:
            return True
        self._once.warn(
            ("requests", camera),
            f"{camera[0]}/{camera[1]} was asked {MAX_REQUESTS} times for events and had no new "
            f"one; from now on it is asked once in {REQUEST_EVERY_S:g} s",
        )
        return False

    def _ask_further(self, camera: CameraKey, replay: Replay) -> None:
        """An answer holds so many events only; a node that lost its state counts from 1 again."""
        held = self._progress[camera].contiguous_seq
        if replay.events and held < replay.last_seq:
            self._ask(camera, max(held, replay.events[-1].seq) + 1)
        elif not replay.events and 0 < replay.last_seq < held:
            self._ask(camera, 1)

    def _give_up_before(self, camera: CameraKey, first_seq: int, fate: str = LOST) -> None:
        """Stop waiting for what will not come."""
        before = self._progress[camera]
        if not before.has_gap or first_seq <= before.contiguous_seq + 1:
            return
        try:
            self._progress[camera] = self._journal.give_up_before(*camera, first_seq)
        except DBAPIError as error:
            self._once.warn("lost", f"the journal cannot note what is lost: {error.orig}")
            return
        logger.warning(
            "events %s to %s of %s/%s are %s",
            before.contiguous_seq + 1,
            min(first_seq - 1, self._progress[camera].contiguous_seq),
            *camera,
            fate,
        )
