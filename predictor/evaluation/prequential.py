"""Prequential evaluation: every forecast is made before its outcome is shown, in order.

The test days are the last 30 % of the days; a case belongs to the day on which its target starts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

import numpy as np

from har_stream.core.activity import UNKNOWN
from predictor.estimators.filtering import Array
from predictor.estimators.quantiles import QUANTILES
from predictor.models.online import Forecaster, hour_of
from predictor.models.replay import refit_nightly
from predictor.outlook import HORIZONS_S, Observation
from predictor.sessions import Session

TRAIN_SHARE = 0.7
"""Share of the days with data that come before the test days."""
Moment = Literal["end", "start"]


@dataclass(frozen=True, slots=True)
class Question:
    """How the question is put.

    Attributes:
        at: Whether the next activity is asked for at the end or the start of the current one.
        repeats: Whether an activity may follow itself (raw rows); otherwise sessions are merged.
        noise: Probability that, on the test days, the recogniser reports another label than the
            true one, drawn evenly; it says how unsure it is. The days before are labelled.
        seed: Of the noise.
    """

    at: Moment = "end"
    repeats: bool = False
    noise: float = 0.0
    seed: int = 0


@dataclass(slots=True)
class Answers:
    """What one forecaster answered; a row per test case.

    Attributes:
        outcomes: Labels of the log, ``unknown`` last; the columns of `probabilities`.
        probabilities: p(next activity), shape (cases, outcomes).
        waits_s: 10th, 50th and 90th percentile of the time from the current activity's start to
            the next one's, shape (cases, 3).
        left_s: The same percentiles of the time from the question to the next start, same shape.
        was_right_now: Whether the running activity was known, shape (cases,).
        within: p(activity starts within a horizon), shape (cases, horizons, outcomes - 1).
    """

    outcomes: tuple[str, ...]
    probabilities: list[Array] = field(default_factory=list)
    waits_s: list[tuple[float, ...]] = field(default_factory=list)
    left_s: list[tuple[float, ...]] = field(default_factory=list)
    was_right_now: list[bool] = field(default_factory=list)
    within: list[Array] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened in the test cases.

    Attributes:
        outcomes: Index of the next activity in `Answers.outcomes`, shape (cases,); ``unknown``
            where it had never happened before.
        waits_s: Time from the current activity's start to the next one's, shape (cases,).
        left_s: Time from the question to the next start, shape (cases,).
        days: Day number of each target, shape (cases,).
        within: Whether each activity started within each horizon after the question, shape (all
            cases of the log, horizons, outcomes - 1).
        currents: Index of the current activity, shape (all cases,).
        hours: Time of day of the question in hours, shape (all cases,).
        asked_s: Instant of the question, in seconds since 1970, shape (all cases,).
        first: Index of the first test case among all cases.
    """

    outcomes: np.ndarray[tuple[int], np.dtype[np.intp]]
    waits_s: Array
    left_s: Array
    days: np.ndarray[tuple[int], np.dtype[np.int64]]
    within: Array
    currents: np.ndarray[tuple[int], np.dtype[np.intp]]
    hours: Array
    asked_s: Array
    first: int


@dataclass(frozen=True, slots=True)
class Case:
    """A question with its answer: what follows session `current`? Session `target` does."""

    current: int
    target: int


def cases(sessions: Sequence[Session], *, repeats: bool) -> list[Case]:
    """Pair each session with the one that it is asked for.

    Args:
        sessions: In the order of their starts.
        repeats: Whether the target is simply the next one; otherwise the next different one.
    """
    found = []
    target = len(sessions)
    for current in range(len(sessions) - 2, -1, -1):
        if repeats or sessions[current].activity != sessions[current + 1].activity:
            target = current + 1
        if target < len(sessions):
            found.append(Case(current, target))
    return found[::-1]


def first_test_day(sessions: Sequence[Session]) -> date:
    """Return the first of the last 30 % of the days on which a session starts."""
    days = sorted({session.started_at.date() for session in sessions})
    return days[int(TRAIN_SHARE * len(days))]


def asked_at(sessions: Sequence[Session], case: Case, *, at: str) -> datetime:
    """Return the instant of the question: the start or the end of the current session.

    Sessions may overlap: an end after the start of the next one is not yet known when that starts.
    """
    current = sessions[case.current]
    if at == "start":
        return current.started_at
    return min(current.ended_at, sessions[case.current + 1].started_at)


def labels_of(sessions: Sequence[Session]) -> tuple[str, ...]:
    """Return the labels of a log in alphabetical order, ``unknown`` last."""
    return (*sorted({session.activity for session in sessions}), UNKNOWN)


def test_cases(sessions: Sequence[Session], *, repeats: bool) -> list[Case]:
    """Return the cases whose target starts on a test day."""
    first_day = first_test_day(sessions)
    return [
        case
        for case in cases(sessions, repeats=repeats)
        if sessions[case.target].started_at.date() >= first_day
    ]


def true_answers(sessions: Sequence[Session], question: Question) -> Truth:
    """Return what happened."""
    labels = labels_of(sessions)
    every = cases(sessions, repeats=question.repeats)
    asked = [asked_at(sessions, case, at=question.at) for case in every]
    tested = test_cases(sessions, repeats=question.repeats)
    seen: set[str] = set()
    seen_before = []
    for session in sessions:
        seen.add(session.activity)
        seen_before.append(frozenset(seen))
    outcomes = [
        labels.index(label if label in seen_before[case.current] else UNKNOWN)
        for case in tested
        for label in (sessions[case.target].activity,)
    ]
    waits = [
        (sessions[case.target].started_at - sessions[case.current].started_at).total_seconds()
        for case in tested
    ]
    left = [
        (
            sessions[case.target].started_at - asked_at(sessions, case, at=question.at)
        ).total_seconds()
        for case in tested
    ]
    return Truth(
        np.array(outcomes, np.intp),
        np.array(waits),
        np.array(left),
        np.array([sessions[case.target].started_at.toordinal() for case in tested], np.int64),
        np.array([_started_within(sessions, case, question, labels) for case in every]),
        np.array([labels.index(sessions[case.current].activity) for case in every], np.intp),
        np.array([hour_of(each) for each in asked]),
        np.array([each.timestamp() for each in asked]),
        len(every) - len(tested),
    )


def ask(
    forecaster: Forecaster,
    sessions: Sequence[Session],
    question: Question,
    answers: Answers,
    *,
    horizons: bool = False,
) -> Iterator[int]:
    """Let a forecaster live through a log and answer; yields the number of sessions lived.

    Args:
        forecaster: Empty; it learns as it lives.
        sessions: The log, merged or raw as the question wants it.
        question: How the question is put.
        answers: Where the answers go.
        horizons: Whether to ask for the horizons as well, which takes longer.
    """
    tested = {case.current: case for case in test_cases(sessions, repeats=question.repeats)}
    told_of = zip(
        refit_nightly(forecaster, sessions), observations(sessions, question), strict=True
    )
    for number, (session, told) in enumerate(told_of):
        forecaster.observe(told)
        start = forecaster.next_start(session.started_at)
        waits_s = tuple(start.quantile(share) for share in QUANTILES)
        case = Case(number, number + 1) if number + 1 < len(sessions) else None
        asked = asked_at(sessions, case, at=question.at) if case else session.ended_at
        if question.at == "end":
            forecaster.end(asked)
        if number in tested:
            answers.waits_s.append(waits_s)
            left = forecaster.next_start(asked)
            answers.left_s.append(tuple(left.quantile(share) for share in QUANTILES))
            likely = forecaster.next_activity(asked, waits_s[1])
            answers.probabilities.append(
                np.array([likely.get(label, 0.0) for label in answers.outcomes])
            )
            now = forecaster.current()
            answers.was_right_now.append(max(now, key=now.__getitem__) == session.activity)
            if horizons:
                reached = forecaster.outlook(asked).within
                answers.within.append(
                    np.array(
                        [
                            [reached[name].get(label, 0.0) for label in answers.outcomes[:-1]]
                            for name in HORIZONS_S
                        ]
                    )
                )
        if question.at == "start" and case:
            forecaster.end(asked_at(sessions, case, at="end"))
        yield number + 1


def observations(sessions: Sequence[Session], question: Question) -> Iterator[Observation]:
    """Yield what the recogniser reports of each session: the truth, or with noise."""
    labels = labels_of(sessions)[:-1]
    random = np.random.default_rng(question.seed)
    first_day = first_test_day(sessions)
    for session in sessions:
        label, probabilities = session.activity, None
        is_tested = session.started_at.date() >= first_day
        if question.noise > 0 and is_tested and len(labels) > 1:
            others = [each for each in labels if each != session.activity]
            if random.random() < question.noise:
                label = others[int(random.integers(len(others)))]
            share = question.noise / len(others)
            probabilities = {
                each: 1.0 - question.noise if each == label else share for each in labels
            }
        yield Observation(label, session.started_at, session.room, probabilities)


def _started_within(
    sessions: Sequence[Session], case: Case, question: Question, labels: Sequence[str]
) -> Array:
    asked = asked_at(sessions, case, at=question.at)
    started: Mapping[str, int] = {label: index for index, label in enumerate(labels[:-1])}
    reached = np.zeros((len(HORIZONS_S), len(labels) - 1))
    for session in sessions[case.current + 1 :]:
        wait_s = (session.started_at - asked).total_seconds()
        for row, horizon_s in enumerate(HORIZONS_S.values()):
            if wait_s <= horizon_s:
                reached[row, started[session.activity]] = 1.0
        if wait_s > max(HORIZONS_S.values()):
            break
    return reached
