"""Rollouts: what may start within a horizon, and the most probable way on."""

from dataclasses import dataclass

import numpy as np

from predictor.durations import Durations
from predictor.filtering import Array, Index
from predictor.forecaster import HORIZONS_S
from predictor.spread import Spread

N_PATHS = 128
N_STEPS = 48
"""Longest path; three hours seldom hold more."""
SEQUENCE_LENGTH = 4
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


def within(
    onward: Array, start: Spread, *, hour: float, rhythm: Rhythm, durations: Durations
) -> Array:
    """Return p(activity starts within each horizon), shape (horizons, activities).

    Args:
        onward: p(next activity), shape (activities,).
        start: When it starts.
        hour: Time of day now.
        rhythm: What follows what, and when.
        durations: How long each lasts.
    """
    horizons_s = np.fromiter(HORIZONS_S.values(), float)
    first_s = np.full((N_PATHS, len(onward)), np.inf)
    paths = np.arange(N_PATHS)
    # Evenly spaced, so that the first step is exact to one path in N_PATHS.
    activity = np.searchsorted(np.cumsum(onward)[:-1], (paths + 0.5) / N_PATHS)
    shares = (paths * 0.6180339887 + 0.5) % 1.0
    elapsed_s = np.interp(shares, start.cumulative, start.values_s)
    for draws in _DRAWS:
        first_s[paths, activity] = np.minimum(first_s[paths, activity], elapsed_s)
        if elapsed_s.min() > horizons_s[-1]:
            break
        elapsed_s = elapsed_s + durations.draw(activity, draws[0])
        hours = ((hour + elapsed_s / 3600.0) % 24.0).astype(np.intp)
        cumulative = np.cumsum(rhythm.onward(activity, hours), axis=1)
        activity = (cumulative[:, :-1] < draws[1][:, None]).sum(axis=1)
    reached: Array = (first_s[None] <= horizons_s[:, None, None]).mean(axis=1)
    return reached


def sequence(
    onward: Array, start_s: float, *, hour: float, rhythm: Rhythm, durations: Durations
) -> list[int]:
    """Return the most probable next activity, then the most probable after that, and so on."""
    path = [int(onward.argmax())]
    elapsed_s = start_s
    half = np.array([0.5])
    while len(path) < SEQUENCE_LENGTH:
        here = np.array(path[-1:])
        elapsed_s += float(durations.draw(here, half)[0])
        hours = np.array([int((hour + elapsed_s / 3600.0) % 24.0)])
        path.append(int(rhythm.onward(here, hours)[0].argmax()))
    return path
