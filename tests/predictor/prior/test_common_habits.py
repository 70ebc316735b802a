"""What homes have in common helps a new one at once, and does it no harm later."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from support.regular_home import START, home

from predictor.evaluation.metrics import log_losses
from predictor.evaluation.prequential import Answers, Question, ask, labels_of, true_answers
from predictor.models.store import create
from predictor.outlook import Observation
from predictor.prior.common_habits import (
    CommonHabits,
    common_habits,
    habits_of_others,
    learn_habits,
)
from predictor.prior.home_counts import count_home
from predictor.sessions import Session

OTHERS = [count_home(home(20, seed=seed)) for seed in (5, 6)]
CALLED = {"wash": "Personal_Hygiene", "eat": "Meal", "sleep": "Go_to_bed", "relax": "Spare_Time"}


def _renamed(sessions: Sequence[Session], names: dict[str, str]) -> list[Session]:
    return [replace(each, activity=names.get(each.activity, each.activity)) for each in sessions]


def _loss(sessions: Sequence[Session], common: CommonHabits, model: str = "hmm") -> float:
    """Mean log-loss, in nats, of the last 30 % of the days."""
    answers = Answers(labels_of(sessions))
    for _ in ask(create(model, common=common), sessions, Question(), answers):
        pass
    truth = true_answers(sessions, Question())
    return float(log_losses(np.array(answers.probabilities), truth.outcomes).mean())


@pytest.mark.parametrize("model", ["hmm", "dbn"])
def test_a_second_day_is_foreseen_from_other_homes(model: str) -> None:
    lived = _renamed(home(2, seed=1), CALLED)
    assert _loss(lived, learn_habits(OTHERS), model) < _loss(lived, CommonHabits(), model) - 0.3


def test_a_home_that_is_otherwise_is_believed_soon() -> None:
    """Its days run backwards: after a week that counts, not what others do."""
    backwards = {"wash": "relax", "relax": "wash", "cook": "sleep", "sleep": "cook"}
    lived = _renamed(home(12, seed=1), backwards)
    assert _loss(lived, learn_habits(OTHERS)) < _loss(lived, CommonHabits()) + 0.02


def test_labels_without_a_name_cost_nothing() -> None:
    lived = _renamed(
        home(6, seed=1), {label: f"x{ord(label[0])}{len(label)}" for label in ("wake", *CALLED)}
    )
    assert _loss(lived, learn_habits(OTHERS)) < _loss(lived, CommonHabits()) + 0.02


def test_what_is_done_for_eight_hours_at_night_is_sleep() -> None:
    common = common_habits()
    hours, lengths = np.zeros((1, 24)), np.zeros((1, common.lengths.shape[1]))
    common.add_label("x1")
    unseen = common.match(hours, lengths)
    hours[0, 23] = 7.0
    lengths[0, int(2 * np.log1p(8 * 3600.0))] = 7.0
    likely = common.match(hours, lengths)[0]
    assert common.activities[int(likely.argmax())] == "sleeping"
    assert likely.max() > 10 * unseen.max()
    assert likely.sum() < 1.0, "it may be none of them"


def test_what_is_learnt_of_other_homes_is_made_of_probabilities() -> None:
    common = common_habits()
    for shares in (common.follows, common.hours, common.lengths):
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        assert shares.min() >= 0.0
    assert (np.diff(common.dwells_s) >= 0).all()
    at = {name: common.hours[row] for row, name in enumerate(common.activities)}
    assert at["breakfast"][6:11].sum() > 0.5 > at["breakfast"][17:23].sum()


def test_a_row_spares_labels_that_no_other_home_has() -> None:
    common = common_habits()
    for label in ("sleeping", "toilet", "x1"):
        common.add_label(label)
    usual = np.array([1.0, 2.0, 1.0])
    match = common.match(np.zeros((3, 24)), np.zeros((3, common.lengths.shape[1])))
    match[2] = 0.0
    rows = common.rows(match, usual)
    np.testing.assert_allclose(rows.sum(axis=1), [1.0, 1.0, 0.0])
    np.testing.assert_allclose(rows[:2, 2], 0.25)
    assert common.rows(match, usual, repeats=False)[0, 0] == 0.0


def test_a_log_that_was_learnt_from_is_left_out_when_it_is_judged() -> None:
    began = START.replace(year=2011, month=11, day=28, hour=2, minute=27, second=59)
    own = [Session("Sleeping", began, began + timedelta(hours=8))]
    assert habits_of_others(own).diversity != common_habits().diversity
    assert habits_of_others(home(1)).diversity == common_habits().diversity


def test_a_new_home_is_forecast_on_its_first_day() -> None:
    """Breakfast was seen once, after the toilet; that it comes after washing others have told."""
    likely = {}
    for name, common in (("nothing", CommonHabits()), ("common", common_habits())):
        forecaster = create("dbn", common=common)
        at = START
        for label in ("Sleeping", "Leaving", "Toileting", "Breakfast", "Lunch", "Grooming"):
            forecaster.observe(Observation(label, at))
            at += timedelta(minutes=1)
        likely[name] = forecaster.outlook(at).next["Breakfast"]
    assert likely["common"] > 1.3 * likely["nothing"]
