"""A home whose days are alike, and a model that has lived through some of them."""

from datetime import UTC, datetime, timedelta

import numpy as np

from predictor.models.hmm import HmmForecaster
from predictor.models.replay import replay
from predictor.models.store import create
from predictor.sessions import Session

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
DAY = ("wake", "wash", "cook", "eat", "work", "cook", "eat", "relax", "sleep")


def home(n_days: int, *, seed: int = 0) -> list[Session]:
    """Return a home whose days are alike but for the length of things."""
    random = np.random.default_rng(seed)
    sessions = []
    for day in range(n_days):
        for hour, activity in enumerate(DAY):
            at = START + timedelta(days=day, hours=hour)
            minutes = 40 + 10 * float(random.random())
            sessions.append(Session(activity, at, at + timedelta(minutes=minutes), "here"))
    return sessions


def fitted(n_days: int, name: str = "hmm", **options: bool) -> HmmForecaster:
    forecaster = create(name, **options)
    for _ in replay(forecaster, home(n_days)):
        pass
    return forecaster
