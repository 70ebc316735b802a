"""The forecaster: what every model shares, from the running session to the outlook.

z_t is the activity of session t, y_t what was observed of it. A model says how one activity follows
another; all else is here.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from har_stream.core.activity import UNKNOWN
from predictor.estimators.durations import Begun, Durations
from predictor.estimators.evidence import Lengths, Rooms, Sensors
from predictor.estimators.filtering import Array
from predictor.estimators.novelty import Novelty
from predictor.estimators.quantiles import QUANTILES, TimeDistribution
from predictor.estimators.soon import Soon
from predictor.models import rollout
from predictor.outlook import HORIZONS_S, Observation, Outlook
from predictor.prior.common_habits import CommonHabits
from predictor.sessions import MERGE_GAP_S

LIKELIHOOD_FLOOR = 1e-4
"""A recogniser is never surer than this that it does not see an activity."""
CERTAIN = 1.0 - 1e-9
"""A belief above this is not weighed any further."""
SEEN_S = 120.0
"""What a camera said so long ago still holds: cameras repeat themselves twice a minute."""
UNSEEN_S = 6 * 3600.0
"""After so long without cameras habits alone are left; whole days beyond it are not walked."""
DAY_S = 86_400.0


def hour_of(at: datetime) -> float:
    """Return the local time of day in hours."""
    return at.hour + at.minute / 60.0 + at.second / 3600.0


@dataclass(kw_only=True)
class Forecaster(ABC):
    """A causal model of one home: it sees observations in order, and never the future.

    It learns from an empty start, and everything that it knows is a field of its own. `observe`
    both filters and learns; deleting what comes later changes nothing. Instants are timezone-aware,
    in the home's zone, and never go back.

    Attributes:
        repeats: Whether an activity may follow itself. Otherwise its coming again is the same
            session going on, and the next activity is a different one.
        confusion: p(label recognised | label true) by true, then recognised label; how far a label
            without probabilities is trusted. Empty: fully.
        activities: Labels in the order of their first appearance.
        last: Index of the activity that was last reported; -1 at first.
        before: Index of the activity before the running one; -1 at first.
        since: When the running session began.
        ended_at: When it ended, where nothing has followed yet.
        newest: The newest instant told of.
        days: Days with observations.
        starts: Observations.
        novelty: How likely an activity is that was never seen before.
        common: What homes have in common; empty: nothing is known before the first observation.
        dwells: Time from an activity's start to the next one's.
        pauses: Time from an activity's end to the next one's start.
        lengths: How long each activity itself lasts.
        gaps: How long nothing was seen before each activity.
        soon: What began soon after each start and end.
        rooms: Where activities happen.
        sensors: Which sensors are on while they last.
        context: Newest value per context topic.
    """

    repeats: bool = False
    confusion: dict[str, dict[str, float]] = field(default_factory=dict)
    activities: list[str] = field(default_factory=list)
    last: int = -1
    before: int = -1
    since: datetime | None = None
    ended_at: datetime | None = None
    newest: datetime | None = None
    days: int = 0
    starts: int = 0
    novelty: Novelty = field(default_factory=Novelty)
    common: CommonHabits = field(default_factory=CommonHabits)
    dwells: Durations = field(default_factory=Durations)
    pauses: Durations = field(default_factory=Durations)
    lengths: Lengths = field(default_factory=Lengths)
    gaps: Lengths = field(default_factory=Lengths)
    soon: Soon = field(default_factory=Soon)
    rooms: Rooms = field(default_factory=Rooms)
    sensors: Sensors = field(default_factory=Sensors)
    context: dict[str, float | str] = field(default_factory=dict)

    @property
    @abstractmethod
    def name(self) -> str:
        """The model's name: ``hmm``, ``dbn``, or that of a baseline."""

    @abstractmethod
    def _grow(self) -> None:
        """Make room for the newest activity."""

    @abstractmethod
    def predict_and_condition(self, likelihood: Array, at: datetime) -> None:
        """Filter one transition, then learn from it: a new session began.

        p(z_t | y_1:t) ~ p(y_t | z_t) sum_z' p(z_t | z_t-1 = z', context) p(z_t-1 = z' | y_1:t-1)

        Args:
            likelihood: p(y_t | z_t) up to a factor, shape (activities,).
            at: When it began.
        """

    @abstractmethod
    def condition(self, likelihood: Array) -> None:
        """Filter without a transition: p(z_t | y_1:t, e) ~ p(e | z_t) p(z_t | y_1:t).

        Args:
            likelihood: p(e | z_t) of further evidence e, shape (activities,).
        """

    @abstractmethod
    def activity_probabilities(self) -> Array:
        """Return p(z_t | y_1:t), the running activity, shape (activities,)."""

    @abstractmethod
    def next_activity_probabilities(self, at: datetime) -> Array:
        """Return p(z_t+1 | y_1:t, session t ends at `at`), shape (activities,)."""

    @abstractmethod
    def rhythm(self) -> rollout.Rhythm:
        """Return the home's habits in small."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Activities known so far, ``unknown`` last."""
        return (*self.activities, UNKNOWN)

    @property
    def n_days(self) -> int:
        """Days of data that it has learnt from."""
        return self.days

    @property
    def n_starts(self) -> int:
        """Activity starts that it has learnt from."""
        return self.starts

    @property
    def seen_until(self) -> datetime | None:
        """The newest instant that it was told of; an older one is refused."""
        return self.newest

    def observe(self, observation: Observation) -> None:
        """Filter and learn from the start of an activity.

        Raises:
            ValueError: It lies before `seen_until`.
        """
        at = observation.started_at
        self._advance_clock(at)
        self.starts += 1
        index = self._index_of(observation.activity)
        likelihood = self.emission_likelihood(observation)
        if index == self.last and not self.repeats:
            # The running session goes on, or begins anew: more evidence on it, but no transition.
            self.condition(likelihood)
            if self.ended_at is not None and (at - self.ended_at).total_seconds() >= MERGE_GAP_S:
                self.since = at
        else:
            # The running session is over: how long it lasted is learnt, and what it was by that.
            self._close_session(at)
            # The pause before a session is evidence, too, where the label leaves a doubt.
            pause_s = (at - self.ended_at).total_seconds() if self.ended_at else 0.0
            self.sensors.begin()
            if np.count_nonzero(likelihood) > 1:
                likelihood = likelihood * self.gaps.likelihood(pause_s) * self._sensed(was_on=True)
            # One step of the filter; the model's own counts follow.
            self.predict_and_condition(likelihood, at)
            self.gaps.add(self.activity_probabilities(), pause_s)
            self.since, self.last = at, index
        if self.since == at:
            self.soon.begin(self._likeliest(), at)
        self.ended_at = None
        if observation.room is not None:
            self.rooms.add(self.activity_probabilities(), observation.room)

    def end(self, at: datetime) -> None:
        """Take in that the running activity ended and nothing has followed yet.

        Raises:
            ValueError: It lies before `seen_until`.
        """
        self._advance_clock(at)
        if self.since is not None and self.ended_at is None:
            self._learn_length(at)
            self.ended_at = at
            self.soon.end(self._likeliest(), at)

    def lose_track(self) -> None:
        """Take in that nobody told what happened since: nothing is learnt of how long it lasted."""
        self.since = self.ended_at = None

    def sense(self, sensor: str, is_on: bool | None, at: datetime) -> None:
        """Take in what a sensor says from now on; ``None`` where it tells nothing any more.

        Each is evidence once a session: when it is on for the first time, or at the end if never.
        """
        self._advance_clock(at)
        is_evidence = self.sensors.read(sensor, is_on)
        if is_evidence and self.since is not None and self.ended_at is None:
            self.condition(self.sensors.likelihood({sensor: True}, self.activities))

    def set_context(self, name: str, value: float | str, at: datetime) -> None:
        """Take in a context topic's value."""
        self._advance_clock(at)
        self.context[name] = value

    def refit(self) -> None:  # noqa: B027 -- most models have nothing to do
        """Do the heavy learning, if any; meant for quiet hours, safe to leave out.

        It may run in another thread while the others are called.
        """

    def next_start(self, at: datetime) -> TimeDistribution:
        """Return the distribution of the time until the next activity starts."""
        if self.since is None:
            return TimeDistribution(np.array([0.0, 86400.0]), np.array([0.0, 1.0]))
        durations, begun = (
            (self.dwells, self.since) if self.ended_at is None else (self.pauses, self.ended_at)
        )
        elapsed_s = max((at - begun).total_seconds(), 0.0)
        return durations.remaining(
            self._begun(self._likeliest(), begun), day=float(at.toordinal()), elapsed_s=elapsed_s
        )

    def outlook(self, at: datetime, *, unseen_s: float = 0.0) -> Outlook:
        """Forecast, without changing any state.

        Args:
            at: Now.
            unseen_s: How long no camera has spoken. What may have happened meanwhile is walked
                through, so that what was seen counts for less and habits for more.
        """
        if self.newest is not None:  # a stream of its own pace may stand still in its own time
            unseen_s = min(unseen_s, (at - self.newest).total_seconds())
        if unseen_s > SEEN_S and len(self.activities) >= 2:
            return self._outlook_unseen(at, unseen_s)
        start = self.next_start(at)
        p10_s, p50_s, p90_s = (start.quantile(share) for share in QUANTILES)
        if len(self.activities) < 2:
            nothing = {horizon: dict[str, float]() for horizon in HORIZONS_S}
            return Outlook(
                at, self.current(), {UNKNOWN: 1.0}, {}, (p10_s, p50_s, p90_s), nothing, ()
            )
        known = self.next_activity_probabilities(self._asked_at(at, p50_s))
        paths = rollout.roll_out(
            known, start, hour=hour_of(at), rhythm=self.rhythm(), durations=self.dwells
        )
        reached = rollout.within(paths, len(known))
        if self.since is not None:  # else nobody knows what goes on
            reached = self.soon.blended(reached, at, list(HORIZONS_S.values()))
        return Outlook(
            at=at,
            current=self.current(),
            next=self.next_activity(at, p50_s),
            next_room=self.rooms.likely(known),
            next_start_s=(p10_s, p50_s, p90_s),
            within=self._by_horizon(reached),
            sequence=tuple(self.activities[index] for index in rollout.sequence(paths)),
        )

    def _likeliest(self) -> int:
        return int(self.activity_probabilities().argmax())

    def _outlook_unseen(self, at: datetime, unseen_s: float) -> Outlook:
        seen_at = at - timedelta(seconds=unseen_s)
        unseen_s -= max(unseen_s - UNSEEN_S, 0.0) // DAY_S * DAY_S
        start = self.next_start(seen_at)
        known = self.next_activity_probabilities(self._asked_at(seen_at, start.quantile(0.5)))
        paths = rollout.roll_out(
            known,
            start,
            hour=hour_of(seen_at),
            rhythm=self.rhythm(),
            durations=self.dwells,
            unseen_s=unseen_s,
        )
        running = rollout.in_progress(paths, self.activity_probabilities(), unseen_s)
        ahead = rollout.skip(paths, unseen_s)
        following = np.bincount(ahead.activities[0], minlength=len(known)) / rollout.N_PATHS
        p10_s, p50_s, p90_s = np.quantile(ahead.starts_s[0], QUANTILES).tolist()
        return Outlook(
            at=at,
            current=self._named(running),
            next=self._with_unknown(following),
            next_room=self.rooms.likely(following),
            next_start_s=(p10_s, p50_s, p90_s),
            within=self._by_horizon(rollout.within(ahead, len(known))),
            sequence=tuple(self.activities[index] for index in rollout.sequence(ahead)),
        )

    def next_activity(self, at: datetime, start_s: float) -> dict[str, float]:
        """Return p(next activity), should it start `start_s` after `at`; with ``unknown``.

        To be asked once something was observed.
        """
        return self._with_unknown(self.next_activity_probabilities(self._asked_at(at, start_s)))

    def _with_unknown(self, known: Array) -> dict[str, float]:
        unknown = self.novelty.probability(self.common.diversity)
        return {**self._named((1.0 - unknown) * known), UNKNOWN: unknown}

    def current(self) -> dict[str, float]:
        """Return p(activity now | observations so far)."""
        return self._named(self.activity_probabilities())

    def _asked_at(self, at: datetime, start_s: float) -> datetime:
        """Take the expected start while an activity runs; once it has ended, when it did.

        That is when what follows was learnt from, and a long pause alone makes nothing else likely.
        """
        return self.ended_at or at + timedelta(seconds=start_s)

    def _by_horizon(self, reached: Array) -> dict[str, dict[str, float]]:
        return {name: self._named(row) for name, row in zip(HORIZONS_S, reached, strict=True)}

    def _named(self, values: Array) -> dict[str, float]:
        return dict(zip(self.activities, values.tolist(), strict=True))

    def _advance_clock(self, at: datetime) -> None:
        if self.newest is not None and at < self.newest:
            raise ValueError(f"told of {at} after {self.newest}; tell of instants in their order")
        if self.newest is None or at.date() != self.newest.date():
            self.days += 1
        self.newest = at

    def _index_of(self, label: str) -> int:
        is_new = label not in self.activities
        self.novelty.add(is_new=is_new, diversity=self.common.diversity)
        if is_new:
            self.activities.append(label)
            self.common.add_label(label)
            times = (self.dwells, self.pauses, self.lengths, self.gaps, self.soon)
            for part in (*times, self.rooms, self.sensors):
                part.grow(len(self.activities))
            self._grow()
        return self.activities.index(label)

    def emission_likelihood(self, observation: Observation) -> Array:
        """Return p(y_t | z_t) up to a factor, shape (activities,): of label and room."""
        label = observation.activity
        if observation.probabilities:
            # Under a uniform prior, as recognisers are calibrated, p(y | z) ~ p(z | y).
            given = np.array([observation.probabilities.get(each, 0.0) for each in self.activities])
        elif self.confusion:
            rows = [(each, self.confusion.get(each, {})) for each in self.activities]
            given = np.array([row.get(label, each == label) for each, row in rows], float)
        else:
            certain = np.zeros(len(self.activities))
            certain[self.activities.index(label)] = 1.0
            return certain
        if observation.room is not None:
            given = given * self.rooms.likelihood(observation.room)
        likelihood: Array = np.maximum(given, LIKELIHOOD_FLOOR)
        return likelihood

    def _close_session(self, at: datetime) -> None:
        """Learn how long the running session and the pause after it lasted."""
        if self.since is None:
            return
        if self.ended_at is None:
            self._learn_length(at)
        activity = self._likeliest()
        for durations, begun in ((self.dwells, self.since), (self.pauses, self.ended_at)):
            if begun is not None:
                durations.add(self._begun(activity, begun), (at - begun).total_seconds())
        self.before = activity

    def _learn_length(self, ended_at: datetime) -> None:
        """Let the length of the running session say what it was; then learn from it."""
        if self.since is None:
            return
        seconds = (ended_at - self.since).total_seconds()
        if self.activity_probabilities().max() < CERTAIN:
            self.condition(self.lengths.likelihood(seconds) * self._sensed(was_on=False))
        self.lengths.add(self.activity_probabilities(), seconds)
        self.sensors.add(self.activity_probabilities())

    def _sensed(self, *, was_on: bool) -> Array:
        """Return the likelihood of the sensors that were, or were not, on in this session."""
        alike = {name: seen for name, seen in self.sensors.seen.items() if seen is was_on}
        return self.sensors.likelihood(alike, self.activities)

    def _begun(self, activity: int, at: datetime) -> Begun:
        return Begun(activity, self.before, hour_of(at), float(at.toordinal()))
