"""What is said to one home's forecaster: kept in the journal, taken in by the model, answered.

Messages are heard in one thread and wait here; `keep` and `take_in` do what follows from them, in
whichever threads the owner has for that.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from har_stream.config.ids import is_id
from har_stream.config.secret_file import read_key
from har_stream.config.settings import Settings
from har_stream.mqtt.connection import ONLINE, Handler, Publishes
from har_stream.mqtt.messages import ActivityState, MessageError
from har_stream.mqtt.requests import BridgeRequest, BridgeResponse
from har_stream.mqtt.signing import SignatureCheck
from har_stream.mqtt.topics import Topics
from predictor.journal.journal import Journal
from predictor.journal.records import JournalEntry
from predictor.models.online import Forecaster
from predictor.sensors.payloads import read_reading, read_value
from predictor.service.correction_requests import CorrectionRequests
from predictor.service.forecast_worker import ForecastWorker
from predictor.service.ingest import EventIngest

logger = logging.getLogger(__name__)

MAX_QUEUED = 10_000
"""What may wait for the model; beyond it the broker has to wait."""
MAX_EVENTS_QUEUED = 5_000
"""With so many waiting, it takes further events from the journal."""
GAPS_S = 30.0
"""An answer that holds missing events may get lost; after this long they are asked for again."""
HEALTH_CHECK = "health_check"
MAX_BIRTH_DELAY_S = 5.0
"""After Home Assistant's birth every device speaks; spread over this long at random."""


def _wall() -> datetime:
    return datetime.now(UTC)


class HomeMessages:
    """One home's journal and model, and what waits for them.

    Args:
        settings: All settings; ``home`` says whose, ``forecast`` most of the rest.
        journal: The home's journal.
        publisher: The broker.
        make_forecaster: Makes the model to start from, empty or fitted.
        announce: See `ForecastWorker`.
        dry_run: No rule acts; what it would do is said.
        load_snapshot: See `ForecastWorker`.
        refit: See `ForecastWorker`.

    Attributes:
        ingest: Keeps events.
        worker: Learns and forecasts.
        signatures: Tells whom to believe.

    Raises:
        InputError: A signing key cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        publisher: Publishes,
        *,
        make_forecaster: Callable[[], Forecaster],
        announce: Callable[[str, tuple[str, ...]], None],
        dry_run: bool = False,
        load_snapshot: Callable[[], bytes | None] = lambda: None,
        refit: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings.base_topic)
        self._publisher = publisher
        self._due: queue.Queue[Callable[[], None]] = queue.Queue(MAX_QUEUED)
        self._has_skipped = threading.Event()
        self._gaps_due = time.monotonic() + GAPS_S
        self.signatures = SignatureCheck(
            {node: read_key(file) for node, file in settings.forecast.signing_keys.items()}
        )
        self.ingest = EventIngest(
            journal,
            publisher,
            topics=self._topics,
            signatures=self.signatures,
            home=settings.home,
            deliver=self._deliver,
            wall=_wall,
            monotonic=time.monotonic,
        )
        self.worker = ForecastWorker(
            settings,
            journal,
            publisher,
            make_forecaster=make_forecaster,
            announce=announce,
            dry_run=dry_run,
            wall=_wall,
            monotonic=time.monotonic,
            load_snapshot=load_snapshot,
            refit=refit,
        )
        self._corrections = CorrectionRequests(
            journal,
            publisher,
            topic=partial(self._topics.home, settings.home, "bridge", "response"),
            signatures=self.signatures,
            now=self.worker.now,
            when_changed=self.worker.catch_up,
        )

    @property
    def n_waiting(self) -> int:
        """How much waits for the model."""
        return self._due.qsize()

    def of_cameras(self) -> Iterator[tuple[str, Handler]]:
        """Yield what any node may say, by topic filter, and who takes it."""
        base = self._topics
        yield base.all_events(), self.ingest.take_event
        yield base.node("+", "bridge", "response", "replay"), self.ingest.take_replay
        yield base.node("+", "bridge", "response", "info"), self.ingest.take_info
        yield base.node("+", "availability"), self._take_availability
        yield base.camera("+", "+", "activity"), self.take_state

    def requests(self) -> dict[str, Handler]:
        """Return who takes what is asked of the home, by the last part of the topic."""
        return {
            "correct": self._take_correction,
            "undo": self._take_undo,
            "acknowledge": self._take_acknowledgement,
            HEALTH_CHECK: self._answer,
        }

    def take_state(self, topic: str, payload: bytes) -> None:
        """Take in a camera's heartbeat.

        Raises:
            MessageError: It is none.
        """
        if not payload:  # somebody removed the retained state
            return
        node, camera, _ = self._topics.split(topic)
        state = ActivityState.decode(payload)
        if not self.ingest.is_ours(state, (node, camera)):
            return
        if not self.signatures.passes(state, node=node, camera=camera):
            return
        self.ingest.meet((node, camera))
        self._due.put(partial(self.worker.take_state, (node, camera), state))

    def take_context(self, topic: str, payload: bytes) -> None:
        """Take in a context value.

        Raises:
            MessageError: Its name is none.
        """
        name = self._topics.split(topic)[3]
        if not is_id(name):
            raise MessageError(f"context {name!r:.40}: a name of a-z, 0-9, _ and - expected")
        self._due.put(partial(self.worker.take_context, name, read_value(payload)))

    def take_reading(self, topic: str, payload: bytes, *, is_kept: bool = False) -> None:
        """Take in what the sensors on a topic say; an empty payload removes what was retained.

        Raises:
            MessageError: One of them cannot have said it.
        """
        readings: dict[str, bool | None] = {}
        malformed: MessageError | None = None
        for sensor in self._settings.forecast.sensors if payload else ():
            if sensor.topic == topic:
                try:
                    readings[sensor.name] = read_reading(sensor, payload)
                except MessageError as error:
                    malformed = error
        self._due.put(partial(self.worker.take_readings, readings, is_kept=is_kept))
        if malformed is not None:
            raise malformed

    def take_birth(self, _topic: str, payload: bytes) -> None:
        """Home Assistant came."""
        if payload.decode(errors="replace") == ONLINE:
            delay_s = random.uniform(0.0, MAX_BIRTH_DELAY_S)  # noqa: S311 -- spreads load only
            self._due.put(partial(self.worker.greet_after, delay_s))

    def keep(self, wait_s: float) -> None:
        """Wait, so long at most, for events, and keep those that have come by then."""
        self.ingest.work(wait_s)

    def take_in(self, wait_s: float) -> None:
        """Wait until something was heard, and take in all that has been by then."""
        try:
            self._due.get(timeout=max(0.0, wait_s))()
            for _ in range(MAX_QUEUED):
                self._due.get_nowait()()
        except queue.Empty:
            pass
        if self._has_skipped.is_set():
            self._has_skipped.clear()
            self.worker.catch_up()
        if time.monotonic() >= self._gaps_due:
            self._gaps_due = time.monotonic() + GAPS_S
            self.ingest.ask_for_gaps()

    def _deliver(self, entry: JournalEntry) -> None:
        if self._due.qsize() < MAX_EVENTS_QUEUED:
            self._due.put(partial(self.worker.take_event, entry))
        else:
            self._has_skipped.set()

    def _take_availability(self, topic: str, payload: bytes) -> None:
        """A node that comes back may have missed what was asked of it."""
        if payload.decode(errors="replace") == ONLINE:
            self.ingest.ask_node(self._topics.split(topic)[0])

    def _take_correction(self, _topic: str, payload: bytes) -> None:
        self._due.put(partial(self._corrections.correct, payload))

    def _take_undo(self, _topic: str, payload: bytes) -> None:
        self._due.put(partial(self._corrections.undo, payload))

    def _take_acknowledgement(self, _topic: str, payload: bytes) -> None:
        self._due.put(partial(self.worker.acknowledge, payload))

    def _answer(self, _topic: str, payload: bytes) -> None:
        """Answer whoever asks whether this home has a forecaster."""
        try:
            request = BridgeRequest.decode(payload or b"{}")
            answer = BridgeResponse(status="ok", transaction=request.transaction)
        except MessageError as error:
            answer = BridgeResponse.refuse(payload, str(error))
        topic = self._topics.home(self._settings.home, "bridge", "response", "health_check")
        self._publisher.publish(topic, answer)
