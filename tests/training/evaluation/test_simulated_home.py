"""Scores of the simulated home on timelines small enough to check by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from har_stream.simulation.truth import Stay
from predictor.models.hmm import HmmForecaster
from training.evaluation.simulated_home import (
    ReportedChange,
    drop_brief_stays,
    forecast,
    score_changes,
    score_labels,
    share_of_time,
)

T0 = datetime(2026, 1, 5, tzinfo=UTC)


def _at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def _stays(*pieces: tuple[str, float, float]) -> list[Stay]:
    return [Stay(name, "kitchen", _at(begins), _at(ends)) for name, begins, ends in pieces]


def _told(activity: str, began: float, said: float | None = None) -> ReportedChange:
    return ReportedChange(activity, _at(began), _at(began + 0.5 if said is None else said))


DAY = _stays(("sleeping", 0, 60), ("walking", 60, 60.2), ("cooking", 60.2, 80), ("idle", 80, 100))


def test_perfect_reports_score_one_and_lag_as_they_were_said() -> None:
    told = [_told("sleeping", 0), _told("cooking", 60.2, 61.2), _told("idle", 80)]
    score = score_changes(DAY, told, every_s=30)
    assert (score.precision, score.recall, score.f1) == (1.0, 1.0, 1.0)
    assert (score.n_true, score.n_missed, score.n_false) == (3, 0, 0)
    assert score.median_lag_s == 30
    assert score.median_error_s == 0


def test_a_second_report_and_a_wrong_one_are_false_and_a_missing_one_is_missed() -> None:
    told = [_told("sleeping", 0), _told("sleeping", 30), _told("eating", 65)]
    score = score_changes(DAY, told, every_s=30)
    assert (score.n_false, score.n_missed) == (2, 2)
    assert score.precision == pytest.approx(1 / 3)
    assert score.recall == pytest.approx(1 / 3)


def test_a_short_activity_may_be_reported_but_need_not_be() -> None:
    told = [_told("sleeping", 0), _told("walking", 60), _told("cooking", 60.2), _told("idle", 80)]
    assert score_changes(DAY, told, every_s=30).f1 == 1.0
    without = [report for report in told if report.activity != "walking"]
    assert score_changes(DAY, without, every_s=30).f1 == 1.0


def test_what_a_short_activity_interrupts_may_be_reported_again() -> None:
    night = _stays(("sleeping", 0, 60), ("walking", 60, 60.5), ("sleeping", 60.5, 120))
    assert [stay.activity for stay in drop_brief_stays(night, at_least_s=60)] == ["sleeping"]
    once, twice = [_told("sleeping", 0)], [_told("sleeping", 0), _told("sleeping", 60.5)]
    for told in (once, twice):
        score = score_changes(night, told, every_s=30)
        assert (score.n_true, score.n_missed, score.n_false) == (1, 0, 0)


def test_time_is_right_as_long_as_the_known_state_is_the_true_one() -> None:
    states = [(_at(0), "sleeping"), (_at(61), "cooking"), (_at(90), "idle")]
    right = 60 + (80 - 61) + (100 - 90)
    assert share_of_time(DAY, states, until=_at(100)) == pytest.approx(right / 100)


def test_labels_are_counted_by_the_truth_of_their_instant() -> None:
    labels = [(_at(1), "sleeping"), (_at(59), "walking"), (_at(70), "cooking"), (_at(90), "idle")]
    accuracy, confusion = score_labels(DAY, labels)
    assert accuracy == 0.75
    assert confusion["sleeping"] == {"sleeping": 1, "walking": 1}


def test_forecasts_are_made_from_reports_alone_and_judged_by_the_truth() -> None:
    """In a home where one thing follows another, the forecaster learns it; wrong reports hurt."""
    circle = ("sleeping", "cooking", "eating", "sitting")
    days = _stays(*((circle[n % 4], 60 * n, 60 * (n + 1)) for n in range(160)))
    history, judged = days[:120], days[120:]
    right = [_told(stay.activity, (stay.started_at - T0) / timedelta(minutes=1)) for stay in judged]
    scores = forecast(HmmForecaster(), history=history, reports=right, asked=judged)
    assert scores.n_scored >= 38
    assert (scores.scores()["hmm"].top1 or 0) > 0.95
    wrong = [ReportedChange("cooking", report.began_at, report.reported_at) for report in right]
    misled = forecast(HmmForecaster(), history=history, reports=wrong, asked=judged)
    assert (misled.scores()["hmm"].top1 or 0) < 0.6
