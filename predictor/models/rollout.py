"""Rollouts: what may start within a horizon, and the most probable way on."""

from dataclasses import dataclass

import numpy as np

from predictor.estimators.durations import Durations
from predictor.estimators.filtering import Array, Index
from predictor.estimators.quantiles import TimeDistribution
from predictor.outlook import HORIZONS_S

N_PATHS = 128
N_STEPS = 143
"""Most steps after the first; three hours, and a day unseen before them, seldom hold more."""
SEQUENCE_LENGTH = 4
_LONGEST_S = max(HORIZONS_S.values())
_DRAWS = np.random.default_rng(0).random((N_STEPS, 2, N_PATHS))
"""The same draws each time: two forecasts differ by what is known, never by chance."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A home's habits in small: enough to walk on from any activity at any hour.

    Attributes:
        transmat: p(next | activity), shape (activities, activities).
        hours: p(hour | activity starts), shape (activities, 24).
    """

    transmat: Array
    hours: Array

    def onward(self, activities: Index, hours: Index) -> Array:
        """Return p(next | activity, hour) for pairs, shape (pairs, activities)."""
        joint: Array = self.transmat[activities] * self.hours[:, hours].T
        onward: Array = joint / joint.sum(axis=1, keepdims=True)
        return onward


@dataclass(frozen=True, slots=True)
class Paths:
    """Ways that the next hours may go.

    Attributes:
        activities: What each does step by step, shape (steps, paths).
        starts_s: Time until each step starts, in seconds, same shape.
    """

    activities: Index
    starts_s: Array


def roll_out(
    onward: Array,
    start: TimeDistribution,
    *,
    hour: float,
    rhythm: Rhythm,
    durations: Durations,
    unseen_s: float = 0.0,
) -> Paths:
    """Walk on from what was seen last, until every path is past the longest horizon.

    Args:
        onward: p(next activity), shape (activities,).
        start: When it starts.
        hour: Time of day when it was seen.
        rhythm: What follows what, and when.
        durations: How long each lasts.
        unseen_s: How long ago that was; the horizons begin after it.
    """
    numbers = np.arange(N_PATHS)
    # Evenly spaced, so that the first step is exact to one path in N_PATHS.
    activity = np.searchsorted(np.cumsum(onward)[:-1], (numbers + 0.5) / N_PATHS)
    shares = (numbers * 0.6180339887 + 0.5) % 1.0
    start_s = np.interp(shares, start.cumulative, start.values_s)
    activities, starts_s = [activity], [start_s]
    for draws in _DRAWS:
        if len(activities) >= SEQUENCE_LENGTH and start_s.min() > unseen_s + _LONGEST_S:
            break
        start_s = start_s + durations.draw(activity, draws[0])
        hours = ((hour + start_s / 3600.0) % 24.0).astype(np.intp)
        cumulative = np.cumsum(rhythm.onward(activity, hours), axis=1)
        activity = (cumulative[:, :-1] < draws[1][:, None]).sum(axis=1)
        activities.append(activity)
        starts_s.append(start_s)
    return Paths(np.array(activities), np.array(starts_s))


def in_progress(paths: Paths, running: Array, at_s: float) -> Array:
    """Return p(activity in progress) after a time, shape (activities,).

    Args:
        paths: Ways on.
        running: p(activity) of what runs until the first step, shape (activities,).
        at_s: The time, in seconds.
    """
    n_begun = (paths.starts_s <= at_s).sum(axis=0)
    begun = n_begun > 0
    newest = paths.activities[n_begun[begun] - 1, np.flatnonzero(begun)]
    shares: Array = np.bincount(newest, minlength=len(running)) + (~begun).sum() * running
    return shares / N_PATHS


def skip(paths: Paths, seconds: float) -> Paths:
    """Return what comes after a time, told from there: each path's first step begins later."""
    n_steps = len(paths.activities)
    n_begun = (paths.starts_s <= seconds).sum(axis=0)
    # A path may have run out of steps: its last one stands for all that follow.
    steps = np.minimum(np.arange(n_steps)[:, None] + n_begun, n_steps - 1)
    numbers = np.arange(N_PATHS)
    left_s = np.maximum(paths.starts_s[steps, numbers] - seconds, 0.0)
    return Paths(paths.activities[steps, numbers], left_s)


def within(paths: Paths, n_activities: int) -> Array:
    """Return p(activity starts within each horizon), shape (horizons, activities)."""
    first_s = np.full((N_PATHS, n_activities), np.inf)
    numbers = np.arange(N_PATHS)
    for activity, start_s in zip(paths.activities, paths.starts_s, strict=True):
        first_s[numbers, activity] = np.minimum(first_s[numbers, activity], start_s)
    horizons_s = np.fromiter(HORIZONS_S.values(), float)
    reached: Array = (first_s[None] <= horizons_s[:, None, None]).mean(axis=1)
    return reached


def sequence(paths: Paths) -> list[int]:
    """Return what most paths do next, then what most of these do after that, and so on."""
    likely: list[int] = []
    is_with = np.ones(N_PATHS, bool)
    for activity in paths.activities[:SEQUENCE_LENGTH]:
        likely.append(int(np.bincount(activity[is_with]).argmax()))
        is_with &= activity == likely[-1]
    return likely
