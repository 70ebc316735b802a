"""Time one step of each forecaster, and set it against hmmlearn on the growing history.

`python benchmarks/forecaster.py` prints microseconds (the least of many rounds) and ratios.
"""

import time
import timeit
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from predictor.estimators.filtering import gather
from predictor.models import hmmlearn_em
from predictor.models.hmm import HmmForecaster
from predictor.models.online import hour_of
from predictor.models.store import create
from predictor.outlook import Observation
from predictor.sessions import Session

N_ACTIVITIES = 6  # x 8 clones = 48 states
N_EVENTS = 1000


def sessions() -> list[Session]:
    """Return a made-up home's log: each activity is followed by one of three."""
    random = np.random.default_rng(1)
    at, activity, lived = datetime(2026, 1, 1, tzinfo=UTC), 0, []
    for _ in range(N_EVENTS):
        end = at + timedelta(minutes=float(random.gamma(2.0, 20.0)))
        lived.append(Session(f"activity_{activity}", at, end))
        at, activity = end, (activity + int(random.integers(1, 4))) % N_ACTIVITIES
    return lived


def microseconds(step: Callable[[], object], *, number: int) -> float:
    """Return the least processor time of a call over many rounds: what others do disturbs least."""
    rounds = timeit.repeat(step, timer=time.process_time, number=number, repeat=15)
    return 1e6 * min(rounds) / number


def filter_and_forecast(forecaster: HmmForecaster, at: datetime) -> Callable[[], object]:
    """Return a call that filters one uncertain observation and forecasts the next activity."""
    likelihood = np.full(len(forecaster.activities), 0.04)
    likelihood[2] = 0.8

    def step() -> object:
        states, joint = forecaster.joint(likelihood, hour_of(at))
        gather(joint, forecaster.tables().successors[states], forecaster.n_states)
        return forecaster.next_activity(at, 60.0)

    return step


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    lived = sessions()
    newest = lived[-1].ended_at
    for name in ("hmm", "dbn"):
        forecaster = create(name)
        for session in lived:
            forecaster.observe(Observation(session.activity, session.started_at))
        forecaster.refit()
        step_us = microseconds(filter_and_forecast(forecaster, newest), number=200)
        outlook_us = microseconds(lambda f=forecaster: f.outlook(newest), number=20)
        print(
            f"{name} ({forecaster.n_states} states): filter and forecast {step_us:.0f} us, "
            f"whole outlook with rollouts {outlook_us:.0f} us"
        )
        events = iter(range(10**6))

        def live(f: HmmForecaster = forecaster, events: "iter[int]" = events) -> None:
            at = newest + timedelta(minutes=next(events))
            f.observe(Observation(f"activity_{at.minute % N_ACTIVITIES}", at))

        print(f"{name}: one event with all learning {microseconds(live, number=100):.0f} us")
        if name == "hmm":
            model, told = (
                hmmlearn_em.to_hmmlearn(forecaster),
                hmmlearn_em.symbols(forecaster, lived),
            )
            theirs_us = microseconds(lambda m=model, t=told: m.predict_proba(t), number=2)
            print(
                f"hmmlearn predict_proba on {len(told)} events: {theirs_us:.0f} us, "
                f"{theirs_us / step_us:.0f} times as long as filter and forecast"
            )


if __name__ == "__main__":
    main()
