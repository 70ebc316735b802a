"""An evaluation's figures: the model beside the baselines, in numbers that a report can show."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from har_stream.core.errors import InputError
from predictor.estimators.filtering import Array
from predictor.estimators.quantiles import QUANTILES
from predictor.evaluation import metrics
from predictor.evaluation.baselines import BOOSTING, SIMPLE, GradientBoosting
from predictor.evaluation.prequential import (
    Answers,
    Question,
    Truth,
    ask,
    cases,
    labels_of,
    test_cases,
    true_answers,
)
from predictor.models.online import Forecaster
from predictor.models.store import create
from predictor.outlook import HORIZONS_S
from predictor.prior.common_habits import habits_of_others
from predictor.sessions import Session, merge

Figures = dict[str, Any]
Watch = Callable[[str, Iterable[int], int], Iterable[int]]
"""Shows progress: a description, the steps, and how many there are."""


def unwatched(description: str, steps: Iterable[int], n_steps: int) -> Iterable[int]:
    """Show nothing."""
    del description, n_steps
    return steps


def evaluate(
    model: str,
    sessions: Sequence[Session],
    question: Question,
    *,
    boosting: bool = False,
    watch: Watch = unwatched,
) -> Figures:
    """Evaluate a model beside the baselines.

    Args:
        model: ``hmm`` or ``dbn``.
        sessions: The log as it stands; it is merged unless the question has repeats.
        question: How the question is put.
        boosting: Whether gradient boosting, refitted nightly, is among the baselines.
        watch: Shows progress.

    Returns:
        The figures of the model and, under ``baselines``, those of each baseline with the paired
        difference to it. Times are in minutes, losses in nats.
    """
    lived = sessions if question.repeats else merge(sessions)
    if not question.repeats and len({session.activity for session in lived}) < 2:
        raise InputError(
            "one activity only: none follows that differs; --raw asks when it comes again"
        )
    tested, every = (find(lived, repeats=question.repeats) for find in (test_cases, cases))
    if not 0 < len(tested) < len(every):
        raise InputError(
            f"too little to evaluate: {len(every)} changes of activity, {len(tested)} of them on "
            "test days; a log of several days is needed"
        )
    truth = true_answers(lived, question)
    rivals: dict[str, Forecaster] = {
        name: baseline(repeats=question.repeats) for name, baseline in SIMPLE.items()
    }
    if boosting:
        rivals[BOOSTING] = GradientBoosting(repeats=question.repeats)

    def live(name: str, forecaster: Forecaster) -> Answers:
        answers = Answers(labels_of(lived))
        is_model = name == model
        steps = ask(forecaster, lived, question, answers, horizons=is_model)
        for _ in watch(name, steps, len(lived)):
            pass
        return answers

    common = habits_of_others(sessions)
    answers = live(model, create(model, repeats=question.repeats, common=common))
    found: Figures = {"model": model, **_figures(answers, truth)}
    found["horizons"] = _horizons(answers, truth)
    found["calibration"] = metrics.reliability(np.array(answers.probabilities), truth.outcomes)
    found["days"] = _by_day(answers, truth)
    found["baselines"] = {
        name: _beside(live(name, rival), answers, truth) for name, rival in rivals.items()
    }
    found["protocol"] = {
        "at": question.at,
        "view": "raw" if question.repeats else "merged",
        "noise": question.noise,
        "n_train": truth.first,
        "n_labels": len(labels_of(lived)) - 1,
    }
    return found


def _figures(answers: Answers, truth: Truth) -> Figures:
    probabilities, outcomes = np.array(answers.probabilities), truth.outcomes
    waits_s = np.array(answers.waits_s)
    is_covered, is_covered_asked = (
        (told[:, 0] <= true) & (true <= told[:, 2])
        for told, true in ((waits_s, truth.waits_s), (np.array(answers.left_s), truth.left_s))
    )
    return {
        "n_test": len(outcomes),
        "log_loss": float(metrics.log_losses(probabilities, outcomes).mean()),
        "brier": metrics.brier_score(probabilities, outcomes),
        "top1": metrics.top_k(probabilities, outcomes, 1),
        "top3": metrics.top_k(probabilities, outcomes, 3),
        "macro_recall": metrics.macro_recall(probabilities, outcomes),
        "ece": metrics.expected_calibration_error(probabilities, outcomes),
        "time_mae_min": float(np.abs(waits_s[:, 1] - truth.waits_s).mean() / 60.0),
        "time_pinball_min": metrics.pinball(waits_s, truth.waits_s, QUANTILES) / 60.0,
        "coverage80": float(is_covered.mean()),
        "coverage80_asked": float(is_covered_asked.mean()),
        "current_top1": float(np.mean(answers.was_right_now)),
    }


def _beside(rival: Answers, model: Answers, truth: Truth) -> Figures:
    """Return a baseline's figures, and how much more it loses than the model, per case."""
    losses = [
        metrics.log_losses(np.array(each.probabilities), truth.outcomes) for each in (rival, model)
    ]
    difference = losses[0] - losses[1]
    low, high = metrics.group_interval(difference, truth.days)
    return {
        **_figures(rival, truth),
        "log_loss_above_model": float(difference.mean()),
        "log_loss_above_model_95": [low, high],
    }


def _horizons(answers: Answers, truth: Truth) -> Figures:
    """Return the Brier skill of "starts within ...", against the best of `_rates`; 1 is perfect."""
    forecast, happened = np.array(answers.within), truth.within[truth.first :]
    losses = {
        name: ((rates - happened) ** 2).mean(axis=(0, 2)) for name, rates in _rates(truth).items()
    }
    model = ((forecast - happened) ** 2).mean(axis=(0, 2))
    found: Figures = {}
    for place, horizon in enumerate(HORIZONS_S):
        of_best, best = min((float(loss[place]), name) for name, loss in losses.items())
        found[horizon] = {
            "brier": float(model[place]),
            "best_baseline": best,
            "brier_skill": 1.0 - float(model[place]) / of_best if of_best > 0 else 0.0,
        }
    return found


def _rates(truth: Truth) -> dict[str, Array]:
    """Return how often each activity began within each horizon in the cases before a test case.

    Of all of them, of those around the same time of day, of those of the same running activity, and
    of those that are both; the latter three back off to all. Cases count once their horizon has
    passed.

    Returns:
        By name: shape (test cases, horizons, outcomes - 1).
    """
    apart = np.abs(truth.hours[truth.first :, None] - truth.hours)
    apart = np.minimum(apart, 24.0 - apart)
    at_hour = np.exp(-0.5 * apart * apart)  # a kernel an hour wide
    same = (truth.currents[truth.first :, None] == truth.currents).astype(float)
    likeness = {"time_of_day": at_hour, "activity": same, "activity, time_of_day": same * at_hour}
    age_s = truth.asked_s[truth.first :, None] - truth.asked_s
    shape = (len(age_s), *truth.within.shape[1:])
    rates = {name: np.zeros(shape) for name in ("rate", *likeness)}
    for place, horizon_s in enumerate(HORIZONS_S.values()):
        before = (age_s >= horizon_s).astype(float)
        happened = truth.within[:, place]
        overall = before @ happened / np.maximum(before.sum(axis=1, keepdims=True), 1.0)
        rates["rate"][:, place] = overall
        for name, like in likeness.items():
            weight = before * like
            counted = weight @ happened + overall
            rates[name][:, place] = counted / (weight.sum(axis=1, keepdims=True) + 1.0)
    return rates


def _by_day(answers: Answers, truth: Truth) -> list[Figures]:
    losses: Array = metrics.log_losses(np.array(answers.probabilities), truth.outcomes)
    return [
        {
            "day": int(day),
            "n": int((truth.days == day).sum()),
            "log_loss": float(losses[truth.days == day].mean()),
        }
        for day in np.unique(truth.days)
    ]
