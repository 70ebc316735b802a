"""What homes have in common: what follows what, at which hours, and how long it lasts.

Learnt from the counts of several homes (`homes.json`), each of which weighs the same. A home's
labels are matched to the common activities by name, and where their names say nothing, by what is
seen of them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files

import numpy as np

from predictor.estimators.evidence import Lengths
from predictor.estimators.filtering import Array
from predictor.prior.activity_names import activity_of_label, common_activities
from predictor.prior.home_counts import HomeCounts, began
from predictor.sessions import Session

LICENCE = (
    "counts of public logs: Ordonez A and B (to be cited, no commercial use), Kasteren C, CASAS"
)
"""Of `homes.json`."""
HOUR_WIDTH = 1.5
"""Width, in hours, of the kernel over the time of day: homes keep other hours than each other."""
ANY_FOLLOWS = 4.0
"""Strength of how common an activity is as the prior of what follows another, in sessions."""
ANY_HOUR = 0.05
"""Share of an activity that may happen at any hour."""
NAMELESS = 0.5
"""Probability that a label without a known name is none of the common activities."""
TRUST_IN_SEEN = 0.3
"""Power of what is seen of a nameless label: a home's days resemble each other."""


@dataclass(slots=True)
class CommonHabits:
    """What a new home is believed to be like, as far as its labels are matched.

    Attributes:
        activities: The common activities; none: nothing is believed.
        follows: p(next | activity), shape (common, common).
        hours: p(hour at which what came before ended | activity comes next), shape (common, 24).
        lengths: p(length | activity) in the bins of `Lengths`, shape (common, bins).
        dwells_s: Ten equally likely times from start to next start, shape (common, 10).
        diversity: How fast new labels appear: after n sessions the next one is new with
            probability diversity / (diversity + n) (a Dirichlet process; Ferguson 1973).
        matched: Index of the common activity that each label of the home is named after; -1: none.
    """

    activities: list[str] = field(default_factory=list)
    follows: Array = field(default_factory=lambda: np.zeros((0, 0)))
    hours: Array = field(default_factory=lambda: np.zeros((0, 24)))
    lengths: Array = field(default_factory=lambda: np.zeros((0, 0)))
    dwells_s: Array = field(default_factory=lambda: np.zeros((0, 10)))
    diversity: float = 0.0
    matched: list[int] = field(default_factory=list)

    def add_label(self, label: str) -> None:
        """Match the home's next label by its name."""
        activity = activity_of_label(label) if self.activities else None
        known = activity in self.activities
        self.matched.append(self.activities.index(activity) if activity and known else -1)

    def match(self, hours: Array, lengths: Array) -> Array:
        """Return p(common activity | label), by name or else by what was seen of it.

        Args:
            hours: Counts of each label by hour, shape (labels, 24).
            lengths: Counts of each label by length, in the bins of `Lengths`.

        Returns:
            Shape (labels, common); what is missing to one is the probability of none of them.
        """
        matched = np.array(self.matched)
        named = np.zeros((len(matched), len(self.activities)))
        is_named = matched >= 0
        named[is_named, matched[is_named]] = 1.0
        if self.activities and not is_named.all():
            seen = hours[~is_named] @ _log_ratio(self.hours).T
            seen += lengths[~is_named] @ _log_ratio(self.lengths).T
            likely = np.exp(TRUST_IN_SEEN * np.clip(seen, -50.0, 50.0))
            likely *= (1.0 - NAMELESS) / len(self.activities)
            named[~is_named] = likely / (likely.sum(axis=1, keepdims=True) + NAMELESS)
        return named

    def rows(self, match: Array, usual: Array, *, repeats: bool = True) -> Array:
        """Return p(next | label) as far as it is known from other homes, shape (labels, labels).

        Rows sum to the probability that their label is matched. Labels without a match follow as
        often as they usually do: what is known of others is no news of them.

        Args:
            match: As `match` returns it.
            usual: How often each label comes next, positive, shape (labels,).
            repeats: Whether an activity may follow itself.
        """
        usual = usual / usual.sum()
        known = match.sum(axis=1)
        by_label = match * usual[:, None]
        by_label /= np.maximum(by_label.sum(axis=0), 1e-12)
        expected = match @ self.follows @ by_label.T
        nameless = np.tile(usual * (1.0 - known), (len(match), 1))
        if not repeats:
            np.fill_diagonal(expected, 0.0)
            np.fill_diagonal(nameless, 0.0)
        expected *= (usual @ known) / np.maximum(expected.sum(axis=1, keepdims=True), 1e-12)
        expected += nameless
        expected *= (known / np.maximum(expected.sum(axis=1), 1e-12))[:, None]
        return expected


def learn_habits(homes: Sequence[HomeCounts]) -> CommonHabits:
    """Return what homes have in common, each weighing the same."""
    names = [
        name
        for name in common_activities()
        if any(name in home.hours and name in home.dwells_s for home in homes)
    ]
    n = len(names)
    pairs, chances, hours = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, 24))
    for home in homes:
        counts = (
            np.array([[home.follows.get(a, {}).get(b, 0) for b in names] for a in names], float)
            / home.n_sessions
        )
        has = np.array([name in home.hours for name in names], float)
        pairs += counts
        chances += counts.sum(axis=1)[:, None] * has  # one that a home lacks could not follow
        hours += np.array([home.hours.get(name, [0] * 24) for name in names]) / home.n_sessions
    rate = np.divide(pairs, chances, out=np.zeros_like(pairs), where=chances > 0)
    weight = chances * np.mean([home.n_sessions for home in homes])
    usual = hours.sum(axis=1) / hours.sum()
    follows = (weight * rate + ANY_FOLLOWS * usual) / (weight + ANY_FOLLOWS)
    around = _spread_hours(hours)
    return CommonHabits(
        activities=names,
        follows=follows / follows.sum(axis=1, keepdims=True),
        hours=(1.0 - ANY_HOUR) * around / around.sum(axis=1, keepdims=True) + ANY_HOUR / 24,
        lengths=_histograms(_mean_times(homes, "lengths_s", names)),
        dwells_s=_mean_times(homes, "dwells_s", names),
        diversity=_diversity(homes),
    )


@cache
def _homes() -> tuple[HomeCounts, ...]:
    text = files(__package__).joinpath("homes.json").read_text(encoding="utf-8")
    return tuple(HomeCounts(**home) for home in json.loads(text).values())


@cache
def _common() -> CommonHabits:
    return learn_habits(_homes())


def common_habits() -> CommonHabits:
    """Return what the homes known to this package have in common, with nothing matched yet."""
    return replace(_common(), matched=[])


def habits_of_others(sessions: Sequence[Session]) -> CommonHabits:
    """Return what the homes but that of these sessions have in common.

    Its own past would flatter what is said of its future. It is known by when its log began.
    """
    return learn_habits([home for home in _homes() if home.began != began(sessions)])


def _mean_times(homes: Sequence[HomeCounts], name: str, activities: Sequence[str]) -> Array:
    """Return the geometric means of the homes' equally likely times, shape (activities, 10)."""
    times = np.zeros((len(activities), 10))
    for row, activity in enumerate(activities):
        known = [getattr(home, name)[activity] for home in homes if activity in getattr(home, name)]
        times[row] = np.expm1(np.mean(np.log1p(known), axis=0))
    return times


def _histograms(times_s: Array) -> Array:
    found = Lengths()
    found.grow(len(times_s))
    for row, times in zip(np.eye(len(times_s)), times_s, strict=True):
        for seconds in times:
            found.add(row, float(seconds))
    shares: Array = found.counts + 0.01
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _spread_hours(counts: Array) -> Array:
    distance = np.abs(np.arange(24)[:, None] - np.arange(24))
    distance = np.minimum(distance, 24 - distance) / HOUR_WIDTH
    kernel = np.exp(-0.5 * distance * distance)
    spread: Array = counts @ (kernel / kernel.sum(axis=1, keepdims=True))
    return spread


def _diversity(homes: Sequence[HomeCounts]) -> float:
    """Return the diversity that makes what was new in other homes, and when, most likely."""
    candidates = np.geomspace(0.5, 50.0, 200)
    likely = np.zeros(len(candidates))
    for home in homes:
        first = np.array(home.first_seen[1:])
        every = np.arange(1, home.n_sessions)
        known = np.setdiff1d(every, first)
        new = candidates[:, None] / (candidates[:, None] + first)
        old = known / (candidates[:, None] + known)
        likely += np.log(new).sum(axis=1) + np.log(old).sum(axis=1)
    return float(candidates[likely.argmax()])


def _log_ratio(shares: Array) -> Array:
    ratio: Array = np.log(shares / shares.mean(axis=0))
    return ratio
