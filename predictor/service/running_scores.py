"""Running scores: every forecast is judged by what then happened, beside two simple baselines.

Prequential: a forecaster is asked before it sees the activity that it is judged by. An activity
that merely goes on is no case; the target is always a different one.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from har_stream.core.activity import UNKNOWN
from har_stream.mqtt.messages import Score

FLOOR = 1e-6
"""No probability below this: one surprise must not outweigh years."""
PRIOR = 0.5
"""Pseudo-count of every activity, and of ``unknown``, in the baselines."""


@dataclass(slots=True)
class Tally:
    """How many forecasts were judged, and how they fared."""

    n: int = 0
    log_loss: float = 0.0
    n_right: int = 0

    def add(self, forecast: Mapping[str, float], target: str) -> None:
        """Judge a forecast by what happened."""
        probability = forecast.get(target, forecast.get(UNKNOWN, 0.0))
        self.n += 1
        self.log_loss -= math.log(max(probability, FLOOR))
        self.n_right += bool(forecast) and max(forecast, key=forecast.__getitem__) == target

    def score(self) -> Score:
        """Return the means; of no forecasts there are none."""
        if not self.n:
            return Score(log_loss=None, top1=None)
        return Score(
            log_loss=round(self.log_loss / self.n, 4), top1=round(self.n_right / self.n, 4)
        )


@dataclass(slots=True)
class RunningScores:
    """The scores of a model, of the most frequent activity, and of a first-order Markov chain.

    Attributes:
        previous: The activity that runs, from which the chain forecasts.
    """

    previous: str | None = None
    _followers: dict[str | None, Counter[str]] = field(default_factory=dict)
    _tallies: dict[str, Tally] = field(default_factory=dict)

    @property
    def n_scored(self) -> int:
        """How many forecasts were judged."""
        return max((tally.n for tally in self._tallies.values()), default=0)

    def add(self, forecast: Mapping[str, float], target: str, *, model: str) -> None:
        """Judge by the activity that started; the baselines learn it afterwards.

        Args:
            forecast: The model's p(next activity) from before.
            target: The activity that did start.
            model: The name to keep the model's score under.
        """
        if target == self.previous:
            return
        if self.previous is not None:
            baselines = {"most_frequent": None, "markov": self.previous}
            for name, given in baselines.items():
                self._tally(name).add(self._baseline(given), target)
            self._tally(model).add(forecast, target)
        for given in {None, self.previous}:
            self._followers.setdefault(given, Counter())[target] += 1
        self.previous = target

    def scores(self) -> dict[str, Score]:
        """Mean log-loss in nats and share of right first guesses, by name."""
        return {name: tally.score() for name, tally in self._tallies.items()}

    def _tally(self, name: str) -> Tally:
        return self._tallies.setdefault(name, Tally())

    def _baseline(self, given: str | None) -> dict[str, float]:
        """p(next activity | ``given``) from counts; ``given`` itself cannot come next."""
        known = [label for label in self._followers.get(None, ()) if label != self.previous]
        counts = self._followers.get(given, Counter())
        weights = {label: counts[label] + PRIOR for label in (*known, UNKNOWN)}
        total = sum(weights.values())
        return {label: weight / total for label, weight in weights.items()}
