"""How well the simulated home is understood: recognitions, activities, events and forecasts.

Pure: everything is compared with the truth of the simulation, by instants of stream time.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median

from har_stream.core.activity import IDLE, Change
from har_stream.simulation.truth import Stay, stay_at


@dataclass(frozen=True, slots=True)
class Told:
    """A change of activity, as it was reported.

    Attributes:
        activity: What began; ``idle`` where an activity ended and none was seen to follow.
        began_at: When, by the report.
        said_at: Stream time of the report.
    """

    activity: str
    began_at: datetime
    said_at: datetime

    @classmethod
    def by(cls, change: Change, said_at: datetime) -> "Told":
        """Read a segmenter's change."""
        if change.ended_at is not None:
            return cls(IDLE, change.ended_at, said_at)
        return cls(change.activity, change.started_at, said_at)


@dataclass(frozen=True, slots=True)
class EventScore:
    """How the reported changes match the true ones.

    Attributes:
        n_true: True changes to an activity that lasts long enough to be asked for.
        n_reported: Reported changes.
        n_missed: True ones that nobody reported.
        n_false: Reports of what was not going on, and second reports of what was.
        precision: Share of reports that are right.
        recall: Share of true changes that were reported.
        f1: Their harmonic mean.
        median_lag_s: From the true start to the report.
        median_error_s: Between true and reported start.
    """

    n_true: int
    n_reported: int
    n_missed: int
    n_false: int
    precision: float
    recall: float
    f1: float
    median_lag_s: float
    median_error_s: float


def lasting(stays: Iterable[Stay], *, at_least_s: float) -> list[Stay]:
    """Leave out what is over before it can be seen twice; what it interrupted goes on."""
    kept: list[Stay] = []
    for stay in stays:
        if (stay.ended_at - stay.started_at).total_seconds() < at_least_s:
            continue
        if kept and kept[-1].activity == stay.activity:
            kept[-1] = replace(kept[-1], ended_at=stay.ended_at)
        else:
            kept.append(stay)
    return kept


def share_of_time(
    stays: Sequence[Stay], states: Sequence[tuple[datetime, str]], *, until: datetime
) -> float:
    """Return the share of time during which the state that was known is the true one.

    Args:
        stays: The truth.
        states: What was known from each instant on, in order.
        until: Where the last state ends.
    """
    ends = [at for at, _ in states[1:]] + [until]
    right = total = timedelta(0)
    for (begins, state), end in zip(states, ends, strict=True):
        total += end - begins
        for stay in stays:
            if stay.activity == state and stay.started_at < end and stay.ended_at > begins:
                right += min(end, stay.ended_at) - max(begins, stay.started_at)
    return right / total if total else 0.0


def score_events(stays: Sequence[Stay], told: Sequence[Told], *, every_s: float) -> EventScore:
    """Match reports with true changes, one to one.

    A change to an activity that lasts at least two bursts has to be reported; a report of a
    shorter one, or of what goes on again after a shorter one, is right without being asked for.

    Args:
        stays: The truth.
        told: The reports, in order.
        every_s: Time between two decisions: how far a reported start may lie from the true one.
    """
    slack = timedelta(seconds=2 * every_s)
    asked = lasting(stays, at_least_s=2 * every_s)
    answered: dict[Stay, Told] = {}
    n_false = 0
    for report in told:
        fits = [
            stay
            for stay in stays
            if stay.activity == report.activity
            and stay not in answered
            and stay.started_at - slack <= report.began_at < stay.ended_at
        ]
        if fits:
            answered[min(fits, key=lambda stay: abs(stay.started_at - report.began_at))] = report
        else:
            n_false += 1
    found = [(stay, _first_answer(stay, answered)) for stay in asked]
    lags = [(report.said_at - stay.started_at) for stay, report in found if report]
    errors = [abs(report.began_at - stay.started_at) for stay, report in found if report]
    precision = 1 - n_false / len(told) if told else 0.0
    recall = len(lags) / len(asked) if asked else 0.0
    return EventScore(
        n_true=len(asked),
        n_reported=len(told),
        n_missed=len(asked) - len(lags),
        n_false=n_false,
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        median_lag_s=median(lag.total_seconds() for lag in lags) if lags else 0.0,
        median_error_s=median(error.total_seconds() for error in errors) if errors else 0.0,
    )


def score_labels(
    stays: Sequence[Stay], labels: Sequence[tuple[datetime, str]]
) -> tuple[float, dict[str, dict[str, int]]]:
    """Return the share of decisions that are right, and how often each truth got each label."""
    seen: dict[str, Counter[str]] = {}
    for at, label in labels:
        seen.setdefault(stay_at(stays, at).activity, Counter())[label] += 1
    n_right = sum(counts[truth] for truth, counts in seen.items())
    return n_right / len(labels), {truth: dict(counts) for truth, counts in sorted(seen.items())}


def _first_answer(asked: Stay, answered: dict[Stay, Told]) -> Told | None:
    """The report of any part of a stay that shorter ones interrupt."""
    reports = [
        report
        for stay, report in answered.items()
        if stay.activity == asked.activity and asked.started_at <= stay.started_at < asked.ended_at
    ]
    return min(reports, key=lambda report: report.said_at, default=None)
