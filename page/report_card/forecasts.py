"""How good the forecasts were in this home, by week: `python -m page.report_card.forecasts`.

A process of its own lives through the journal's newest weeks, so that the page stays small: it
reads what to do as JSON from its standard input and writes what it found to its standard output.
Every forecast is made before its outcome is shown, by `predictor.evaluation`'s own code.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from har_stream.config.settings import Settings
from har_stream.core.errors import InputError

PERIOD = timedelta(days=84)
"""Of the journal's newest days, so many are lived through; the last 30 % of them are judged."""
MOST_S = 900.0
"""So long it may take."""
NICENESS = 10
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


def ask_for_judgement(settings: Settings, url: str, *, now: datetime) -> JudgedForecasts:
    """Have a process of its own judge the forecasts.

    Args:
        settings: Model and time zone.
        url: The journal's; it may hold a password, so it is no argument.
        now: The home's time.

    Raises:
        InputError: There is too little in the journal, or it cannot be read.
    """
    asked = {
        "url": url,
        "model": settings.forecast.model,
        "zone": settings.timezone,
        "now": now.isoformat(),
    }
    try:
        process = subprocess.run(
            [sys.executable, "-m", "page.report_card.forecasts"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=MOST_S,
            check=False,
        )
        found: dict[str, Any] = json.loads(process.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise InputError("the forecasts could not be judged") from error
    if "problem" in found:
        raise InputError(str(found["problem"]))
    weeks = [
        Week(date.fromisoformat(monday), n, losses) for monday, n, losses in found.pop("weeks")
    ]
    reliability = [(said, came, n) for said, came, n in found.pop("reliability")]
    return JudgedForecasts(weeks=weeks, reliability=reliability, **found)


def judge(url: str, model: str, *, zone: ZoneInfo | None, now: datetime) -> dict[str, Any]:
    """Let the model and the baselines live through a journal, and compare them.

    Raises:
        InputError: There is too little in the journal, or it cannot be read.
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
    from predictor.journal.reader import JournalReader
    from predictor.models.store import create
    from predictor.sessions import Session, merge

    bouts = JournalReader(url).span(now - PERIOD, now).bouts
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
    )
    question = Question()
    n_cases = len(cases(lived, repeats=False))
    if not lived or not 0 < len(test_cases(lived, repeats=False)) < n_cases:
        raise InputError(f"{n_cases} changes of activity are too few to judge forecasts by")
    truth = true_answers(lived, question)
    forecasters = {model: create(model), **{name: SIMPLE[name]() for name in BASELINES}}
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
    return {
        "model": model,
        "weeks": [
            (
                date.fromordinal(int(monday)).isoformat(),
                int((mondays == monday).sum()),
                {name: float(loss[mondays == monday].mean()) for name, loss in losses.items()},
            )
            for monday in np.unique(mondays)
        ],
        "reliability": metrics.reliability(np.array(answers[model].probabilities), truth.outcomes),
        "coverage": float(is_covered.mean()),
    }


def main() -> int:
    """Judge what standard input names."""
    os.nice(NICENESS)
    asked = json.load(sys.stdin)
    zone = ZoneInfo(asked["zone"]) if asked["zone"] else None
    try:
        now = datetime.fromisoformat(asked["now"])
        found = judge(asked["url"], asked["model"], zone=zone, now=now)
    except InputError as error:
        found = {"problem": str(error)}
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
