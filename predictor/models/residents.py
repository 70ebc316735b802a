"""Several residents of one home: a filter for each, and one memory of habits for all of them.

A factorial HMM (Ghahramani and Jordan 1997) whose chains have the same transitions. Who somebody is
stays unknown; which chain an observation belongs to is decided at once, by the place where it was
made and, where that leaves a choice, by what each chain is likely to do next.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from predictor.estimators.filtering import Array
from predictor.estimators.quantiles import QUANTILES, TimeDistribution
from predictor.estimators.soon import Soon
from predictor.models.dbn import DbnForecaster
from predictor.models.history import History
from predictor.models.hmm import N_CLONES
from predictor.models.online import Forecaster
from predictor.outlook import Observation, Outlook
from predictor.sessions import MERGE_GAP_S

SOON_S = 300.0
"""Of two chains that may have begun something, the one that was to begin within this did."""
NEVER = 1e-6
"""Share of the least likely chain, so that none is ruled out."""
GOES_ON = 0.5
"""Probability that who has just ended something takes it up again, against all that may follow."""
_OF_ONE = ("last", "before", "since", "ended_at", "belief", "soon")
_HISTORY_OF_ONE = ("before", "earlier", "ended_h", "today", "day")
"""What a forecaster holds of one resident; all its other fields are of the home."""


class Residents:
    """Filters the activities of up to so many residents with one forecaster.

    Args:
        forecaster: Holds what was learnt, and the filter of the chain that was told of last.
        n_residents: How many there are; one costs nothing beside the forecaster itself.
    """

    def __init__(self, forecaster: Forecaster, n_residents: int = 1) -> None:
        self.forecaster = forecaster
        self._n_residents = n_residents
        self._kept: dict[int, dict[str, Any]] = {}
        self._rooms: dict[int, str] = {}
        self._active = 0
        self._chain_at: dict[str, int] = {}

    @property
    def places(self) -> list[str]:
        """Where somebody does something; who began last comes last."""
        return list(self._chain_at)

    def observe(self, seen: Observation, place: str) -> None:
        """Filter and learn from the start of an activity.

        Args:
            seen: What was seen to start.
            place: Where: a room or a camera, in which there is one person at most.
        """
        chain = self._chain_at.pop(place, None)
        if chain is None:
            chain = self._likeliest(seen)
            self._chain_at = {at: one for at, one in self._chain_at.items() if one != chain}
        self._turn_to(chain)
        self.forecaster.observe(seen)
        self._chain_at[place] = chain
        if seen.room is not None:
            self._rooms[chain] = seen.room

    def end(self, place: str, at: datetime) -> None:
        """Take in that what went on at a place ended; nothing, where its person is elsewhere."""
        chain = self._chain_at.pop(place, None if self._n_residents > 1 else 0)
        if chain is not None:
            self._turn_to(chain)
            self.forecaster.end(at)

    def current(self, place: str) -> dict[str, float]:
        """Return p(activity) of whoever is at a place, one of `places`."""
        self._turn_to(self._chain_at[place])
        return self.forecaster.current()

    def next_activity(self, at: datetime) -> dict[str, float]:
        """Return p(next activity of the home), should it start at `at`; once one was observed."""
        if self._n_residents == 1:
            return self.forecaster.next_activity(at, 0.0)
        ready, following = [], []
        for _ in self._each_seen():
            ready.append(_within(self.forecaster.next_start(at), SOON_S) + NEVER)
            following.append(self.forecaster.next_activity(at, 0.0))
        return _mixed(np.array(ready) / sum(ready), following)

    def outlook(self, at: datetime, *, unseen_s: float = 0.0) -> Outlook:
        """Forecast for the home: what the first of its residents to begin something will begin.

        Args:
            at: Now.
            unseen_s: How long no camera has spoken.
        """
        if self._n_residents == 1 or len(self._seen()) < 2:
            return self.forecaster.outlook(at, unseen_s=unseen_s)
        newest = next(reversed(self._chain_at.values()), self._active)
        outlooks, starts = {}, []
        for chain in self._each_seen():
            outlooks[chain] = self.forecaster.outlook(at, unseen_s=unseen_s)
            starts.append(self.forecaster.next_start(at))
        return _combined([*outlooks.values()], starts, current=outlooks[newest].current)

    def lose_track(self) -> None:
        """Take in that nobody told what happened since."""
        self.forecaster.lose_track()
        self._kept.clear()
        self._chain_at.clear()

    def _seen(self) -> list[int]:
        kept = [chain for chain, of_one in self._kept.items() if of_one["last"] >= 0]
        return [*kept, self._active] if self.forecaster.last >= 0 else kept

    def _each_seen(self) -> Iterator[int]:
        """Turn to every chain that was observed, one by one."""
        active = self._active
        for chain in self._seen():
            self._turn_to(chain)
            yield chain
        self._turn_to(active)

    def _likeliest(self, seen: Observation) -> int:
        """Return the chain that began what was seen: of one that is nowhere, if there is one."""
        if self._n_residents == 1:
            return 0
        at_a_place = set(self._chain_at.values())
        chains = [chain for chain in range(self._n_residents) if chain not in at_a_place]
        chains = chains or list(range(self._n_residents))
        fits = {chain: self._fit(chain, seen) for chain in chains} if len(chains) > 1 else {}
        return max(fits, key=fits.__getitem__) if fits else chains[0]

    def _fit(self, chain: int, seen: Observation) -> float:
        """Return p(it begins what was seen now), up to a factor."""
        self._turn_to(chain)
        forecaster, at = self.forecaster, seen.started_at
        if forecaster.last < 0:
            return NEVER
        label = seen.activity
        if forecaster.ended_at is not None and label == forecaster.activities[forecaster.last]:
            pause_s = (at - forecaster.ended_at).total_seconds()
            likely = GOES_ON if pause_s < MERGE_GAP_S else NEVER
        else:
            likely = forecaster.next_activity(at, 0.0).get(label, 0.0)
        return (likely + NEVER) * (_within(forecaster.next_start(at), SOON_S) + NEVER)

    def _turn_to(self, chain: int) -> None:
        """Let the forecaster be the filter of another chain."""
        if chain == self._active:
            return
        self._kept[self._active] = _taken_out(self.forecaster)
        kept = self._kept.pop(chain) if chain in self._kept else _empty()
        _put_in(self.forecaster, kept, self._rooms.get(chain))
        self._active = chain


def _empty() -> dict[str, Any]:
    """Return what a forecaster holds of somebody who was never seen."""
    nobody = {"last": -1, "before": -1, "since": None, "ended_at": None}
    history = History()
    return nobody | {
        "belief": np.zeros((0, N_CLONES)),
        "soon": Soon(),
        "history": {name: getattr(history, name) for name in _HISTORY_OF_ONE},
    }


def _taken_out(forecaster: Forecaster) -> dict[str, Any]:
    kept = {name: _copied(getattr(forecaster, name)) for name in _OF_ONE}
    if isinstance(forecaster, DbnForecaster):
        history = forecaster.history
        kept["history"] = {name: _copied(getattr(history, name)) for name in _HISTORY_OF_ONE}
    return kept


def _put_in(forecaster: Forecaster, kept: dict[str, Any], room: str | None) -> None:
    """Put back what was taken out; activities may have become more since."""
    n_labels = len(forecaster.activities)
    belief = np.pad(kept["belief"], ((0, n_labels - len(kept["belief"])), (0, 0)))
    for name, value in ({name: kept[name] for name in _OF_ONE} | {"belief": belief}).items():
        setattr(forecaster, name, value)
    forecaster.soon.grow(n_labels)
    if isinstance(forecaster, DbnForecaster):
        history = forecaster.history
        for name, value in kept["history"].items():
            setattr(history, name, _copied(value))
        history.grow(n_labels)
        if room is not None:
            history.note("room", room)


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _within(start: TimeDistribution, seconds: float) -> float:
    """Return p(it starts within so many seconds)."""
    return float(np.interp(seconds, start.values_s, start.cumulative))


def _mixed(weights: Array, distributions: Sequence[dict[str, float]]) -> dict[str, float]:
    labels = {label: None for each in distributions for label in each}
    return {
        label: float(
            sum(w * each.get(label, 0.0) for w, each in zip(weights, distributions, strict=True))
        )
        for label in labels
    }


def _first_shares(starts: Sequence[TimeDistribution]) -> tuple[Array, TimeDistribution]:
    """Return p(each starts first), and when the first one starts.

    All start independently of each other, at one of the instants at which any may.
    """
    instants = np.unique(np.concatenate([start.values_s for start in starts]))
    cumulative = np.array([np.interp(instants, each.values_s, each.cumulative) for each in starts])
    cumulative[:, -1] = 1.0
    left = 1.0 - cumulative
    mass = np.diff(cumulative, axis=1, prepend=0.0)
    later = left + 0.5 * mass  # at one instant each of two is first by half
    others = [np.delete(later, number, axis=0).prod(axis=0) for number in range(len(starts))]
    shares = (mass * np.array(others)).sum(axis=1)
    return shares / shares.sum(), TimeDistribution(instants, 1.0 - left.prod(axis=0))


def _combined(
    outlooks: Sequence[Outlook], starts: Sequence[TimeDistribution], *, current: Mapping[str, float]
) -> Outlook:
    shares, first = _first_shares(starts)
    p10_s, p50_s, p90_s = (first.quantile(share) for share in QUANTILES)
    within = {
        horizon: {label: 1.0 - _none_of(outlooks, horizon, label) for label in likely}
        for horizon, likely in outlooks[0].within.items()
    }
    return replace(
        outlooks[int(shares.argmax())],
        current=current,
        next=_mixed(shares, [dict(each.next) for each in outlooks]),
        next_room=_mixed(shares, [dict(each.next_room) for each in outlooks]),
        next_start_s=(p10_s, p50_s, p90_s),
        within=within,
    )


def _none_of(outlooks: Sequence[Outlook], horizon: str, label: str) -> float:
    """Return p(nobody starts an activity within a horizon)."""
    return math.prod(1.0 - each.within[horizon].get(label, 0.0) for each in outlooks)
