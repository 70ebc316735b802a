"""A hidden Markov model whose states are activities in a context, learnt online from counts.

A state is an activity together with a clone: which activity came before, where that is usual
enough to be told apart (a clone-structured HMM; George et al. 2021). A state emits the
recogniser's label and the hour at which the session before it ended, which is when people ask what
comes next; the first is the recogniser's confusion and stays fixed, the second is counted. Every
row of counts backs off to a coarser one with a Dirichlet prior (MacKay and Peto 1995): state ->
activity -> anything.
"""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from predictor.estimators.filtering import Array, Index, gather, predict, update
from predictor.models.online import Forecaster, hour_of
from predictor.models.rollout import Rhythm

N_CLONES = 8
"""Per activity: one for any context, the others for a predecessor each."""
CLONE_AFTER = 1
"""A predecessor gets a clone of its own once it was seen this often."""
STATE_PRIOR = 32.0
"""Strength of an activity's row as the prior of its states' rows, in observations."""
ACTIVITY_PRIOR = 8.0
"""Strength of the overall shares as the prior of an activity's row."""
HOUR_STATE_PRIOR = 16.0
"""Strength of an activity's hours as the prior of its states' hours."""
HOUR_ACTIVITY_PRIOR = 2.0
"""Strength of the overall hours as the prior of an activity's hours."""
COMMON_FOLLOWS = 4.0
"""Strength of what follows an activity in other homes as the prior of its row."""
COMMON_HOURS = 8.0
"""Strength of an activity's hours in other homes as the prior of its hours."""
COMMON_HALF_LIFE_DAYS = 3.0
"""After so many days of its own a home's pseudo-counts of other homes weigh half."""
HOUR_BANDWIDTH = 1.0
"""Width of the kernel that spreads one observation over the hours around it."""
_HOURS = np.arange(24) + 0.5


def spread_over_hours(hour: float) -> Array:
    """Return one observation's weight in each hour of the day, shape (24,); it sums to one."""
    distance = np.abs(_HOURS - hour)
    distance = np.minimum(distance, 24.0 - distance) / HOUR_BANDWIDTH
    weights = np.exp(-0.5 * distance * distance)
    spread: Array = weights / weights.sum()
    return spread


@dataclass(frozen=True, slots=True)
class Tables:
    """The probabilities that follow from the counts, for all states.

    Attributes:
        rows: p(next activity | state), shape (states, activities).
        successors: State that each of these activities stands for, same shape.
        hours: p(hour | state comes next), shape (24, states).
    """

    rows: Array
    successors: Index
    hours: Array


@dataclass(kw_only=True)
class HmmForecaster(Forecaster):
    """The `hmm` model.

    Attributes:
        belief: p(state | observations so far), shape (activities, clones).
        follows: Expected counts of what followed each state, shape (activities, clones,
            activities).
        left_for: Expected counts of the hour at which a session ended and each state came next,
            shape (activities, clones, 24).
        began: Expected counts of the hour at which each activity began, shape (activities, 24).
        clones: Clone of the second activity that the first leads to, shape (activities,
            activities); 0 means any context.
        n_clones: Clones in use per activity, shape (activities,).
        pairs: Expected counts of one activity after another, shape (activities, activities).
    """

    belief: Array = field(default_factory=lambda: np.zeros((0, N_CLONES)))
    follows: Array = field(default_factory=lambda: np.zeros((0, N_CLONES, 0)))
    left_for: Array = field(default_factory=lambda: np.zeros((0, N_CLONES, 24)))
    began: Array = field(default_factory=lambda: np.zeros((0, 24)))
    clones: Index = field(default_factory=lambda: np.zeros((0, 0), np.intp))
    n_clones: Index = field(default_factory=lambda: np.zeros(0, np.intp))
    pairs: Array = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def name(self) -> str:
        """The model's name."""
        return "hmm"

    @property
    def n_states(self) -> int:
        """Hidden states: activities x clones."""
        return self.belief.size

    def __post_init__(self) -> None:
        """Start without tables; they are made when they are needed."""
        self._tables: Tables | None = None

    def tables(self) -> Tables:
        """Return the probabilities as they stand after all that was learnt."""
        if self._tables is None:
            everything, match = np.arange(len(self.activities)), self._match()
            by_activity = self._activity_rows(everything, match)[:, None]
            n_left = self.follows.sum(axis=-1, keepdims=True)
            rows = (self.follows + STATE_PRIOR * by_activity) / (n_left + STATE_PRIOR)
            entered = everything * N_CLONES + self.clones
            n_came = self.left_for.sum(axis=-1, keepdims=True)
            by_activity_hours = self._shares_of_hours(self.left_for.sum(axis=1), match)[:, None]
            hours = (self.left_for + HOUR_STATE_PRIOR * by_activity_hours) / (
                n_came + HOUR_STATE_PRIOR
            )
            self._tables = Tables(
                rows.reshape(self.n_states, -1),
                np.repeat(entered, N_CLONES, axis=0),
                np.ascontiguousarray(hours.reshape(self.n_states, 24).T),
            )
        return self._tables

    def forget_tables(self) -> None:
        """Say that the counts have changed."""
        self._tables = None

    def joint(self, likelihood: Array, hour: float) -> tuple[Index, Array]:
        """Filter one step: a session ended at `hour`, and another began.

        p(s_t-1, z_t | y_1:t) ~ p(y_t | z_t) p(hour | s_t) p(z_t | s_t-1) p(s_t-1 | y_1:t-1), where
        the state s_t is that of activity z_t after s_t-1.

        Args:
            likelihood: p(observation | activity), shape (activities,).
            hour: Time of day; the hour of the question, too, where nothing has begun yet.

        Returns:
            The states that were possible before, and p(such a state, next activity |
            observations), shape (states, activities).
        """
        tables = self.tables()
        belief = self.belief.ravel()
        states = belief.nonzero()[0]
        predicted = predict(belief[states], tables.rows[states])
        at_hour = tables.hours[int(hour)].take(tables.successors[states])
        joint, _ = update(predicted, likelihood * at_hour)
        return states, joint

    def predict_and_condition(self, likelihood: Array, at: datetime) -> None:
        """Filter and learn by `joint`; of the first session only the label is known."""
        if self.belief.any():
            left_at = self.ended_at or at
            states, joint = self.joint(likelihood, hour_of(left_at))
            self._enter(states, joint, left_at=left_at, at=at)
        else:
            self.belief[:, 0] = likelihood / likelihood.sum()

    def _enter(self, states: Index, joint: Array, *, left_at: datetime, at: datetime) -> None:
        """Go over to the next session and learn from it; the arguments are those of `joint`."""
        belief = gather(joint, self.tables().successors[states], self.n_states)
        self._learn(states, joint)
        self.belief = belief.reshape(self.belief.shape)
        entered = np.nonzero(self.belief)
        self.left_for[entered] += self.belief[entered][:, None] * spread_over_hours(
            hour_of(left_at)
        )
        self.began += self.activity_probabilities()[:, None] * spread_over_hours(hour_of(at))
        self.forget_tables()

    def _learn(self, states: Index, joint: Array) -> None:
        activities, clones = np.divmod(states, N_CLONES)
        self.follows[activities, clones] += joint
        np.add.at(self.pairs, activities, joint)
        before = int(activities[joint.sum(axis=1).argmax()])
        after = int(joint.sum(axis=0).argmax())
        if (
            self.pairs[before, after] >= CLONE_AFTER
            and self.clones[before, after] == 0
            and self.n_clones[after] < N_CLONES
        ):
            self.clones[before, after] = self.n_clones[after]
            self.n_clones[after] += 1

    def condition(self, likelihood: Array) -> None:
        """Weigh every state by the likelihood of its activity."""
        self.belief, _ = update(self.belief, likelihood[:, None])

    def activity_probabilities(self) -> Array:
        """Return p(z_t | y_1:t): the sum of the belief over the clones."""
        believed: Array = self.belief.sum(axis=1)
        return believed

    def next_activity_probabilities(self, at: datetime) -> Array:
        """Return p(z_t+1 | y_1:t, hour): the sum of `joint` over the states."""
        _, joint = self.joint(np.ones(len(self.activities)), hour_of(at))
        onward: Array = joint.sum(axis=0)
        return onward

    def rhythm(self) -> Rhythm:
        """Return what follows each activity, and when each begins."""
        everything, match = np.arange(len(self.activities)), self._match()
        return Rhythm(
            self._activity_rows(everything, match), self._shares_of_hours(self.began, match)
        )

    def _activity_rows(self, activities: Index, match: Array) -> Array:
        """Return p(next | activity), backed off to anything, as in other homes where it is known.

        Args:
            activities: Whose rows, shape (rows,).
            match: See `CommonHabits.match`.
        """
        overall = self.pairs.sum(axis=0) + 1.0 / len(self.pairs)
        prior = np.tile(overall, (len(activities), 1))
        if not self.repeats:
            prior[np.arange(len(activities)), activities] = 0.0
        counts = self.pairs[activities] + ACTIVITY_PRIOR * _normalised(prior)
        if self.common.activities:
            rows = self.common.rows(match, overall, repeats=self.repeats)
            counts += self._trust_in_others() * COMMON_FOLLOWS * rows[activities]
        return _normalised(counts)

    def _shares_of_hours(self, by_activity: Array, match: Array) -> Array:
        """Return p(hour | activity) of counts, backed off to all activities and to other homes'.

        Args:
            by_activity: Shape (activities, 24); so is what is returned.
            match: See `CommonHabits.match`.
        """
        overall = by_activity.sum(axis=0) + 1.0 / 24
        counts = by_activity + HOUR_ACTIVITY_PRIOR * overall / overall.sum()
        if self.common.activities:
            counts += self._trust_in_others() * COMMON_HOURS * match @ self.common.hours
        return _normalised(counts)

    def _trust_in_others(self) -> float:
        """Return how much of the pseudo-counts of other homes is left after the home's own days."""
        return float(0.5 ** (self.days / COMMON_HALF_LIFE_DAYS))

    def _match(self) -> Array:
        return self.common.match(self.left_for.sum(axis=1), self.lengths.counts)

    def _grow(self) -> None:
        self.belief = np.pad(self.belief, ((0, 1), (0, 0)))
        self.follows = np.pad(self.follows, ((0, 1), (0, 0), (0, 1)))
        self.left_for = np.pad(self.left_for, ((0, 1), (0, 0), (0, 0)))
        self.began = np.pad(self.began, ((0, 1), (0, 0)))
        self.clones = np.pad(self.clones, ((0, 1), (0, 1)))
        self.n_clones = np.append(self.n_clones, 1)
        self.pairs = np.pad(self.pairs, ((0, 1), (0, 1)))
        self.forget_tables()


def _normalised(rows: Array) -> Array:
    """Divide rows by their sums; a row of zeros (the only activity there is) stays one."""
    sums = rows.sum(axis=1, keepdims=True)
    shares: Array = np.divide(rows, sums, out=np.zeros_like(rows), where=sums > 0)
    return shares
