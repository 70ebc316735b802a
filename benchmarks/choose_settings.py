"""Choose the forecasters' hyper-parameters on the days before the test days alone.

Run it as ``python benchmarks/choose_settings.py LOG...``. The last 30 % of the days of each log,
which `train-hmm evaluate` tests on, are cut away before anything is computed; of what is left, the
last 70 % of the days are forecast, each case before its outcome. Every hyper-parameter starts at a
round figure; one after the other is doubled or halved as long as that saves loss, in two rounds.
The loss is the mean over logs and over `VIEWS` of them: a recogniser errs, so a third of it is what
noisy labels cost. The same values hold for every home.
"""

import argparse
import importlib
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
from rich.console import Console

from predictor.estimators.quantiles import QUANTILES
from predictor.evaluation import prequential
from predictor.evaluation.metrics import log_losses, pinball
from predictor.evaluation.prequential import (
    Answers,
    Question,
    ask,
    first_test_day,
    labels_of,
    true_answers,
)
from predictor.logs.read_logs import read_logs
from predictor.models.store import create
from predictor.sessions import Session, merge

INNER_TRAIN_SHARE = 0.3
"""Share of the days before the test days that is only learned from: a model needs a start."""
WORTH_MOVING = 1e-3
"""Loss that another value must save."""
FACTOR = 2.0
"""From one value to the next."""
MAX_ROUNDS = 2
VIEWS = (Question(repeats=True), Question(repeats=False), Question(repeats=True, noise=0.2))
"""How each log is looked at: raw, merged, and raw with noisy labels."""

Setting = tuple[str, str]
"""A module under `predictor`, and a constant in it."""
Values = Mapping[Setting, float]

AT_MOST: Values = {("estimators.forest", "FEATURE_SHARE"): 1.0}
"""Beyond it a setting means nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Hyper-parameters that are chosen together.

    Attributes:
        model: Whose.
        loss: `next`: log-loss in nats; `current`: share of activities taken for another, which
            happens where labels are noisy; `time`: pinball loss, as a share of the mean time.
        begin: Where each of them starts; a whole number stays one.
    """

    model: Literal["hmm", "dbn"]
    loss: Literal["next", "current", "time"]
    begin: Values


STAGES = (
    Stage(
        "hmm",
        "next",
        {
            ("models.hmm", "N_CLONES"): 4,
            ("models.hmm", "CLONE_AFTER"): 2,
            ("models.hmm", "STATE_PRIOR"): 4.0,
            ("models.hmm", "ACTIVITY_PRIOR"): 4.0,
            ("models.hmm", "HOUR_STATE_PRIOR"): 4.0,
            ("models.hmm", "HOUR_ACTIVITY_PRIOR"): 4.0,
            ("models.hmm", "HOUR_BANDWIDTH"): 1.0,
        },
    ),
    Stage(
        "hmm",
        "current",
        {("estimators.evidence", "LENGTH_PRIOR"): 1.0, ("estimators.evidence", "BANDWIDTH"): 0.4},
    ),
    Stage(
        "hmm",
        "time",
        {
            ("estimators.durations", "ANY_HOUR"): 0.05,
            ("estimators.durations", "PRIOR_WEIGHT"): 0.5,
            ("estimators.durations", "HALF_LIFE_DAYS"): 60.0,
            ("estimators.durations", "LEARNING_RATE"): 0.3,
            ("estimators.durations", "SHARE"): 0.02,
        },
    ),
    Stage(
        "dbn",
        "next",
        {
            ("models.dbn", "HALF_LIFE_DAYS"): 60.0,
            ("models.dbn", "BLEND"): 0.02,
            ("estimators.softmax", "PENALTY"): 1.0,
            ("estimators.forest", "MIN_LEAF_CASES"): 2,
            ("estimators.forest", "FEATURE_SHARE"): 0.3,
            ("estimators.mixing", "LEARNING_RATE"): 0.3,
            ("estimators.mixing", "SHARE"): 0.05,
        },
    ),
)


def days_before_test(log: Sequence[Session]) -> list[Session]:
    """Return a log without its test days."""
    first = first_test_day(log)
    return [session for session in log if session.started_at.date() < first]


def loss_of(stage: Stage, values: Values, log: Sequence[Session], view: Question) -> float:
    """Return a model's mean loss on the inner test days of one log."""
    for (module, name), value in values.items():
        setattr(importlib.import_module(f"predictor.{module}"), name, value)
    prequential.TRAIN_SHARE = INNER_TRAIN_SHARE
    lived = log if view.repeats else merge(log)
    question = replace(view, at="start" if stage.loss == "time" else "end")
    truth = true_answers(lived, question)
    answers = Answers(labels_of(lived))
    for _ in ask(create(stage.model, repeats=view.repeats), lived, question, answers):
        pass
    if stage.loss == "next":
        return float(log_losses(np.array(answers.probabilities), truth.outcomes).mean())
    if stage.loss == "current":
        return 1.0 - float(np.mean(answers.was_right_now))
    return pinball(np.array(answers.waits_s), truth.waits_s, QUANTILES) / float(
        truth.waits_s.mean()
    )


def choose(
    stage: Stage,
    known: Values,
    logs: Sequence[Sequence[Session]],
    *,
    pool: ProcessPoolExecutor,
    console: Console,
) -> dict[Setting, float]:
    """Choose a stage's values, one at a time, given those of earlier stages."""
    chosen = dict(stage.begin)

    def loss(values: Values) -> float:
        found = [
            pool.submit(loss_of, stage, {**known, **values}, log, view)
            for log, view in product(logs, VIEWS)
        ]
        return float(np.mean([each.result() for each in found]))

    least = loss(chosen)
    console.print(f"{'where it starts':30} {least:.4f}", highlight=False)
    for _ in range(MAX_ROUNDS):
        before = dict(chosen)
        for setting, factor in product(stage.begin, (FACTOR, 1.0 / FACTOR)):
            kind, most = type(stage.begin[setting]), AT_MOST.get(setting, math.inf)
            while 0 < (value := kind(chosen[setting] * factor)) <= most:
                found = loss({**chosen, setting: value})
                is_better = found < least - WORTH_MOVING
                told = f"{'.'.join(setting):30} {value:<8g} {found:.4f}{' <' * is_better}"
                console.print(told, highlight=False)
                if not is_better:
                    break
                chosen[setting], least = value, found
        if chosen == before:
            break
    return chosen


def main() -> None:
    """Print every loss, and the values that were chosen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("logs", nargs="+", metavar="LOG", help="start,end,activity[,room]")
    options = parser.parse_args()
    logs = [days_before_test(read_logs([log]).sessions) for log in options.logs]
    console = Console()
    chosen: dict[Setting, float] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for stage in STAGES:
            console.print(f"\n{stage.model}, loss of its {stage.loss} forecasts")
            chosen |= choose(stage, chosen, logs, pool=pool, console=console)
    console.print("\nchosen:")
    for (module, name), value in chosen.items():
        console.print(f"  predictor/{module}.py: {name} = {value:g}", highlight=False)


if __name__ == "__main__":
    main()
