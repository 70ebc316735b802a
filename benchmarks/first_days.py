"""What a new home gains from what other homes have in common: each log without itself.

`python benchmarks/first_days.py LOG...` prints the table of docs/forecasting.md: log-loss over days
2 to 7 and over each later week, starting from nothing, with the habits of the other logs, and with
these where no label has a name that is known. Intervals are bootstrapped over days. With `--learn`
it writes `predictor/prior/homes.json` instead: the numbers that the package brings.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from predictor.estimators.filtering import Array
from predictor.evaluation import prequential
from predictor.evaluation.metrics import group_interval, log_losses
from predictor.evaluation.prequential import Answers, Question, ask, labels_of, true_answers
from predictor.logs.read_logs import read_logs
from predictor.models.store import create
from predictor.prior.common_habits import CommonHabits, learn_habits
from predictor.prior.home_counts import HomeCounts, count_home
from predictor.sessions import Session, merge

HOMES = Path(__file__).parent.parent / "predictor" / "prior" / "homes.json"


@dataclass(frozen=True, slots=True)
class Losses:
    """Log-losses of one log in nats, a case each, by how its forecaster began.

    Attributes:
        nothing: From nothing.
        common: From the habits of the other homes.
        nameless: From these, where no label has a name that is known.
        days: Number of each case's day since the log began.
    """

    nothing: Array
    common: Array
    nameless: Array
    days: Array


def losses_of(
    sessions: Sequence[Session], others: Sequence[HomeCounts], question: Question
) -> Losses:
    """Live through a log from its first day, three times."""
    prequential.TRAIN_SHARE = 0.0  # every day is a test day
    lived = sessions if question.repeats else merge(sessions)
    nameless = [replace(each, activity=_hidden(each.activity)) for each in lived]
    begin = lived[0].started_at.toordinal()
    return Losses(
        _losses(lived, CommonHabits(), question),
        _losses(lived, learn_habits(others), question),
        _losses(nameless, learn_habits(others), question),
        true_answers(lived, question).days - float(begin),
    )


def _losses(lived: Sequence[Session], common: CommonHabits, question: Question) -> Array:
    answers = Answers(labels_of(lived))
    forecaster = create("dbn", repeats=question.repeats, common=common)
    for _ in ask(forecaster, lived, question, answers):
        pass
    truth = true_answers(lived, question)
    return log_losses(np.array(answers.probabilities), truth.outcomes)


def _hidden(label: str) -> str:
    return "x" + "".join(f"{ord(sign):x}" for sign in label)


def row(losses: Losses, better: Array, days: slice) -> str:
    """Return the losses of some days from nothing and from a better start, and what is gained."""
    at = (losses.days >= days.start) & (losses.days < days.stop)
    gained = (losses.nothing - better)[at]
    low, high = group_interval(gained, losses.days[at].astype(np.int64))
    means = f"{losses.nothing[at].mean():.2f} | {better[at].mean():.2f}"
    return f"{means} | {gained.mean():+.2f} ({low:+.2f} to {high:+.2f}) |"


def main() -> None:
    """Print the table, or write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", nargs="+", metavar="LOG", type=Path)
    parser.add_argument("--raw", action="store_true", help="rows as they stand, not merged")
    parser.add_argument("--learn", action="store_true", help=f"write {HOMES.name}")
    options = parser.parse_args()
    logs = {path.stem: read_logs([str(path)]).sessions for path in options.logs}
    homes = {name: count_home(sessions) for name, sessions in logs.items()}
    if options.learn:
        HOMES.write_text(_as_json({name: asdict(home) for name, home in homes.items()}))
        return
    others = {name: [homes[other] for other in homes if other != name] for name in homes}
    print("| log | days | from nothing | with other homes | gained |")
    print("|---|---|---|---|---|")
    question = Question(repeats=options.raw)
    for name, log in logs.items():
        losses = losses_of(log, others[name], question)
        print(f"| {name} | 2 to 7 |", row(losses, losses.common, slice(1, 7)), flush=True)
        print("| | 2 to 7, no names |", row(losses, losses.nameless, slice(1, 7)))
        for day in range(7, int(losses.days.max()) + 1, 7):
            later = row(losses, losses.common, slice(day, day + 7))
            print(f"| | {day + 1} to {day + 7} |", later, flush=True)


def _as_json(homes: Mapping[str, Mapping[str, object]]) -> str:
    """Return JSON that can be read and compared: a line for each activity of each home."""
    lines = []
    for name, home in homes.items():
        parts = []
        for key, value in home.items():
            if isinstance(value, dict):
                rows = ",\n   ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
                parts.append(f"  {json.dumps(key)}: {{\n   {rows}\n  }}")
            else:
                parts.append(f"  {json.dumps(key)}: {json.dumps(value)}")
        lines.append(f" {json.dumps(name)}: {{\n" + ",\n".join(parts) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
