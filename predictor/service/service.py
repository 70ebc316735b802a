"""har-forecast at work: the MQTT thread reads, `journal` keeps, `forecast` learns and says.

Keeping does not wait for learning: events for which the model has no time it reads from the journal
later.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.exc import DBAPIError

from har_stream.config.ids import is_id
from har_stream.config.secret_file import read_key
from har_stream.config.settings import Settings
from har_stream.config.state_dir import home_announcements, home_client
from har_stream.homeassistant.discovery import BIRTH_TOPIC, Announcer, home_device, to_messages
from har_stream.mqtt.connection import ONLINE, Connection
from har_stream.mqtt.messages import ActivityState, MessageError
from har_stream.mqtt.probe import check_home_is_free
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
WAKE_S = 1.0
"""So often each thread looks whether the service ends."""
HEALTH_CHECK = ("bridge", "request", "health_check")
MAX_BIRTH_DELAY_S = 5.0
"""After Home Assistant's birth every device speaks; spread over this long at random."""


def _wall() -> datetime:
    return datetime.now(UTC)


class ForecastService:
    """The service of one home.

    Args:
        settings: All settings; ``forecast`` says most.
        journal: The home's journal.
        make_forecaster: Makes the model to start from, empty or fitted.
        dry_run: No rule acts; what it would do is said.

    Raises:
        InputError: The broker's settings or a signing key cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        *,
        make_forecaster: Callable[[], Forecaster],
        dry_run: bool = False,
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings.base_topic)
        self._due: queue.Queue[Callable[[], None]] = queue.Queue(MAX_QUEUED)
        self._closing = threading.Event()
        self._has_skipped = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, name="journal", daemon=True),
            threading.Thread(target=self._forecast, name="forecast", daemon=True),
        ]
        self._connection = Connection(
            settings.broker,
            client_id=home_client(settings.home),
            availability=self._topics.home(settings.home, "availability"),
            persistent=True,
        )
        self._announcer = Announcer(
            home_announcements(settings.state_dir, settings.home), self._connection
        )
        self._signatures = SignatureCheck(
            {node: read_key(file) for node, file in settings.forecast.signing_keys.items()}
        )
        self._ingest = EventIngest(
            journal,
            self._connection,
            topics=self._topics,
            signatures=self._signatures,
            home=settings.home,
            deliver=self._deliver,
            wall=_wall,
            monotonic=time.monotonic,
        )
        self._worker = ForecastWorker(
            settings,
            journal,
            self._connection,
            make_forecaster=make_forecaster,
            announce=self._announce,
            dry_run=dry_run,
            wall=_wall,
            monotonic=time.monotonic,
        )
        self._corrections = CorrectionRequests(
            journal,
            self._connection,
            topic=partial(self._topics.home, settings.home, "bridge", "response"),
            signatures=self._signatures,
            now=self._worker.now,
            when_changed=self._worker.catch_up,
        )

    def start(self, *, fail_fast: bool = False) -> None:
        """Connect and begin to forecast.

        Raises:
            InputError: The broker refuses our credentials or, with ``fail_fast``, does not answer;
                or another process keeps this home's journal.
        """
        check_home_is_free(self._settings)
        base = self._topics
        subscribe = self._connection.subscribe
        subscribe(base.all_events(), self._ingest.take_event)
        subscribe(base.node("+", "bridge", "response", "replay"), self._ingest.take_replay)
        subscribe(base.node("+", "bridge", "response", "info"), self._ingest.take_info)
        subscribe(base.node("+", "availability"), self._take_availability)
        subscribe(base.camera("+", "+", "activity"), self._take_state)
        subscribe(base.home(self._settings.home, "context", "+", "set"), self._take_context)
        for topic in {sensor.topic for sensor in self._settings.forecast.sensors}:
            subscribe(topic, self._take_reading, retained=partial(self._take_reading, is_kept=True))
        if self._settings.discovery.enabled:
            subscribe(f"{self._settings.discovery.prefix}/{BIRTH_TOPIC}", self._take_birth)
        subscribe(base.home(self._settings.home, *HEALTH_CHECK), self._answer)
        requests = partial(base.home, self._settings.home, "bridge", "request")
        subscribe(requests("correct"), self._take_correction, retained=False)
        subscribe(requests("undo"), self._take_undo, retained=False)
        subscribe(requests("acknowledge"), self._take_acknowledgement, retained=False)
        self._connection.on_connected(self._ingest.ask_again)
        self._connection.on_connected(self._worker.greet)
        self._connection.start(fail_fast=fail_fast)
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Say ``offline`` and end; what was heard is in the journal."""
        self._closing.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(10.0)
        self._connection.close()
        if self._worker.n_disbelieved:
            logger.warning(
                "%s events were dated by wrong clocks: kept in the journal, not believed",
                self._worker.n_disbelieved,
            )
        if self._connection.n_malformed:
            logger.warning("%s messages that made no sense", self._connection.n_malformed)
        if self._signatures.n_refused:
            logger.warning(
                "%s messages were refused for their signatures", self._signatures.n_refused
            )

    def _keep(self) -> None:
        while not self._closing.is_set():
            try:
                self._ingest.work(WAKE_S)
            except Exception:
                logger.exception("an event could not be kept")

    def _forecast(self) -> None:
        gaps_due = time.monotonic() + GAPS_S
        while not self._closing.is_set():
            try:
                wait_s = self._worker.work()
                self._take_in(min(wait_s, WAKE_S))
                if self._has_skipped.is_set():
                    self._has_skipped.clear()
                    self._worker.catch_up()
                if time.monotonic() >= gaps_due:
                    gaps_due = time.monotonic() + GAPS_S
                    self._ingest.ask_for_gaps()
            except DBAPIError as error:
                logger.error("the journal cannot be read: %s", error.orig)
                self._closing.wait(1.0)
            except Exception:
                # A forecast that fails must not end the service.
                logger.exception("a forecast could not be made")
                self._closing.wait(1.0)

    def _take_in(self, wait_s: float) -> None:
        """Wait until something was heard, and take in all that has been by then."""
        try:
            self._due.get(timeout=max(0.0, wait_s))()
            for _ in range(MAX_QUEUED):
                self._due.get_nowait()()
        except queue.Empty:
            return

    def _announce(self, model: str, labels: tuple[str, ...]) -> None:
        device = home_device(self._settings, model=model, labels=labels)
        messages = to_messages([device], self._settings.discovery)
        self._announcer.announce(messages, states=self._worker.topics)

    def _deliver(self, entry: JournalEntry) -> None:
        if self._due.qsize() < MAX_EVENTS_QUEUED:
            self._due.put(partial(self._worker.take_event, entry))
        else:
            self._has_skipped.set()

    def _take_availability(self, topic: str, payload: bytes) -> None:
        """A node that comes back may have missed what was asked of it."""
        if payload.decode(errors="replace") == ONLINE:
            self._ingest.ask_node(self._topics.split(topic)[0])

    def _take_state(self, topic: str, payload: bytes) -> None:
        if not payload:  # somebody removed the retained state
            return
        node, camera, _ = self._topics.split(topic)
        state = ActivityState.decode(payload)
        if not self._ingest.is_ours(state, (node, camera)):
            return
        if not self._signatures.passes(state, node=node, camera=camera):
            return
        self._ingest.meet((node, camera))
        self._due.put(partial(self._worker.take_state, (node, camera), state))

    def _take_context(self, topic: str, payload: bytes) -> None:
        name = self._topics.split(topic)[3]
        if not is_id(name):
            raise MessageError(f"context {name!r:.40}: a name of a-z, 0-9, _ and - expected")
        self._due.put(partial(self._worker.take_context, name, read_value(payload)))

    def _take_reading(self, topic: str, payload: bytes, *, is_kept: bool = False) -> None:
        """Take in what the sensors on a topic say; an empty payload removes what was retained."""
        readings: dict[str, bool | None] = {}
        malformed: MessageError | None = None
        for sensor in self._settings.forecast.sensors if payload else ():
            if sensor.topic == topic:
                try:
                    readings[sensor.name] = read_reading(sensor, payload)
                except MessageError as error:
                    malformed = error
        self._due.put(partial(self._worker.take_readings, readings, is_kept=is_kept))
        if malformed is not None:
            raise malformed

    def _take_correction(self, _topic: str, payload: bytes) -> None:
        self._due.put(partial(self._corrections.correct, payload))

    def _take_undo(self, _topic: str, payload: bytes) -> None:
        self._due.put(partial(self._corrections.undo, payload))

    def _take_acknowledgement(self, _topic: str, payload: bytes) -> None:
        self._due.put(partial(self._worker.acknowledge, payload))

    def _answer(self, _topic: str, payload: bytes) -> None:
        """Answer whoever asks whether this home has a forecaster."""
        try:
            request = BridgeRequest.decode(payload or b"{}")
            answer = BridgeResponse(status="ok", transaction=request.transaction)
        except MessageError as error:
            answer = BridgeResponse.refuse(payload, str(error))
        topic = self._topics.home(self._settings.home, "bridge", "response", "health_check")
        self._connection.publish(topic, answer)

    def _take_birth(self, _topic: str, payload: bytes) -> None:
        if payload.decode(errors="replace") == ONLINE:
            delay_s = random.uniform(0.0, MAX_BIRTH_DELAY_S)  # noqa: S311 -- spreads load only
            self._due.put(partial(self._worker.greet_after, delay_s))
