"""How good the forecasts were in this home, by week, beside three simple ones.

Every forecast is made before its outcome is shown, by `predictor.evaluation`'s own code.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from har_stream.core.errors import InputError
from page.words.labels import mark
from predictor.journal.records import Bout

PERIOD = timedelta(days=84)
"""Of the journal's newest days, so many are lived through; the last 30 % of them are judged."""
MOST_LIVED = 20_000
"""The newest stretches that are lived through: a home with 240 a day, for `PERIOD`."""
TOO_FEW = mark("there were too few changes of activity to judge forecasts by")
BASELINES = ("most_frequent", "time_of_day", "markov1")


class Week(NamedTuple):
    """How surprised each forecaster was in a week.

    Attributes:
        monday: The week's first day.
        n: How many changes of activity were forecast.
        losses: Mean log-loss in nats by forecaster.
    """

    monday: date
    n: int
    losses: Mapping[str, float]


class JudgedForecasts(NamedTuple):
    """How good the forecasts were.

    Attributes:
        model: The name of the home's model among the forecasters.
        weeks: By week, the oldest first.
        reliability: Said probability, share that came true, and how many, bin by bin.
        coverage: Share of starts inside the interval that was to hold 80 % of them.
    """

    model: str
    weeks: Sequence[Week]
    reliability: Sequence[tuple[float, float, int]]
    coverage: float


def judge(
    bouts: Sequence[Bout], model: str, *, zone: ZoneInfo | None, now: datetime
) -> JudgedForecasts:
    """Let the model and the baselines live through a journal, and compare them.

    Args:
        bouts: What happened, by the starts.
        model: The home's kind of model.
        zone: The home's; its hours count.
        now: Until when a running stretch goes on.

    Raises:
        InputError: There is too little in the journal.
    """
    import numpy as np

    from predictor.evaluation import metrics
    from predictor.evaluation.baselines import SIMPLE
    from predictor.evaluation.prequential import (
        Answers,
        Question,
        ask,
        cases,
        labels_of,
        test_cases,
        true_answers,
    )
    from predictor.models.store import create
    from predictor.prior.common_habits import common_habits
    from predictor.sessions import Session, merge

    lived = merge(
        [
            Session(
                bout.activity,
                bout.started_at.astimezone(zone),
                (bout.ended_at or now).astimezone(zone),
                bout.room,
            )
            for bout in bouts
        ]
    )[-MOST_LIVED:]
    question = Question()
    n_cases = len(cases(lived, repeats=False))
    if not lived or not 0 < len(test_cases(lived, repeats=False)) < n_cases:
        raise InputError(TOO_FEW)
    truth = true_answers(lived, question)
    forecasters = {
        model: create(model, common=common_habits()),
        **{name: SIMPLE[name]() for name in BASELINES},
    }
    answers = {name: Answers(labels_of(lived)) for name in forecasters}
    for name, forecaster in forecasters.items():
        for _ in ask(forecaster, lived, question, answers[name]):
            pass
    losses = {
        name: metrics.log_losses(np.array(each.probabilities), truth.outcomes)
        for name, each in answers.items()
    }
    mondays = truth.days - (truth.days - 1) % 7  # day number 1 was a Monday
    waits_s = np.array(answers[model].waits_s)
    is_covered = (waits_s[:, 0] <= truth.waits_s) & (truth.waits_s <= waits_s[:, 2])
    bins = metrics.reliability(np.array(answers[model].probabilities), truth.outcomes)
    return JudgedForecasts(
        model=model,
        weeks=[
            Week(
                date.fromordinal(int(monday)),
                int((mondays == monday).sum()),
                {name: float(loss[mondays == monday].mean()) for name, loss in losses.items()},
            )
            for monday in np.unique(mondays)
        ],
        reliability=[(each.confidence, each.accuracy, each.n) for each in bins],
        coverage=float(is_covered.mean()),
    )
