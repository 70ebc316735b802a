"""A dynamic Bayesian network: the HMM's hidden activity with transitions that depend on context.

Three experts say what follows, each in the context of time of day, weekday, time elapsed, recency,
the day so far, room and context topics: back-off counts over the hidden states (Dirichlet, with a
half-life), a softmax that corrects these counts, and a forest. They are mixed online; softmax and
forest are refitted now and then.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from predictor.estimators.filtering import Array, Index, update
from predictor.estimators.forest import Forest, few_cases, grow_forest
from predictor.estimators.mixing import Mixture
from predictor.estimators.softmax import Softmax
from predictor.models.history import History
from predictor.models.hmm import HmmForecaster
from predictor.models.online import hour_of
from predictor.models.time_and_context import CaseBook, Contexts
from predictor.outlook import Observation

HALF_LIFE_DAYS = 30.0
"""After this long a count, or a case, weighs half."""
REFIT_SHARE = 0.02
"""A refit waits until this share of all cases is new."""
MIN_CASES = 10
"""Fewer cases teach softmax and forest nothing."""
N_EXPERTS = 3
BLEND = 0.04
"""Share of the counts in the forest's opinion, so that it rules nothing out."""


@dataclass(slots=True)
class FittedExperts:
    """The experts that are refitted, and how many activities and extras they know."""

    softmax: Softmax = field(default_factory=Softmax)
    forest: Forest = field(default_factory=Forest)
    n_activities: int = 0
    n_extras: int = 0

    def opinions(self, context: Contexts) -> Array:
        """Return p(next activity | expert), shape (experts, activities); the counts come first."""
        counts = context.prior
        if self.n_activities == 0:
            return np.repeat(counts, N_EXPERTS, axis=0)
        known = context.narrowed(self.n_activities, self.n_extras)
        forest = np.zeros_like(counts[0])
        features = known.features()
        shares = self.forest.probabilities(known.cuttable(features)[0])
        forest[: len(shares)] = shares
        forest = (1.0 - BLEND) * np.where(counts[0] > 0, forest, 0.0) + BLEND * counts[0]
        softmax = self.softmax.probabilities(features, counts)[0]
        return np.stack((counts[0], softmax, forest / forest.sum()))


@dataclass(kw_only=True)
class DbnForecaster(HmmForecaster):
    """The `dbn` model.

    Attributes:
        history: What the transition depends on.
        book: The cases that softmax and forest learn from.
        fitted: Softmax and forest as they came out of the newest refit.
        mixture: The weights of the experts.
        n_fitted: Cases seen at the newest refit.
        faded_day: Day number up to which the counts were faded.
    """

    history: History = field(default_factory=History)
    book: CaseBook = field(default_factory=CaseBook)
    fitted: FittedExperts = field(default_factory=FittedExperts)
    mixture: Mixture = field(default_factory=lambda: Mixture(np.full(N_EXPERTS, 1.0 / N_EXPERTS)))
    n_fitted: int = 0
    faded_day: int = 0

    def __post_init__(self) -> None:
        """Keep the book whole while a refit in another thread copies it."""
        super().__post_init__()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name."""
        return "dbn"

    def observe(self, observation: Observation) -> None:
        """Take in the start of an activity."""
        super().observe(observation)
        if observation.room is not None:
            self.history.note("room", observation.room)

    def set_context(self, name: str, value: float | str, at: datetime) -> None:
        """Take in a context topic's value."""
        super().set_context(name, value, at)
        self.history.note(name, value)

    def refit(self) -> None:
        """Fit softmax and forest to the cases kept; safe in a thread of its own."""
        with self._lock:
            cases, n_seen = self.book.contexts(), self.book.n_seen
        if n_seen < MIN_CASES or n_seen - self.n_fitted < REFIT_SHARE * n_seen:
            return
        day = cases.moment[:, 3]
        importance = 0.5 ** ((day.max() - day) / HALF_LIFE_DAYS)
        with few_cases():
            features = cases.features()
            softmax = self.fitted.softmax.fit(features, cases.prior, cases.target, importance)
            forest = grow_forest(cases.cuttable(features), cases.target.argmax(axis=1), importance)
        self.fitted = FittedExperts(softmax, forest, cases.now.shape[1], cases.extra.shape[1])
        self.n_fitted = n_seen

    def predict_and_condition(self, likelihood: Array, at: datetime) -> None:
        """Filter and learn with the HMM's joint, corrected by what the experts expect.

        p(s_t-1, z_t | y_1:t) ~ p(y_t | z_t) joint(s_t-1, z_t) mixed(z_t) / counts(z_t), where joint
        is the HMM's prediction, counts its sum over s_t-1, and mixed the mean of the experts.
        """
        self._fade(at)
        if self.since is None:
            super().predict_and_condition(likelihood, at)
        else:
            left_at = self.ended_at or at
            states, counted, context, opinions = self._expected(left_at)
            mixed, counts = self.mixture.mix(opinions), context.prior[0]
            correction = np.divide(mixed, counts, out=np.zeros_like(mixed), where=counts > 0)
            joint, _ = update(counted * correction, likelihood)
            followed = joint.sum(axis=0)
            self.mixture.learn(opinions, followed)
            context.target[0] = followed
            with self._lock:
                self.book.add(context)
            self.history.leave(self.activity_probabilities(), left_at)
            self._enter(states, joint, left_at=left_at, at=at)
        self.history.enter(self.activity_probabilities(), at)

    def next_activity_probabilities(self, at: datetime) -> Array:
        """Return the weighted mean of the experts' p(z_t+1 | context)."""
        *_, opinions = self._expected(at)
        return self.mixture.mix(opinions)

    def _expected(self, at: datetime) -> tuple[Index, Array, Contexts, Array]:
        """Return the HMM's states and joint, the context, and the experts' opinions at `at`."""
        if self.last < 0:
            raise ValueError("nothing was observed yet")
        n_activities = len(self.activities)
        states, joint = self.joint(np.ones(n_activities), hour_of(at))
        elapsed_s = ((self.ended_at or at) - (self.since or at)).total_seconds()
        context = self.history.context(
            self.activity_probabilities(), joint.sum(axis=0), at=at, elapsed_s=elapsed_s
        )
        return states, joint, context, self.fitted.opinions(context)

    def _fade(self, at: datetime) -> None:
        today = at.toordinal()
        if self.faded_day and today > self.faded_day:
            kept = 0.5 ** ((today - self.faded_day) / HALF_LIFE_DAYS)
            self.follows *= kept
            self.pairs *= kept
            self.left_for *= kept
            self.began *= kept
            self.forget_tables()
        self.faded_day = today

    def _grow(self) -> None:
        super()._grow()
        self.history.grow(len(self.activities))
