"""Running scores are prequential, beside most-frequent and first-order Markov."""

import math

import pytest

from predictor.service.running_scores import FLOOR, RunningScores


def test_log_loss_and_top1_by_hand() -> None:
    scores = RunningScores()
    scores.add({}, "a", model="hmm")  # nothing ran before: no case
    scores.add({"b": 0.5, "c": 0.3, "unknown": 0.2}, "b", model="hmm")
    scores.add({"b": 0.6, "c": 0.2, "unknown": 0.2}, "c", model="hmm")
    scored = scores.scores()["hmm"]
    assert scores.n_scored == 2
    assert scored.log_loss == pytest.approx(-(math.log(0.5) + math.log(0.2)) / 2, abs=1e-3)
    assert scored.top1 == 0.5


def test_an_activity_that_goes_on_is_no_case() -> None:
    scores = RunningScores()
    for _ in range(3):
        scores.add({"a": 1.0}, "a", model="hmm")
    assert scores.n_scored == 0
    assert scores.scores() == {}


def test_a_new_activity_is_judged_by_unknown_and_surprise_is_bounded() -> None:
    scores = RunningScores()
    scores.add({}, "a", model="hmm")
    scores.add({"c": 0.9, "unknown": 0.1}, "new", model="hmm")
    assert scores.scores()["hmm"].log_loss == pytest.approx(-math.log(0.1), abs=1e-3)
    scores.add({"new": 0.0}, "b", model="hmm")
    assert scores.scores()["hmm"].log_loss == pytest.approx(
        (-math.log(0.1) - math.log(FLOOR)) / 2, abs=1e-3
    )


def test_markov_learns_what_follows_and_most_frequent_does_not() -> None:
    scores = RunningScores()
    for activity in ["a", "b", "c"] * 200:
        scores.add({}, activity, model="hmm")
    by_name = scores.scores()
    markov, frequent = by_name["markov"], by_name["most_frequent"]
    assert markov.log_loss is not None
    assert frequent.log_loss is not None
    assert markov.log_loss < 0.1
    assert frequent.log_loss == pytest.approx(math.log(2), abs=0.1)
    assert markov.top1 is not None
    assert markov.top1 > 0.98


def test_the_baselines_are_asked_before_they_learn() -> None:
    scores = RunningScores()
    scores.add({}, "a", model="hmm")
    scores.add({}, "b", model="hmm")  # only "unknown" was left to be expected
    assert scores.scores()["markov"].top1 == 0.0
    assert scores.scores()["markov"].log_loss == 0.0
