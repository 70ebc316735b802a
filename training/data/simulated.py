"""Clips of simulated homes to train and test on, rendered instead of read.

Every clip shows a home of its own, of a seed beyond those that a camera can be asked for: no bundle
has seen a home that `sim:SEED` shows, and no home lies on two sides of a split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from har_stream.core.frame import Image
from har_stream.recognition.preprocessing import prepare
from har_stream.simulation.renderer import Renderer
from har_stream.simulation.routine import ACTIVITIES, DAY_S, PLACES, PlannedActivity
from har_stream.simulation.simulated_camera import N_SEEDS
from training.data.clip import Clip, Dataset, Sampling

N_GROUPS = 20
"""The homes are dealt to this many groups, named 0 to 19, for splits."""
CHANGING = 0.15
"""Share of clips about a change: what their last frame shows has only just begun."""
_JUST_BEGUN_S = (1.0, 4.0)
_DONE_AT = {place: activity for activity, place in PLACES.items()}
"""What was going on at a place before a walk away from it."""
_LENGTH_S = (6.0, 240.0)
_CROSSING_S = (4.0, 9.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedClip(Clip):
    """A window's worth of a simulated home.

    Attributes:
        home: Its seed.
        before: What the resident did first.
        now: What the resident does in the last frame, and perhaps in all of them.
        ends_s: Instant of the last frame, as the segments count.
    """

    home: int
    before: PlannedActivity
    now: PlannedActivity
    ends_s: float

    is_cached: ClassVar[bool] = False
    """It is rendered as fast as it would be read."""

    def frames(self, sampling: Sampling) -> Image:
        """Return a window's prepared frames, shape (n_frames, height, width, 3), uint8."""
        spec = sampling.spec
        at_s = self.ends_s - np.arange(spec.n_frames)[::-1] / spec.sample_hz
        images = Renderer(self.home).draw(at_s, [self.before, self.now])
        return np.stack([prepare(image, spec) for image in images])


def draw_dataset(n_clips: int) -> Dataset:
    """Draw clips: every activity in turn, each in a home of its own at any hour.

    A larger set begins with the smaller one.
    """
    return Dataset(ACTIVITIES, tuple(draw_clip(number) for number in range(n_clips)), ())


def draw_clip(number: int) -> SimulatedClip:
    """Draw one clip; the same number is the same clip."""
    home = N_SEEDS + number
    rng = np.random.Generator(np.random.PCG64([home, 5]))
    activity = ACTIVITIES[number % len(ACTIVITIES)]
    # 1. When it begins, where the resident comes from, and what was going on until then.
    start_s = DAY_S + rng.uniform(0, DAY_S)
    if activity == "walking":
        origin = _one_of(rng, list(_DONE_AT))
        place = _one_of(rng, [place for place in _DONE_AT if place != origin])
        before = _plan_one(
            rng, _DONE_AT[origin], at=origin, origin=origin, start_s=start_s - 60.0, end_s=start_s
        )
        shortest_s, longest_s = _CROSSING_S if rng.random() < 0.5 else _LENGTH_S
        length_s = rng.uniform(shortest_s, longest_s)
    else:
        place = PLACES[activity]
        origin = _one_of(rng, [other for other in _DONE_AT if other != place])
        before = _plan_one(
            rng, "walking", at=place, origin=origin, start_s=start_s - 6.0, end_s=start_s
        )
        length_s = rng.uniform(*_LENGTH_S)
    # 2. How far into it the last frame lies: just begun, or anywhere later.
    seen_s = (
        rng.uniform(*_JUST_BEGUN_S) if rng.random() < CHANGING else rng.uniform(4.0, 4.0 + length_s)
    )
    now = _plan_one(
        rng, activity, at=place, origin=origin, start_s=start_s, end_s=start_s + length_s + 6.0
    )
    return SimulatedClip(
        path=Path(f"sim-{home}"),
        label=activity,
        group=str(number // len(ACTIVITIES) % N_GROUPS),
        home=home,
        before=before,
        now=now,
        ends_s=start_s + seen_s,
    )


def _plan_one(
    rng: np.random.Generator, activity: str, *, at: str, origin: str, start_s: float, end_s: float
) -> PlannedActivity:
    """Draw the seed of a planned activity."""
    return PlannedActivity(activity, at, start_s, end_s, origin, int(rng.integers(2**32)))


def _one_of(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]
