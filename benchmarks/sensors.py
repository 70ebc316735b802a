"""What sensors add to a camera that errs, in simulated homes; their meaning is learnt beside it.

`python benchmarks/sensors.py` prints the table of docs/sensors.md. The camera reports a wrong label
in so many cases, and says so; bed, stove and sofa are on while somebody is there, but for one stay
in ten, and go on by mistake in one of ten others. The last 30 % of the days are judged.
"""

import argparse
from collections import defaultdict
from datetime import datetime, timedelta

import numpy as np

from har_stream.core.activity import IDLE
from har_stream.simulation.truth import truth
from predictor.models.store import create
from predictor.outlook import Observation
from training.evaluation.simulated_home import drop_brief_stays

FIRST_DAY = datetime(2026, 1, 5).astimezone()
TEST_SHARE = 0.3
BRIEF_S = 60.0
SENSORS = {"bed": "sleeping", "stove": "cooking", "sofa": "sitting"}
ERRS = 0.1
"""Share of stays in which a sensor is off that should be on, and the other way round."""


def judge(seed: int, noise: float, *, n_days: int, model: str, has_sensors: bool) -> list[bool]:
    """Return of each judged stay whether the running activity was known in its middle."""
    random = np.random.default_rng([seed, 3])
    stays = drop_brief_stays(truth(seed, start_at=FIRST_DAY, days=n_days), at_least_s=BRIEF_S)
    labels = sorted({stay.activity for stay in stays} - {IDLE})
    judged_from = FIRST_DAY + timedelta(days=(1 - TEST_SHARE) * n_days)
    forecaster, right = create(model), []
    for stay in stays:
        others = [label for label in labels if label != stay.activity]
        errs, draws = random.random() < noise, random.random(len(SENSORS))
        wrong = others[random.integers(len(others))]
        if stay.activity == IDLE:
            continue
        label = wrong if errs else stay.activity
        share = noise / len(others)
        soft = {each: 1 - noise if each == label else share for each in labels}
        forecaster.observe(Observation(label, stay.started_at, probabilities=soft))
        middle = stay.started_at + (stay.ended_at - stay.started_at) / 2
        for (name, activity), draw in zip(SENSORS.items(), draws, strict=True):
            if has_sensors:
                is_on = (activity == stay.activity) != (draw < ERRS)
                forecaster.sense(name, is_on, stay.started_at + timedelta(seconds=30))
        if middle >= judged_from:
            now = forecaster.current()
            right.append(max(now, key=now.__getitem__) == stay.activity)
        for name in SENSORS if has_sensors else ():
            forecaster.sense(name, False, stay.ended_at)
        forecaster.end(stay.ended_at)
    return right


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.1, 0.2, 0.3])
    parser.add_argument("--model", choices=("hmm", "dbn"), default="dbn")
    options = parser.parse_args()
    print("| wrong labels of the camera | the camera alone | with three sensors |")
    print("|---|---|---|")
    for noise in options.noise:
        right: defaultdict[bool, list[bool]] = defaultdict(list)
        for seed in options.seeds:
            for has_sensors in (False, True):
                right[has_sensors] += judge(
                    seed, noise, n_days=options.days, model=options.model, has_sensors=has_sensors
                )
        alone, helped = (np.mean(right[has_sensors]) for has_sensors in (False, True))
        print(f"| {noise:.0%} | {alone:.1%} | {helped:.1%} of {len(right[True])} |")


if __name__ == "__main__":
    main()
