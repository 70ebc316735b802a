"""Choose the forecasters' hyper-parameters on the days before the test days alone.

Run it as ``python benchmarks/choose_settings.py LOG...``. The last 30 % of the days of each log,
which `train-hmm evaluate` tests on, are cut away before anything is computed; of what is left, the
last 70 % of the days are forecast, each case before its outcome. Every hyper-parameter starts in
the middle of its grid; one after the other takes the value with the least loss, mean over logs,
raw and merged, until none moves any more. The same values hold for every home.
"""

import argparse
import importlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from rich.console import Console
from rich.progress import Progress

from predictor import sessions
from predictor.evaluate import Answers, Protocol, ask, labels_of, true_answers
from predictor.logs import read_logs
from predictor.metrics import log_losses, pinball
from predictor.models import create
from predictor.sessions import Session, first_test_day, merge
from predictor.spread import QUANTILES

INNER_TRAIN_SHARE = 0.3
"""Share of the days before the test days that is only learned from: a model needs a start."""
WORTH_MOVING = 1e-3
"""Loss that another value must save."""
MAX_ROUNDS = 3

Setting = tuple[str, str]
Values = Mapping[Setting, float]


@dataclass(frozen=True, slots=True)
class Stage:
    """Hyper-parameters that are chosen together.

    Attributes:
        model: Whose.
        loss: `next`: log-loss in nats; `time`: pinball loss, as a share of the mean time.
        grids: Module under `predictor` and constant: the values tried.
    """

    model: Literal["hmm", "dbn"]
    loss: Literal["next", "time"]
    grids: Mapping[Setting, tuple[float, ...]]


STAGES = (
    Stage(
        "hmm",
        "next",
        {
            ("hmm", "N_CLONES"): (1, 2, 4, 8, 12),
            ("hmm", "CLONE_AFTER"): (1, 2, 3, 5, 8),
            ("hmm", "STATE_PRIOR"): (1.0, 2.0, 5.0, 10.0, 20.0),
            ("hmm", "ACTIVITY_PRIOR"): (1.0, 2.0, 5.0, 10.0, 20.0),
            ("hmm", "HOUR_STATE_PRIOR"): (1.0, 2.0, 4.0, 8.0, 16.0),
            ("hmm", "HOUR_ACTIVITY_PRIOR"): (1.0, 2.0, 4.0, 8.0, 16.0),
            ("hmm", "HOUR_BANDWIDTH"): (0.5, 0.75, 1.0, 1.5, 2.0),
        },
    ),
    Stage(
        "hmm",
        "time",
        {
            ("durations", "ANY_HOUR"): (0.01, 0.02, 0.05, 0.1, 0.2),
            ("durations", "PRIOR_WEIGHT"): (0.125, 0.25, 0.5, 1.0, 2.0),
            ("durations", "HALF_LIFE_DAYS"): (15.0, 30.0, 60.0, 120.0, 240.0),
            ("durations", "LEARNING_RATE"): (0.1, 0.2, 0.3, 0.5, 1.0),
            ("durations", "SHARE"): (0.005, 0.01, 0.02, 0.05, 0.1),
        },
    ),
    Stage(
        "dbn",
        "next",
        {
            ("dbn", "HALF_LIFE_DAYS"): (15.0, 30.0, 60.0, 120.0, 240.0),
            ("dbn", "BLEND"): (0.01, 0.02, 0.05, 0.1, 0.2),
            ("softmax", "PENALTY"): (0.25, 0.5, 1.0, 2.0, 4.0),
            ("forest", "MIN_LEAF_CASES"): (1, 2, 3, 5, 8),
            ("forest", "FEATURE_SHARE"): (0.1, 0.2, 0.3, 0.5, 0.8),
            ("mixing", "LEARNING_RATE"): (0.1, 0.2, 0.3, 0.5, 1.0),
            ("mixing", "SHARE"): (0.01, 0.02, 0.05, 0.1, 0.2),
        },
    ),
)


def days_before_test(log: Sequence[Session]) -> list[Session]:
    """Return a log without its test days."""
    first = first_test_day(log)
    return [session for session in log if session.started_at.date() < first]


def loss_of(stage: Stage, values: Values, log: Sequence[Session], *, repeats: bool) -> float:
    """Return a model's mean loss on the inner test days of one log."""
    for (module, name), value in values.items():
        setattr(importlib.import_module(f"predictor.{module}"), name, value)
    sessions.TRAIN_SHARE = INNER_TRAIN_SHARE
    lived = log if repeats else merge(log)
    protocol = Protocol("end" if stage.loss == "next" else "start", repeats=repeats)
    truth = true_answers(lived, protocol)
    answers = Answers(labels_of(lived))
    for _ in ask(create(stage.model, repeats=repeats), lived, protocol, answers):
        pass
    if stage.loss == "next":
        return float(log_losses(np.array(answers.probabilities), truth.outcomes).mean())
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
    """Choose a stage's values by coordinate descent, given those of earlier stages."""
    chosen = {setting: grid[len(grid) // 2] for setting, grid in stage.grids.items()}

    def losses(tried: Sequence[dict[Setting, float]]) -> list[float]:
        views = list(product(logs, (True, False)))
        found = [
            pool.submit(loss_of, stage, {**known, **values}, log, repeats=repeats)
            for values in tried
            for log, repeats in views
        ]
        with Progress(console=console, transient=True) as progress:
            done = progress.add_task(f"{stage.model}, {stage.loss}", total=len(found))
            for each in found:
                each.add_done_callback(lambda _: progress.advance(done))
            everything = [each.result() for each in found]
        rows = np.array(everything).reshape(len(tried), len(views))
        return [float(row.mean()) for row in rows]

    (least,) = losses([chosen])
    for _ in range(MAX_ROUNDS):
        moved = False
        for setting, grid in stage.grids.items():
            tried = [value for value in grid if value != chosen[setting]]
            found = dict(
                zip(tried, losses([{**chosen, setting: value} for value in tried]), strict=True)
            ) | {chosen[setting]: least}
            best = min(tried, key=found.__getitem__)
            if found[best] < least - WORTH_MOVING:
                chosen[setting], least, moved = best, found[best], True
            shown = "  ".join(
                f"[bold]{value:g}: {found[value]:.4f}[/]"
                if value == chosen[setting]
                else f"{value:g}: {found[value]:.4f}"
                for value in grid
            )
            console.print(f"{'.'.join(setting):30} {shown}", highlight=False, soft_wrap=True)
        if not moved:
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
            console.print(f"\n[bold]{stage.model}[/], loss of the {stage.loss} activity")
            chosen |= choose(stage, chosen, logs, pool=pool, console=console)
    console.print("\nchosen:")
    for (module, name), value in chosen.items():
        console.print(f"  predictor/{module}.py: {name} = {value:g}", highlight=False)


if __name__ == "__main__":
    main()
