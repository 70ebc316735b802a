"""har-forecast at work: the MQTT thread reads, `journal` keeps, `forecast` learns and says.

Keeping does not wait for learning: events for which the model has no time it reads from the journal
later.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import DBAPIError

from har_stream.config.settings import Settings
from har_stream.config.state_dir import home_announcements, home_client
from har_stream.homeassistant.discovery import BIRTH_TOPIC, Announcer, home_device, to_messages
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.probe import check_home_is_free
from har_stream.mqtt.topics import Topics
from predictor.journal.journal import Journal
from predictor.models.online import Forecaster
from predictor.service.home_messages import HEALTH_CHECK, HomeMessages

logger = logging.getLogger(__name__)

WAKE_S = 1.0
"""So often each thread looks whether the service ends."""


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
        self._closing = threading.Event()
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
        self._home = HomeMessages(
            settings,
            journal,
            self._connection,
            make_forecaster=make_forecaster,
            announce=self._announce,
            dry_run=dry_run,
        )

    def start(self, *, fail_fast: bool = False) -> None:
        """Connect and begin to forecast.

        Raises:
            InputError: The broker refuses our credentials or, with ``fail_fast``, does not answer;
                or another process keeps this home's journal.
        """
        check_home_is_free(self._settings)
        home, settings = self._home, self._settings
        of_home = partial(self._topics.home, settings.home)
        subscribe = self._connection.subscribe
        for topic_filter, handler in home.of_cameras():
            subscribe(topic_filter, handler)
        subscribe(of_home("context", "+", "set"), home.take_context)
        for topic in {sensor.topic for sensor in settings.forecast.sensors}:
            subscribe(topic, home.take_reading, retained=partial(home.take_reading, is_kept=True))
        if settings.discovery.enabled:
            subscribe(f"{settings.discovery.prefix}/{BIRTH_TOPIC}", home.take_birth)
        for name, handler in home.requests().items():
            subscribe(of_home("bridge", "request", name), handler, retained=name == HEALTH_CHECK)
        self._connection.on_connected(home.ingest.ask_again)
        self._connection.on_connected(home.worker.greet)
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
        if self._home.worker.n_disbelieved:
            logger.warning(
                "%s events were dated by wrong clocks: kept in the journal, not believed",
                self._home.worker.n_disbelieved,
            )
        if self._connection.n_malformed:
            logger.warning("%s messages that made no sense", self._connection.n_malformed)
        if self._home.signatures.n_refused:
            logger.warning(
                "%s messages were refused for their signatures", self._home.signatures.n_refused
            )

    def _keep(self) -> None:
        while not self._closing.is_set():
            try:
                self._home.keep(WAKE_S)
            except Exception:
                logger.exception("an event could not be kept")

    def _forecast(self) -> None:
        while not self._closing.is_set():
            try:
                self._home.take_in(min(self._home.worker.work(), WAKE_S))
            except DBAPIError as error:
                logger.error("the journal cannot be read: %s", error.orig)
                self._closing.wait(1.0)
            except Exception:
                # A forecast that fails must not end the service.
                logger.exception("a forecast could not be made")
                self._closing.wait(1.0)

    def _announce(self, model: str, labels: tuple[str, ...]) -> None:
        device = home_device(self._settings, model=model, labels=labels)
        messages = to_messages([device], self._settings.discovery)
        self._announcer.announce(messages, states=self._home.worker.topics)
