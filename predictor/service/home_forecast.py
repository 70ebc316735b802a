"""A home's forecaster, fed with events as they arrive: time, home, model and scores in one place.

Pure: no broker, no database, no clock of its own.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from har_stream.config.ids import SENSORS
from har_stream.core.activity import MAX_NAME_LENGTH, UNKNOWN
from har_stream.core.log_once import LogOnce
from har_stream.mqtt.messages import (
    ActivityEvent,
    ActivityState,
    Forecast,
    ForecastAttributes,
    Likely,
    Resident,
    Unusual,
    UnusualFinding,
)
from predictor.journal.records import CameraKey, ContextValue, JournalEntry
from predictor.models.online import Forecaster
from predictor.models.residents import Residents
from predictor.models.store import copy_of
from predictor.outlook import Observation, Outlook
from predictor.sensors.readings import CONTEXT, READINGS
from predictor.service.camera_fusion import ActivityEnd, Places
from predictor.service.forecast_message import (
    Evidence,
    activity_of,
    attributes_of,
    forecast_of,
    has_enough,
    resident_of,
)
from predictor.service.home_clock import LIVE, WRONG, HomeClock, Timing
from predictor.service.running_scores import RunningScores
from predictor.unusual.watch import UnusualWatch

logger = logging.getLogger(__name__)

MAX_ACTIVITIES = 100
"""More than any home has; what comes beyond them is `unknown`, so that a model stays small."""
FIRST_REFIT = 50
"""Activity starts before a model is refitted for the first time."""
LEARNING, HOLIDAY = "learning", "holiday"
"""Context topics with a meaning of their own: off while there are guests, or nobody is at home; on
where a day is like one of a weekend."""
_OFF = ("off", "false", "no", "0.0", "")
CAMERAS_GONE = timedelta(days=7)
"""After so long without any camera, sensors alone keep forecasts fresh."""
KEPT = (
    *("_residents", "_before_pause", "_watch", "clock", "_places", "_scores"),
    *("_fitted_until", "_fitted_labels", "_camera_heard_at", "heard_at", "watched_since"),
)
"""What a snapshot holds of a home; what a camera with a wrong clock saw is gone in minutes."""
_SAYINGS = {
    Timing.FUTURE: "is from the future; it is kept in the journal, not believed",
    Timing.PAST: "is long before the last one; it is kept in the journal, not believed",
    Timing.STEPPED_BACK: "is before the last one: the camera's clock was corrected",
    Timing.REWOUND: "does not go on from the last one; the home's time begins anew there",
}


class _Doubted(NamedTuple):
    """What a camera with a wrong clock saw last, and when it was last heard by the wall clock."""

    camera: CameraKey
    seen: Likely
    heard_at: datetime


class HomeForecast:
    """What is known of a home now.

    Args:
        forecaster: Empty, or fitted before; what it has seen already is not learnt twice.
        once: Says what has not been said before.
        stale_after_s: Forecasts are fresh until no camera has spoken for so long.
        zone: The home's time zone, whose hours count, whatever zone an event was dated in; ``None``
            stands for this machine's.
        unusual_per_month: How often it may be wrong that something is unusual.
        n_residents: How many live there.

    Attributes:
        heard_at: When a camera last spoke of its present, by the wall clock.
        watched_since: Since when cameras have done so without a pause, in the home's time.
    """

    def __init__(
        self,
        forecaster: Forecaster,
        once: LogOnce,
        *,
        stale_after_s: float,
        zone: tzinfo | None = None,
        unusual_per_month: float = 1.0,
        n_residents: int = 1,
    ) -> None:
        self._n_residents = n_residents
        self._residents = Residents(forecaster, n_residents)
        self._before_pause: Forecaster | None = None
        self._watch = UnusualWatch(per_month=unusual_per_month)
        self.clock = HomeClock()
        self._places = Places(n_residents)
        self._doubted: _Doubted | None = None
        self._scores = RunningScores()
        self._fitted_until = forecaster.seen_until
        self._fitted_labels = frozenset(forecaster.labels) if forecaster.n_days else None
        self._once = once
        self._zone = zone
        self._stale_after = timedelta(seconds=stale_after_s)
        self._camera_heard_at: datetime | None = None
        self.heard_at: datetime | None = None
        self.watched_since: datetime | None = None

    @property
    def forecaster(self) -> Forecaster:
        """The model."""
        return self._residents.forecaster

    def state(self) -> dict[str, Any]:
        """Return all that has been learnt and heard, by name."""
        return {name: getattr(self, name) for name in KEPT}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` returned.

        Raises:
            KeyError: Something is missing.
        """
        for name in KEPT:
            setattr(self, name, state[name])

    def replay(
        self, memories: Iterable[JournalEntry | ContextValue], *, until: datetime | None = None
    ) -> int:
        """Take in what the journal holds, in order; returns how many events counted.

        The model is refitted as often as what it has seen doubles: every night would take long.

        Args:
            memories: Events and context values, ordered by when they happened.
            until: Leave out what is dated later, by a clock that was wrong.
        """
        self.clock.is_replaying = True
        n_events, refit_at = 0, max(FIRST_REFIT, 2 * self.forecaster.n_starts)
        for memory in memories:
            if until is not None and memory.happened_at > until:
                break
            if isinstance(memory, ContextValue):
                self.set_context(memory.name, memory.value, at=memory.happened_at)
            else:
                n_events += self.take_event(memory) is Timing.TIMELY
            if self.forecaster.n_starts >= refit_at:
                self.forecaster.refit()
                refit_at = 2 * self.forecaster.n_starts
        self.clock.is_replaying = False
        return n_events

    def take_event(self, entry: JournalEntry) -> Timing:
        """Take in an event; one that is late, rewound or from a wrong clock teaches nothing.

        In a live home the latter is shown all the same, for it has just come.
        """
        event, wall = entry.event, entry.received_at
        camera, at = (event.node, event.camera), entry.happened_at.astimezone(self._zone)
        timing = self.clock.timing_of(camera, at, seq=event.seq, wall=wall)
        if timing in _SAYINGS:
            told = f"{event.node}/{event.camera}: an event at {at} {_SAYINGS[timing]}"
            self._once.warn((timing, camera), told)
        if timing in WRONG:
            self.clock.note_wrong(camera, at, wall=wall)
            if self.clock.is_live:
                self._doubted = self._doubt(event, wall)
        if timing in (Timing.TIMELY, Timing.STEPPED_BACK):
            self._change(event, self.clock.advance(camera, at, seq=event.seq, wall=wall))
            # What the journal holds was heard as it happened, or was brought there later.
            by_sensors = event.node == SENSORS  # who end something by saying nothing, too
            if abs(wall - at) <= LIVE if self.clock.is_replaying else not by_sensors:
                self._hear(wall, by_sensors=by_sensors)
        return timing

    def take_state(self, camera: CameraKey, state: ActivityState, *, wall: datetime) -> None:
        """Take in a camera's heartbeat: time goes on, and somebody unknown may be there."""
        if self.clock.note_heartbeat(camera, state.at.astimezone(self._zone), wall=wall):
            self._hear(wall)
        elif self._doubted and self._doubted.camera == camera:
            self._doubted = self._doubted._replace(heard_at=wall)
        self._places.note_state(camera, state.activity, room=state.room)

    def take_sensors(
        self, likely: Mapping[CameraKey, tuple[str, str | None]], *, heard_at: datetime | None
    ) -> None:
        """Take in what goes on by sensors alone, and in which room.

        Args:
            likely: Activity and room by place.
            heard_at: The wall clock's time, where any of them says something.
        """
        for camera, (activity, room) in likely.items():
            self._places.note_state(camera, activity, room=room)
        if heard_at is not None:
            self._hear(heard_at, by_sensors=True)

    def set_context(self, name: str, value: float | str, *, at: datetime) -> None:
        """Take in a context value, or what a sensor says."""
        sensor = name.removeprefix(CONTEXT)
        if sensor != name:
            # Of several residents nobody knows whom it speaks of.
            if self._n_residents == 1 and self._is_news(at):
                at = self._not_before(at.astimezone(self._zone))
                self.forecaster.sense(sensor, READINGS.get(str(value)), at)
            return
        is_on = str(value).lower() not in _OFF
        if name == LEARNING:
            self._set_learning(is_on, at.astimezone(self._zone))
            return
        if name == HOLIDAY:
            self._watch.set_holiday(is_on, at.astimezone(self._zone))
        if self._is_news(at):
            self.forecaster.set_context(name, value, self._not_before(at.astimezone(self._zone)))

    def now(self, wall: datetime) -> datetime:
        """The home's time; before the first event it is the wall clock's."""
        wall = wall.astimezone(self._zone)
        return self.clock.now(wall) or wall

    def messages(self, wall: datetime) -> tuple[Forecast, ForecastAttributes]:
        """Forecast, as of the home's time; where no camera speaks, as of now by the wall clock."""
        forecaster, at = self.forecaster, self.now(wall)
        self._follow_clock_back(wall)
        age = self._evidence_age(wall)
        fresh = age is not None and age <= self._stale_after
        if not fresh:
            at = max(at, wall.astimezone(self._zone))
        outlook = self._residents.outlook(at, unseen_s=age.total_seconds() if age else 0.0)
        enough = has_enough(n_days=forecaster.n_days, n_starts=forecaster.n_starts)
        return (
            forecast_of(
                outlook,
                activity=self._activity(outlook, wall, fresh=fresh),
                model=forecaster.name,
                n_days=forecaster.n_days,
                enough_data=enough and fresh,
                evidence=Evidence(age, fresh=fresh),
                residents=self._seen_residents() if fresh else [],
            ),
            attributes_of(outlook, scores=self._scores.scores(), n_scored=self._scores.n_scored),
        )

    def unusual(self, forecast: Forecast) -> Unusual:
        """Say what is unusual at the time of a forecast; nobody knows where no camera speaks."""
        at, since = forecast.at, self.watched_since
        findings = self._watch.findings(at, watched_since=since) if forecast.fresh else []
        past_days, past_days_told = self._watch.past()
        return Unusual(
            at=at,
            findings=[
                UnusualFinding(
                    kind=each.kind,
                    activity=each.activity,
                    probability=each.probability,
                    since=each.since,
                    words=each.words[:MAX_NAME_LENGTH],
                )
                for each in findings
            ],
            learning=not self._watch.is_paused,
            days=self._watch.n_days,
            per_month=self._watch.per_month,
            past_days=past_days,
            past_days_told=past_days_told,
        )

    def _set_learning(self, is_on: bool, at: datetime) -> None:
        """Pause learning, or go on as if nothing had happened meanwhile."""
        self._watch.pause(not is_on, at)
        if not is_on and self._before_pause is None:
            self._before_pause = copy_of(self.forecaster)
        elif is_on and self._before_pause is not None:
            self._before_pause.sensors.readings = self.forecaster.sensors.readings
            self._residents = Residents(self._before_pause, self._n_residents)
            self._before_pause = None
            self.forecaster.lose_track()
            self.watched_since = at

    def _hear(self, wall: datetime, *, by_sensors: bool = False) -> None:
        """Take in that somebody spoke of the present; where there are cameras, one of them must."""
        if not by_sensors:
            self._camera_heard_at = max(wall, self._camera_heard_at or wall)
        elif self._camera_heard_at and wall - self._camera_heard_at <= CAMERAS_GONE:
            return
        if self.heard_at is None or wall - self.heard_at > self._stale_after:
            self.watched_since = self.now(wall)
        self.heard_at = wall if self.heard_at is None else max(self.heard_at, wall)

    def _follow_clock_back(self, wall: datetime) -> None:
        """Nobody was heard later than now: where the wall clock was set back, age counts anew."""
        if self.heard_at is not None:
            self.heard_at = min(self.heard_at, wall)
        if self._camera_heard_at is not None:
            self._camera_heard_at = min(self._camera_heard_at, wall)
        if self._doubted is not None and self._doubted.heard_at > wall:
            self._doubted = self._doubted._replace(heard_at=wall)

    def _evidence_age(self, wall: datetime) -> timedelta | None:
        """How long no camera has spoken; ``None`` where none ever has."""
        seen_at = self.heard_at or self.clock.newest
        return None if seen_at is None else max(wall - seen_at, timedelta(0))

    def _change(self, event: ActivityEvent, at: datetime) -> None:
        known = self.forecaster.labels
        if event.activity not in known and len(known) > MAX_ACTIVITIES:
            self._once.warn("activities", f"{event.activity!r:.80} and further ones are unknown")
            event = event.model_copy(update={"activity": UNKNOWN})
        self._doubted = None
        for place, change in self._places.take_event(event, at=at):
            if isinstance(change, Observation):
                self._observe(change, place)
            elif isinstance(change, ActivityEnd):
                self._watch.end(at)
                if self._is_news(at):
                    self._residents.end(place, self._not_before(at))

    def _doubt(self, event: ActivityEvent, wall: datetime) -> _Doubted | None:
        if event.event_type == "activity_ended":
            return None
        is_known = event.activity in self.forecaster.labels
        label = event.activity if is_known else UNKNOWN
        seen = Likely(label=label, probability=event.confidence)
        return _Doubted((event.node, event.camera), seen, wall)

    def _activity(self, outlook: Outlook, wall: datetime, *, fresh: bool) -> Likely:
        if self._doubted and wall - self._doubted.heard_at <= self._stale_after:
            return self._doubted.seen
        return activity_of(outlook, self._places.activity if fresh else None)

    def _seen_residents(self) -> list[Resident]:
        """Say what each of those who are seen does, the newest first."""
        seen = [(place, self._places.seen_at(place)) for place in self._residents.places[::-1]]
        return [
            resident_of(self._residents.current(place), *seen_by)
            for place, seen_by in seen
            if seen_by is not None
        ]

    def _observe(self, seen: Observation, place: str) -> None:
        self._watch.observe(seen.activity, seen.started_at)
        if not self._is_news(seen.started_at):
            return
        at = self._not_before(seen.started_at)
        self._score(seen.activity, at)
        self._residents.observe(replace(seen, started_at=at), place)

    def _score(self, activity: str, at: datetime) -> None:
        """Score the forecast that stood until now, before the model sees what came."""
        if self._fitted_labels is not None and activity not in self._fitted_labels:
            self._once.warn(("label", activity), f"{activity!r} is new to the model; it learns it")
        likely = self._residents.next_activity(at) if self.forecaster.n_starts else {}
        self._scores.add(likely, activity, model=self.forecaster.name)

    def _is_news(self, at: datetime) -> bool:
        """What a fitted model has seen it need not learn again."""
        if self._fitted_until is None or at > self._fitted_until:
            return True
        if self._once.is_news("fitted"):
            logger.info("the model has learnt up to %s and goes on from there", self._fitted_until)
        return False

    def _not_before(self, at: datetime) -> datetime:
        """An event is dated by its start, a few seconds back; meanwhile time may have gone on."""
        newest = self.forecaster.seen_until
        return at if newest is None else max(at, newest)
