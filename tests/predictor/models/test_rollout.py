"""Rollouts: what may start within a horizon, and the way that most paths take."""

import numpy as np

from predictor.estimators.durations import Begun, Durations
from predictor.estimators.quantiles import TimeDistribution
from predictor.models.rollout import SEQUENCE_LENGTH, Rhythm, roll_out, sequence, within
from predictor.outlook import HORIZONS_S

CIRCLE = np.roll(np.eye(4), 1, axis=1)
"""0 leads to 1, 1 to 2, 2 to 3, and 3 to 0."""
AT_ONCE = TimeDistribution(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


def _durations(*seconds: float) -> Durations:
    durations = Durations()
    durations.grow(4)
    for activity in range(4):
        for each in seconds:
            durations.add(Begun(activity, -1, 12.0, 1.0), each)
    return durations


def test_a_circle_is_walked_round() -> None:
    rhythm = Rhythm(CIRCLE, np.full((4, 24), 1 / 24))
    onward = np.array([0.0, 1.0, 0.0, 0.0])
    paths = roll_out(onward, AT_ONCE, hour=12.0, rhythm=rhythm, durations=_durations(1800.0))
    assert sequence(paths) == [1, 2, 3, 0]
    reached = dict(zip(HORIZONS_S, within(paths, 4), strict=True))
    np.testing.assert_array_equal(reached["15min"], [0, 1, 0, 0])
    np.testing.assert_array_equal(reached["60min"], [0, 1, 1, 0])  # the third starts at 60 min, 1 s
    np.testing.assert_array_equal(reached["180min"], [1, 1, 1, 1])


def test_shares_of_the_first_step_are_exact() -> None:
    rhythm = Rhythm(np.full((4, 4), 0.25), np.full((4, 24), 1 / 24))
    onward = np.array([0.5, 0.25, 0.125, 0.125])
    paths = roll_out(onward, AT_ONCE, hour=0.0, rhythm=rhythm, durations=_durations(1e6))
    np.testing.assert_allclose(within(paths, 4)[-1], onward)
    assert len(sequence(paths)) == SEQUENCE_LENGTH


def test_the_hour_of_a_step_is_that_of_most_paths() -> None:
    """Usually short, once long: what follows is what follows at the usual hour."""
    rhythm = Rhythm(np.tile([0.0, 0.0, 0.5, 0.5], (4, 1)), np.zeros((4, 24)))
    rhythm.hours[2, :13] = 1.0
    rhythm.hours[3, 13:] = 1.0
    rhythm.hours[:2] = 1 / 24
    onward = np.array([1.0, 0.0, 0.0, 0.0])
    durations = _durations(600.0, 600.0, 20_000.0, 600.0, 600.0)
    paths = roll_out(onward, AT_ONCE, hour=12.0, rhythm=rhythm, durations=durations)
    assert sequence(paths)[:2] == [0, 2]
