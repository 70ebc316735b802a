"""The resident's days: a semi-Markov routine whose habits depend on the time of day.

What follows an activity is drawn from who-follows-whom times how much the hour invites it; how long
it lasts is drawn from a log-normal of the activity. Between two places the resident walks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from har_stream.core.activity import IDLE

DAY_S = 86_400.0
ACTIVITIES = ("cooking", "eating", "exercising", "fallen", IDLE, "sitting", "sleeping", "walking")
"""What the simulated home can show; ``idle`` is nobody there."""

ROOMS = {
    "bed": "bedroom",
    "stove": "kitchen",
    "table": "kitchen",
    "sofa": "living_room",
    "mat": "living_room",
    "floor": "living_room",
    "door": "hall",
}
"""Part of the flat that each place belongs to."""

PLACES = {
    "sleeping": "bed",
    "cooking": "stove",
    "eating": "table",
    "sitting": "sofa",
    "exercising": "mat",
    "fallen": "floor",
    IDLE: "door",
}
"""Where an activity is done; a walk leads to any place."""
_MINUTES = {
    "cooking": (20.0, 0.35),
    "eating": (18.0, 0.30),
    "exercising": (24.0, 0.30),
    "fallen": (4.0, 0.40),
    IDLE: (85.0, 0.60),
    "sitting": (42.0, 0.50),
    "sleeping": (200.0, 0.35),
    "walking": (3.0, 0.45),
}
"""Median and log-standard deviation of an activity's length; a night is slept in stretches."""

_FOLLOWS: Mapping[str, Mapping[str, float]] = {
    "cooking": {"eating": 1.0},
    "eating": {"sitting": 0.6, "walking": 0.25, IDLE: 0.15},
    "exercising": {"sitting": 0.6, "walking": 0.4, "cooking": 0.3},
    "fallen": {"walking": 1.0},
    IDLE: {"sitting": 0.6, "walking": 0.3, "cooking": 0.6},
    "sitting": {"walking": 0.3, "cooking": 0.35, IDLE: 0.25, "exercising": 0.4, "sleeping": 1.0},
    "sleeping": {"walking": 0.5, "cooking": 0.6, "exercising": 0.3},
    "walking": {
        "sitting": 0.5,
        "cooking": 0.25,
        IDLE: 0.3,
        "exercising": 0.4,
        "sleeping": 1.5,
        "fallen": 0.03,
    },
}
_INVITES: Mapping[str, tuple[tuple[float, float, float], ...]] = {
    "cooking": ((6.5, 9, 3), (11.5, 13.5, 3), (17.5, 19.5, 3)),
    "exercising": ((6.5, 8, 1), (10, 11.5, 2), (16, 17.5, 2)),
    IDLE: ((9, 12, 2.5), (14, 17, 2.5), (19.5, 20.5, 0.3)),
    "sleeping": ((0, 6, 60), (13.2, 14.5, 0.5), (21.8, 22.5, 6), (22.5, 24, 60)),
}
"""Hours (from, to) that invite an activity, and how much; at other hours `_OTHERWISE`."""
_OTHERWISE = {"cooking": 0.03, "exercising": 0.02, IDLE: 0.03, "sleeping": 0.0}
_NAP_SHARE = 0.2
"""Length of an afternoon's sleep against a stretch of the night."""
_WAKES_AT_H = (7.0, 0.4)
"""Mean and standard deviation of the hour that ends the night."""
_SHORTEST_S = 60.0
_CROSSING_S = (4.0, 9.0)
"""A walk from one place to another takes between these."""


@dataclass(frozen=True, slots=True)
class PlannedActivity:
    """One activity at one place.

    Attributes:
        activity: One of `ACTIVITIES`.
        place: Where in the flat, a key of `ROOMS`.
        start_s: Start, in seconds since the midnight before the first day.
        end_s: End; the next activity's start.
        origin: Place that the resident comes from; a walk begins there and ends at ``place``.
        seed: For everything about it that varies: posture, pace, paths.
        resident: Whose it is, from 0 on; each has a bedroom of their own.
    """

    activity: str
    place: str
    start_s: float
    end_s: float
    origin: str
    seed: int
    resident: int = 0

    @property
    def room(self) -> str:
        """The part of the flat that it happens in."""
        room = ROOMS[self.place]
        return f"{room}_{self.resident + 1}" if self.resident and self.place == "bed" else room


def plan(
    seed: int, until_s: float, *, first_day: int = 0, resident: int = 0
) -> list[PlannedActivity]:
    """Draw a resident's days, from a midnight (asleep) on.

    The same seed and first day give the same days, whatever part of them is looked at.

    Args:
        seed: The home's seed.
        until_s: The plan covers at least this many seconds since midnight.
        first_day: Number of the first day; a life that begins on another day is another one.
        resident: Whose days, from 0 on; each has their own.

    Returns:
        Activities without gap or overlap, in order, from 0 to at least ``until_s``.
    """
    whose = [resident] if resident else []
    rng = np.random.Generator(np.random.PCG64([seed, 1, first_day, *whose]))
    activities: list[PlannedActivity] = []
    at_s, activity, place = 0.0, "sleeping", "bed"
    while at_s < until_s:
        origin = activities[-1].place if activities else place
        end_s = at_s + _length_s(activity, at_s, rng)
        follower = _draw(_followers(activity, end_s), rng)
        goal = PLACES.get(follower, place)
        if activity == "walking":
            place = goal
        drawn = _seed(rng)
        activities.append(PlannedActivity(activity, place, at_s, end_s, origin, drawn, resident))
        at_s = end_s
        if goal != place and follower != "walking":
            at_s = end_s + rng.uniform(*_CROSSING_S)
            drawn = _seed(rng)
            activities.append(PlannedActivity("walking", goal, end_s, at_s, place, drawn, resident))
        activity, place = follower, goal
    return activities


def hour_of_day(at_s: float) -> float:
    """The hour, 0 to 24, at so many seconds after a midnight."""
    return at_s % DAY_S / 3600


def _length_s(activity: str, at_s: float, rng: np.random.Generator) -> float:
    median_min, spread = _MINUTES[activity]
    usual = float(np.clip(rng.standard_normal(), -2.0, 2.0))
    length_s = max(_SHORTEST_S, 60 * median_min * math.exp(spread * usual))
    if activity != "sleeping":
        return length_s
    hour, wakes_h = hour_of_day(at_s), rng.normal(*_WAKES_AT_H)
    if 12 <= hour < 18:
        return length_s * _NAP_SHARE
    to_morning_s = 3600 * ((wakes_h - hour) % 24)
    return min(length_s, max(_SHORTEST_S, to_morning_s))


def _followers(activity: str, at_s: float) -> dict[str, float]:
    hour = hour_of_day(at_s)
    return {
        follower: weight * _invitation(follower, hour)
        for follower, weight in _FOLLOWS[activity].items()
    }


def _invitation(activity: str, hour: float) -> float:
    for begins, ends, strength in _INVITES.get(activity, ()):
        if begins <= hour < ends:
            return strength
    return _OTHERWISE.get(activity, 1.0)


def _draw(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    names = list(weights)
    shares = np.cumsum([weights[name] for name in names])
    return names[int(np.searchsorted(shares, rng.uniform(0, shares[-1]), side="right"))]


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**32))
