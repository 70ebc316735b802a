"""What is known of a home, from its journal: learnt from the start, or from a snapshot on.

A snapshot holds model and filter as they were, and how far the journal had come by then; what the
journal has received since is lived through after it. A snapshot that cannot be used, or does not
fit the journal, costs a replay of the journal and nothing else.
"""

import copy
import hashlib
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from har_stream.bundles.bundle import read_named_manifest
from har_stream.config.settings import Settings, zone_of
from har_stream.core.errors import InputError
from har_stream.core.log_once import LogOnce
from predictor.estimators.durations import Durations
from predictor.estimators.evidence import Lengths, Rooms, Sensors
from predictor.estimators.forest import Forest
from predictor.estimators.mixing import Mixture
from predictor.estimators.novelty import Novelty
from predictor.estimators.softmax import Softmax
from predictor.estimators.soon import Soon
from predictor.journal.corrections import correct_memories
from predictor.journal.journal import Journal
from predictor.journal.records import ContextValue, JournalEntry
from predictor.models import store
from predictor.models.dbn import DbnForecaster, FittedExperts
from predictor.models.history import History
from predictor.models.hmm import HmmForecaster
from predictor.models.online import Forecaster
from predictor.models.residents import Residents
from predictor.models.state_bytes import OTHER_VERSION, StateError, pack, unpack
from predictor.models.time_and_context import CaseBook
from predictor.outlook import Observation
from predictor.prior.common_habits import CommonHabits, common_habits
from predictor.sensors.readings import SensorReadings, given_shares
from predictor.service.camera_fusion import CameraFusion, Places
from predictor.service.home_clock import HomeClock
from predictor.service.home_forecast import HomeForecast
from predictor.service.running_scores import RunningScores, Tally
from predictor.unusual.budget import Budget
from predictor.unusual.habits import DailyHabit, UsualHours, UsualLengths
from predictor.unusual.watch import RunningActivity, UnusualWatch

logger = logging.getLogger(__name__)

SCHEMA = 1
"""Of snapshots; to be raised where the same fields mean something else."""
N_REPLAYED = 20_000
"""Newest events of the journal that a model learns from at the start: those of a year or more."""
N_REMEMBERED = 10_000
"""Newest of them that are known again should they still be waiting to be taken in."""
CLASSES: tuple[type, ...] = (
    *(HmmForecaster, DbnForecaster, FittedExperts, CaseBook, History, Residents, CommonHabits),
    *(Durations, Lengths, Rooms, Sensors, Forest, Mixture, Novelty, Softmax, Soon),
    *(HomeClock, Places, CameraFusion, Observation, RunningScores, Tally),
    *(UnusualWatch, RunningActivity, Budget, DailyHabit, UsualHours, UsualLengths),
)
"""What a home's state is made of."""


class HomeLearning:
    """Makes what is known of a home.

    Args:
        settings: All settings; ``forecast`` says most.
        journal: What is learnt from.
        sensors: Told at the first time what the journal holds of them; with any there is no
            snapshot, for it holds nothing of them.
        make_forecaster: Makes the model to start from, empty or fitted.
        load_snapshot: Returns the newest snapshot; ``None`` where there is none.
        once: Says what has not been said before.
        monotonic: Seconds that no correction of the clock touches.

    Attributes:
        last_deletion: The journal's last deletion when it was learnt from.
        replayed: Ids of events that were learnt, as far as they may still wait to be taken in.
        took_s: How long it took.
        day: For which all was done that is done once a day, by the snapshot; none: of no day.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        sensors: SensorReadings,
        *,
        make_forecaster: Callable[[], Forecaster],
        load_snapshot: Callable[[], bytes | None],
        once: LogOnce,
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._sensors = sensors
        self._make_forecaster = make_forecaster
        self._load_snapshot = load_snapshot
        self._once = once
        self._monotonic = monotonic
        self.last_deletion: int | None = None
        self.replayed: frozenset[str] = frozenset()
        self.took_s = 0.0
        self.day: date | None = None
        self._remembered: deque[str] = deque(maxlen=N_REMEMBERED)

    def unlearned(self) -> HomeForecast:
        """Return what is known of a home of which nothing was heard."""
        return HomeForecast(
            self._make_forecaster(),
            self._once,
            stale_after_s=self._settings.forecast.stale_after_s,
            zone=zone_of(self._settings),
            unusual_per_month=self._settings.forecast.unusual_per_month,
            n_residents=self._settings.forecast.residents,
        )

    def learned(
        self, live: HomeForecast, *, until: datetime | None, is_first: bool = False
    ) -> HomeForecast:
        """Have it learn from the journal, in the order in which things happened.

        Args:
            live: What knows nothing yet.
            until: Leave out what is dated later, by a clock that was wrong.
            is_first: Whether sensors are to be told what the journal holds.

        Raises:
            sqlalchemy.exc.DBAPIError: The journal cannot be read.
        """
        self.last_deletion = self._journal.last_deletion()
        self.day = None
        since = self._journal.instant_of(N_REPLAYED)
        judged = HomeClock()
        wrong = judged.judge(self._journal.arrivals(since=since))
        memories = self._journal.memories(since=since)
        corrected = correct_memories(
            self._noted(memories, wrong=wrong, is_first=is_first),
            self._journal.corrections.since(since),
        )
        self._live_through(live, corrected, until=until)
        live.clock.is_live = judged.is_live
        return live

    def resumed(self, *, until: datetime | None = None) -> HomeForecast | None:
        """Return what the snapshot holds, having lived through what came after it.

        Returns:
            ``None`` where there is no snapshot, or none that fits settings and journal; also where
            something came since that happened before it.

        Raises:
            sqlalchemy.exc.DBAPIError: Journal or snapshot cannot be read.
        """
        content = self._load_snapshot()
        if content is None:
            return None
        with self._journal.reading.together():
            return self._lived_on(content, until=until)

    def _lived_on(self, content: bytes, *, until: datetime | None) -> HomeForecast | None:
        """Live on from a snapshot; see `resumed`."""
        deletion = self._journal.last_deletion()
        try:
            kept = unpack(content, CLASSES, zone=zone_of(self._settings))
            if kept["schema"] != SCHEMA:
                raise StateError(f"{OTHER_VERSION}: schema {kept['schema']}, not {SCHEMA}")
            if kept["made for"] != self._made_for(deletion):
                return None
            live = self.unlearned()
            live.restore(kept["home"])
            received_s = float(kept["received_s"])
            day = date.fromisoformat(kept["day"]) if kept["day"] else None
        except (StateError, KeyError, TypeError, ValueError) as error:
            told = f"the snapshot of home {self._settings.home} is not used: {error}"
            self._once.warn("snapshot", f"{told}; its journal is replayed instead")
            return None
        clock = live.clock
        if until is not None and clock.newest is not None and clock.newest > until:
            return None
        arrivals = list(self._journal.arrivals(received_after_s=received_s))
        judged = copy.deepcopy(clock)
        wrong = judged.judge(arrivals)
        if any(each.id not in wrong and clock.is_past(each.at) for each in arrivals):
            return None
        self.last_deletion, self.day = deletion, day
        memories = self._journal.memories(received_after_s=received_s)
        # What corrections speak of lies before the snapshot, which was made for the same ones.
        self._live_through(live, self._noted(memories, wrong=wrong), until=until)
        clock.is_live = judged.is_live
        return live

    def snapshot(self, live: HomeForecast, *, day: date | None) -> bytes:
        """Return all that is known as bytes, for a later `resumed`.

        Args:
            live: What has taken in all that the journal holds.
            day: Of the home's time, for which all was done that is done once a day.

        Raises:
            sqlalchemy.exc.DBAPIError: The journal cannot be read.
        """
        kept = {
            "schema": SCHEMA,
            "made for": self._made_for(self.last_deletion),
            "received_s": self._journal.running_s(),
            "day": day and day.isoformat(),
            "home": live.state(),
        }
        return pack(kept, CLASSES)

    def _made_for(self, deletion: int | None) -> str:
        """Name all that a snapshot holds for: settings, corrections and deletions."""
        named = ("model", "path", "bundle", "residents", "unusual_per_month")
        content = [
            str(deletion),
            self._settings.timezone,
            self._settings.forecast.model_dump_json(include={*named}),
            [repr(each) for each in self._journal.corrections.since()],
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _noted(
        self,
        memories: Iterator[JournalEntry | ContextValue],
        *,
        wrong: set[str],
        is_first: bool = False,
    ) -> Iterator[JournalEntry | ContextValue]:
        """Yield the memories that count; ids of events are remembered, whether they count or not.

        Args:
            memories: In the order in which they happened.
            wrong: Ids of events that are not to be believed.
            is_first: Whether sensors are to be told of them.
        """
        self._remembered.clear()
        for memory in memories:
            if is_first:
                self._sensors.remember(memory)
            if isinstance(memory, ContextValue):
                if not self._sensors.is_known(memory):
                    continue
            else:
                self._remembered.append(memory.event.id)
                if memory.event.id in wrong:
                    continue
            yield memory

    def _live_through(
        self,
        live: HomeForecast,
        memories: Iterator[JournalEntry | ContextValue],
        *,
        until: datetime | None,
    ) -> None:
        began = self._monotonic()
        n_events = live.replay(memories, until=until)
        self.replayed = frozenset(self._remembered)
        self._remembered.clear()
        self.took_s = self._monotonic() - began
        if n_events:
            events = f"{n_events} event{'s' * (n_events != 1)}"
            logger.info("the model has lived through %s in %.1f s", events, self.took_s)


def make_forecaster(settings: Settings) -> Forecaster:
    """Make the model that a home starts from, empty or fitted, as its settings say.

    Raises:
        InputError: There is no such model or bundle.
    """
    asked = settings.forecast
    path = asked.path
    now = datetime.now(UTC)
    if path is None:
        forecaster = store.create(asked.model, common=common_habits())
    else:
        forecaster = store.load(path, now=now)
    if forecaster.seen_until is not None:
        here = forecaster.seen_until.astimezone(zone_of(settings))
        _compare_clocks(path, f"{forecaster.seen_until:%z}", f"{here:%z}")
    if "model" in asked.model_fields_set and forecaster.name != asked.model:
        raise InputError(
            f"{asked.path}: holds a model of kind {forecaster.name}, not {asked.model}; leave the "
            f"kind out, or make such a model with train-hmm LOG --model {asked.model}"
        )
    if asked.bundle:
        manifest = read_named_manifest(asked.bundle, state_dir=settings.state_dir)
        forecaster.confusion = manifest.confusion_by_label()
    forecaster.sensors.given = given_shares(asked.sensors)
    return forecaster


@cache
def _compare_clocks(path: Path, there: str, here: str) -> None:
    """Notice, once, a model of a log that was read in another zone than the home's."""
    if there != here:
        logger.warning(
            "%s was fitted with clocks at UTC%s, the home's are at UTC%s: its hours are not the "
            "home's; set timezone, or fit it anew in the home's zone: TZ=Europe/Berlin train-hmm",
            path,
            there,
            here,
        )
