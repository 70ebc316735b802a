"""What a forecaster must beat: simple counts, and gradient boosting refitted every night."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from predictor.estimators.durations import N_KEPT
from predictor.estimators.filtering import Array
from predictor.estimators.forest import few_cases
from predictor.estimators.quantiles import TimeDistribution
from predictor.models.dbn import BLEND, MIN_CASES, DbnForecaster
from predictor.models.hmm import spread_over_hours
from predictor.models.online import Forecaster, hour_of
from predictor.models.rollout import Rhythm

PRIOR = 1.0
"""Strength of the coarser distribution below each row of counts, in observations."""


@dataclass(kw_only=True)
class Counting(Forecaster):
    """Counts over labels as they are reported; no hidden state.

    Attributes:
        pairs: How often one activity followed another, shape (activities, activities).
        began: How often each began, spread over the hours, shape (activities, 24).
        reported: p(running activity) of the newest report alone, shape (activities,).
    """

    pairs: Array = field(default_factory=lambda: np.zeros((0, 0)))
    began: Array = field(default_factory=lambda: np.zeros((0, 24)))
    reported: Array = field(default_factory=lambda: np.zeros(0))

    def next_start(self, at: datetime) -> TimeDistribution:
        """Return the quantiles of this activity's past times to the next, whatever the hour."""
        n_kept = min(int(self.dwells.n_seen[self.last]), N_KEPT)
        if n_kept == 0 or self.since is None:
            return super().next_start(at)
        seconds = np.sort(self.dwells.seconds[self.last, :n_kept])
        elapsed_s = (at - self.since).total_seconds()
        shares = (np.arange(n_kept) + 0.5) / n_kept
        return TimeDistribution(np.maximum(seconds - elapsed_s, 0.0), shares)

    def _frequencies(self) -> Array:
        counts = self.began.sum(axis=1) + PRIOR / len(self.began)
        shares: Array = counts / counts.sum()
        return shares

    def _possible(self, shares: Array) -> Array:
        """Leave the running activity out where it cannot follow itself."""
        if not self.repeats and len(shares) > 1:
            shares = shares.copy()
            shares[self.last] = 0.0
        possible: Array = shares / shares.sum()
        return possible

    def predict_and_condition(self, likelihood: Array, at: datetime) -> None:
        """Count the label as it is reported."""
        reported = int(likelihood.argmax())
        if self.last >= 0:
            self.pairs[self.last, reported] += 1.0
        self.began[reported] += spread_over_hours(hour_of(at))
        self.reported = likelihood / likelihood.sum()

    def condition(self, likelihood: Array) -> None:
        """A report stands as it was made."""

    def activity_probabilities(self) -> Array:
        """Return p(z_t | y_t): the newest report alone."""
        return self.reported

    def _grow(self) -> None:
        self.pairs = np.pad(self.pairs, ((0, 1), (0, 1)))
        self.began = np.pad(self.began, ((0, 1), (0, 0)))
        self.reported = np.append(self.reported, 0.0)

    def rhythm(self) -> Rhythm:
        """Return no habits: nothing is known of them."""
        n_activities = len(self.activities)
        return Rhythm(np.full((n_activities, n_activities), 1.0), np.full((n_activities, 24), 1.0))


class MostFrequent(Counting):
    """How often each activity happens."""

    @property
    def name(self) -> str:
        """The baseline's name."""
        return "most_frequent"

    def next_activity_probabilities(self, at: datetime) -> Array:
        """Return p(z) by how often each activity began."""
        return self._possible(self._frequencies())


class TimeOfDay(Counting):
    """How often each activity begins around this hour."""

    @property
    def name(self) -> str:
        """The baseline's name."""
        return "time_of_day"

    def next_activity_probabilities(self, at: datetime) -> Array:
        """Return p(z | hour) by how often each began around this hour."""
        counts = self.began[:, int(hour_of(at))]
        return self._possible(counts + PRIOR * self._frequencies())


class Markov(Counting):
    """How often each activity follows the running one."""

    @property
    def name(self) -> str:
        """The baseline's name."""
        return "markov1"

    def next_activity_probabilities(self, at: datetime) -> Array:
        """Return p(z | z_t) by how often each followed the reported one."""
        return self._possible(self.pairs[self.last] + PRIOR * self._frequencies())


@dataclass(kw_only=True)
class GradientBoosting(DbnForecaster):
    """scikit-learn's gradient boosting on the very features that `dbn` has, refitted nightly."""

    boosted: Any = None  # a scikit-learn classifier; baselines are never saved
    boosted_shape: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """The baseline's name."""
        return "gradient_boosting"

    def refit(self) -> None:
        """Fit to all cases kept."""
        from sklearn.ensemble import HistGradientBoostingClassifier  # a second to load

        if self.book.n_seen < MIN_CASES:
            return
        cases = self.book.contexts()
        outcomes = cases.target.argmax(axis=1)
        if len(np.unique(outcomes)) < 2:
            return
        boosting = HistGradientBoostingClassifier(
            max_iter=40, min_samples_leaf=5, max_leaf_nodes=8, l2_regularization=1.0
        )
        with few_cases():
            self.boosted = boosting.fit(cases.cuttable(cases.features()), outcomes)
        self.boosted_shape = (cases.now.shape[1], cases.extra.shape[1])

    def next_activity_probabilities(self, at: datetime) -> Array:
        """Return the boosted trees' p(z_t+1 | context), blended with a share of the counts."""
        _, _, context, opinions = self._expected(at)
        counts: Array = opinions[0]
        if self.boosted is None:
            return counts
        known = context.narrowed(*self.boosted_shape)
        shares = np.zeros_like(counts)
        shares[self.boosted.classes_] = self.boosted.predict_proba(
            known.cuttable(known.features())
        )[0]
        shares[counts <= 0] = 0.0
        blended: Array = (1.0 - BLEND) * shares / shares.sum() + BLEND * counts
        return blended


SIMPLE: dict[str, type[Forecaster]] = {
    "most_frequent": MostFrequent,
    "time_of_day": TimeOfDay,
    "markov1": Markov,
}
"""The baselines of every evaluation, by name."""
BOOSTING = "gradient_boosting"
