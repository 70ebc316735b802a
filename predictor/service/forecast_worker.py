"""What the service does with what it heard: learn, forecast, publish.

No thread and no sleep: `work` does what is due by the clocks that it was given, and says when to
come again.
"""

import logging
import math
import threading
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta

from sqlalchemy.exc import DBAPIError

from har_stream.bundles.awaited_labels import awaited_labels, bundles_by_label, suggest_label
from har_stream.config.settings import Settings
from har_stream.config.state_dir import acknowledged_file
from har_stream.core.log_once import LogOnce
from har_stream.mqtt.connection import OFFLINE, ONLINE, Publishes
from har_stream.mqtt.messages import ActivityState, Forecast, ForecastAttributes, Unusual
from har_stream.mqtt.topics import Topics
from predictor.journal.journal import Journal
from predictor.journal.records import CameraKey, ContextValue, JournalEntry
from predictor.models.online import Forecaster
from predictor.sensors.readings import SensorReadings
from predictor.service.home_clock import WRONG, Timing
from predictor.service.home_forecast import HomeForecast
from predictor.service.home_learning import HomeLearning
from predictor.service.rules import RuleRunner
from predictor.unusual.acknowledged import AcknowledgedFindings

logger = logging.getLogger(__name__)

REBUILD_AFTER_S = 2.0
"""Late events come in bunches; the model takes them in together, so long after the first."""
REBUILD_SHARE = 0.2
"""No more of the time than this goes into taking late events in."""
N_EXPIRY = 3
"""A retained forecast is forgotten after so many refreshes without a new one."""
LOOK_S = 5.0
"""It looks whether somebody has deleted events no more often than that."""
MAX_CONTEXTS = 64
LISTEN_S = 60.0
"""After a start nobody is called silent before that: cameras repeat themselves every 30 s."""


class ForecastWorker:
    """The model of one home, and publishing what it forecasts; all runs in one thread, but `greet`.

    Args:
        settings: All settings; ``forecast`` says most.
        journal: What is replayed at the start, and after events that came late.
        publisher: The broker.
        make_forecaster: Makes the model to start from, empty or fitted.
        announce: Called with the model's name and the activities known, where Home Assistant must
            hear of them.
        dry_run: No rule acts; what it would do is said.
        wall: This machine's clock.
        monotonic: Seconds that no correction of the clock touches.
        load_snapshot: Returns what `snapshot` returned last; by default there is none.
        refit: Called once a day with the model's heavy learning, which may run in any thread;
            none: it runs at once, in one of its own.

    Attributes:
        n_disbelieved: Events of the future, or dated by a clock that is far behind.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        publisher: Publishes,
        *,
        make_forecaster: Callable[[], Forecaster],
        announce: Callable[[str, tuple[str, ...]], None],
        dry_run: bool,
        wall: Callable[[], datetime],
        monotonic: Callable[[], float],
        load_snapshot: Callable[[], bytes | None] = lambda: None,
        refit: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._publisher = publisher
        self._announce = announce
        self._wall = wall
        self._monotonic = monotonic
        self._topics = Topics(settings.base_topic)
        self._rules = RuleRunner(settings, journal, publisher, dry_run=dry_run)
        self._once = LogOnce()
        self._contexts: dict[str, float | str] = {}
        self._new_contexts: dict[str, float | str] = {}
        self._sensors = SensorReadings(settings.forecast.sensors)
        self._learning = HomeLearning(
            settings,
            journal,
            self._sensors,
            make_forecaster=make_forecaster,
            load_snapshot=load_snapshot,
            once=self._once,
            monotonic=monotonic,
        )
        self._refitting = threading.Thread(name="refit")
        self._refit = refit or self._refit_in_thread
        self._refresh_s = settings.forecast.refresh_s
        self._refresh_due = self._rebuild_due = self._greet_due = math.inf
        self._look_due = monotonic() + LOOK_S
        self._has_news = True
        self._day: date | None = None
        self._listens_until = math.inf
        self.n_disbelieved = 0
        self._has_begun = False
        self._live = self._learning.unlearned()
        self._last: tuple[Forecast, ForecastAttributes] | None = None
        self._unusual: Unusual | None = None
        self._acknowledged = AcknowledgedFindings(
            acknowledged_file(settings.state_dir, settings.home)
        )
        self._labels = self._live.forecaster.labels

    @property
    def topics(self) -> list[str]:
        """Where messages of ours are retained."""
        home = self._settings.home
        forecast, unusual = (self._topics.home(home, kind) for kind in ("forecast", "unusual"))
        parts = ("attributes", "availability")
        return [forecast, *(f"{forecast}/{part}" for part in parts), unusual, *self._rules.topics]

    def now(self) -> datetime:
        """Return the home's time."""
        return self._live.now(self._wall())

    def take_event(self, entry: JournalEntry) -> None:
        """Take in an event that the journal has kept."""
        learning = self._learning
        if learning.replayed:
            if entry.event.id in learning.replayed:
                return
            learning.replayed = frozenset()  # whatever waits behind it came later, too
        self._take_event(entry)

    def _take_event(self, entry: JournalEntry) -> None:
        timing = self._live.take_event(entry)
        self.n_disbelieved += timing in WRONG
        if timing is Timing.REWOUND:
            self._rebuild(until=entry.happened_at)
        elif timing is Timing.LATE:
            self.catch_up()
        self._note_contexts()
        self._has_news = True

    def catch_up(self) -> None:
        """Learn anew from the journal, which holds more than what was taken in; a little later."""
        wait_s = max(REBUILD_AFTER_S, self._learning.took_s / REBUILD_SHARE)
        self._rebuild_due = min(self._rebuild_due, self._monotonic() + wait_s)

    def take_state(self, camera: CameraKey, state: ActivityState) -> None:
        """Take in a camera's heartbeat; a stream may run faster than our clock."""
        wall = self._wall()
        self._live.take_state(camera, state, wall=wall)
        if self._last is not None:
            said, _ = self._last
            passed = self._live.now(wall) - said.at
            self._has_news |= passed >= timedelta(seconds=self._refresh_s) or not said.fresh

    def take_context(self, name: str, value: float | str) -> None:
        """Take in a context topic's value; before the first event nobody knows at what time."""
        if name not in self._contexts and len(self._contexts) >= MAX_CONTEXTS:
            self._once.warn("contexts", f"context {name} and others are left out: too many")
        elif self._contexts.get(name) != value:
            self._contexts[name] = value
            self._new_contexts[name] = value
            self._note_contexts()

    def _note_contexts(self) -> None:
        """Tell model and journal of the values that changed."""
        if self._live.clock.newest is None:
            return
        at = self._live.now(self._wall())
        while self._new_contexts:
            self._set_context(ContextValue(*self._new_contexts.popitem(), at))

    def _set_context(self, context: ContextValue) -> None:
        self._live.set_context(context.name, context.value, at=context.happened_at)
        self._has_news = True
        try:
            self._journal.record_context(context)
        except DBAPIError as error:
            self._once.warn("journal", f"context values cannot be kept: {error.orig}")

    def take_readings(self, readings: Mapping[str, bool | None], *, is_kept: bool) -> None:
        """Take in what sensors say, by name; or, with `is_kept`, what the broker had kept of it."""
        at = self._live.now(self._wall())
        for name, is_on in readings.items():
            self._sensors.hear(name, is_on, at, is_kept=is_kept)

    def _follow_sensors(self) -> None:
        """Tell model and journal what sensors say otherwise than before, and what they see."""
        wall = self._wall()
        at = self._live.now(wall)
        if self._live.clock.newest is None and not self._sensors.tell_activities:
            return  # before the first event nobody knows what time it is in the home
        for context in self._sensors.changes(at):
            self._set_context(context)
        for event in self._sensors.events(at):
            try:
                self._journal.record(event, received_at=wall)
            except DBAPIError as error:
                self._once.warn("journal", f"what sensors see cannot be kept: {error.orig}")
                return
            self._sensors.note_kept(event)
            self._take_event(JournalEntry(event, wall))
        heard_at = wall if self._sensors.is_speaking else None
        self._live.take_sensors(self._sensors.likely, heard_at=heard_at)

    def greet(self) -> None:
        """Tell a broker that may know nothing; also called from the MQTT client's thread."""
        if self._last is None:
            self._greet_due = self._monotonic()
            return
        self._announce(self._live.forecaster.name, self._labels)
        self._publish(*self._last)
        self._publish_unusual()
        self._rules.greet()

    def greet_after(self, delay_s: float) -> None:
        """Greet somebody who has just come, but not along with everybody else."""
        self._greet_due = self._monotonic() + delay_s

    def work(self) -> float:
        """Do all that is due; returns how many seconds later there may be more to do."""
        if not self._has_begun:
            self.begin()
        self._follow_sensors()
        now = self._monotonic()
        if now >= self._look_due:
            self._look_due = now + LOOK_S
            self._look_for_deletion()
        if now >= self._rebuild_due:
            self._rebuild_due = math.inf
            self._rebuild(until=self._live.clock.newest)
            self._has_news = True
        if self._has_news or now >= self._refresh_due:
            self._has_news = False
            self._refresh_due = now + self._refresh_s
            self._speak()
        if now >= self._greet_due:
            self._greet_due = math.inf
            self.greet()
        return min(self._refresh_due, self._rebuild_due, self._greet_due) - now

    def _look_for_deletion(self) -> None:
        """Notice what `har-forecast --delete` did in another process: unlearn it at once."""
        if self._journal.last_deletion() != self._learning.last_deletion:
            logger.info("events were deleted; the model is learnt anew without them")
            self._rebuild_due = -math.inf

    def begin(self) -> None:
        """Learn from the journal, which may take a minute; nothing is said before.

        Raises:
            sqlalchemy.exc.DBAPIError: The journal cannot be read; call it again.
        """
        live = self._learning.learned(self._live, until=None, is_first=True)
        self._begin_with(live)

    def resume(self) -> bool:
        """Begin from the newest snapshot, which takes milliseconds; returns whether that is done.

        Where there is none that can be used, `begin` learns from the journal; both raise the same.
        """
        live = self._learning.resumed()
        if live is not None:
            self._begin_with(live)
        return live is not None

    @property
    def is_to_learn(self) -> bool:
        """Whether `work` would learn from the journal, which may take long."""
        return not self._has_begun or self._monotonic() >= self._rebuild_due

    def snapshot(self) -> bytes | None:
        """Return what is known, for a later `resume`; ``None`` while there is something to learn.

        To be asked while no event waits for us.

        Raises:
            sqlalchemy.exc.DBAPIError: The journal cannot be read.
        """
        if not self._has_begun or self._rebuild_due < math.inf:
            return None
        return self._learning.snapshot(self._live, day=self._day)

    def refresh(self) -> None:
        """Have `work` make a new forecast."""
        self._has_news = True

    def _begin_with(self, live: HomeForecast) -> None:
        self._live, self._day = live, self._learning.day
        self._labels = self._live.forecaster.labels
        now = self._monotonic()
        self._listens_until, self._look_due = now + LISTEN_S, now + LOOK_S
        self._has_begun = True

    def _speak(self) -> None:
        forecast, attributes = self._last = self._live.messages(self._wall())
        self._publish(forecast, attributes)
        if forecast.fresh or self._monotonic() >= self._listens_until:
            self._rules.follow(forecast)
            self._unusual = self._acknowledged.mark(self._live.unusual(forecast))
            self._publish_unusual()
        if self._live.forecaster.labels != self._labels:
            self._labels = self._live.forecaster.labels
            self._announce(self._live.forecaster.name, self._labels)
        if forecast.at.date() != self._day:
            self._day = forecast.at.date()
            self._begin_day(forecast.at)

    def acknowledge(self, payload: bytes) -> None:
        """Somebody knows of something unusual; say so from here on, or why not."""
        answer = self._acknowledged.acknowledge(payload, self._unusual)
        home = self._settings.home
        self._publisher.publish(
            self._topics.home(home, "bridge", "response", "acknowledge"), answer
        )
        if self._unusual is not None:
            self._unusual = self._acknowledged.mark(self._unusual)
        self._publish_unusual()

    def _publish_unusual(self) -> None:
        if self._unusual is None:  # nobody knows yet whether cameras speak
            return
        for each in self._unusual.findings:
            if self._once.is_news((each.kind, each.activity, each.since)):
                logger.info("unusual: %s", each.words)
        topic = self._topics.home(self._settings.home, "unusual")
        self._publisher.publish(topic, self._unusual, retain=True)

    def _publish(self, forecast: Forecast, attributes: ForecastAttributes) -> None:
        topic = self._topics.home(self._settings.home, "forecast")
        expiry_s = N_EXPIRY * self._refresh_s
        self._publisher.publish(topic, forecast, retain=True, expiry_s=expiry_s)
        self._publisher.publish(
            f"{topic}/availability", ONLINE if forecast.fresh else OFFLINE, retain=True
        )
        self._publisher.publish(
            f"{topic}/attributes", attributes, qos=0, retain=True, expiry_s=expiry_s
        )

    def _begin_day(self, at: datetime) -> None:
        """Do what is done once a day: heavy learning, a look at the journal, and forgetting."""
        self._look_for_unknown_labels()
        self._journal.look_for_damage()
        self._refit(self._live.forecaster.refit)
        days = self._settings.forecast.retention_days
        if days is None:
            return
        try:
            forgotten = self._journal.age_out(at, timedelta(days=days))
        except DBAPIError as error:
            logger.error("old events cannot be deleted: %s", error.orig)
            return
        if forgotten.n_deleted:
            logger.info("%s events older than %s days are deleted", forgotten.n_deleted, days)
        if forgotten.n_doubtful:
            self._once.warn(
                "retention",
                f"{forgotten.n_doubtful} events are older than {days} days by the home's clock, "
                "and har-forecast has not run for so long since it received them; is a clock "
                "wrong? They stay until it has; --delete ..DATE deletes them all the same",
            )

    def _refit_in_thread(self, refit: Callable[[], None]) -> None:
        if not self._refitting.is_alive():
            self._refitting = threading.Thread(target=refit, name="refit", daemon=True)
            self._refitting.start()

    def _look_for_unknown_labels(self) -> None:
        """Say once of each rule and sensor that what it waits for is known to nobody.

        A home that has not lived through a day may know it tomorrow.
        """
        has_lived = self._live.forecaster.n_days > 1
        waiting = awaited_labels(self._settings) if has_lived else {}
        known = {*self._labels, *(bundles_by_label(self._settings) if waiting else ())}
        for name, label in waiting.items():
            if label not in known:
                self._once.warn(
                    ("awaited", name),
                    f"{name}: neither a bundle nor what this home has learnt knows {label!r}; "
                    + suggest_label(label, sorted(known)),
                )

    def _rebuild(self, *, until: datetime | None) -> None:
        before, learning = self._live, self._learning
        live = learning.resumed(until=until)
        self._live = live or learning.learned(learning.unlearned(), until=until)
        self._day = learning.day
        if before.heard_at:
            self._live.heard_at, self._live.watched_since = before.heard_at, before.watched_since
