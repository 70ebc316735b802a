"""How well a simulated home is understood: recognitions, activities, events and forecasts.

Everything is compared with the truth of the simulation, by instants of stream time.
"""

import dataclasses
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import numpy as np

from har_stream.core.activity import IDLE, Change
from har_stream.core.frame import Frame
from har_stream.core.thresholds import apply_reject_rule
from har_stream.recognition.activity_changes import Segmenter
from har_stream.recognition.recogniser import Recogniser
from har_stream.simulation.simulated_camera import SimulatedSource
from har_stream.simulation.truth import Stay, stay_at, truth
from predictor.models.hmm import HmmForecaster
from predictor.models.online import Forecaster
from predictor.outlook import Observation
from predictor.service.running_scores import RunningScores
from predictor.sessions import Session

_CAMERA = "sim"


@dataclass(frozen=True, slots=True)
class ReportedChange:
    """A change of activity, as it was reported.

    Attributes:
        activity: What began; ``idle`` where an activity ended and none was seen to follow.
        began_at: When, by the report.
        reported_at: Stream time of the report.
    """

    activity: str
    began_at: datetime
    reported_at: datetime

    @classmethod
    def from_change(cls, change: Change, reported_at: datetime) -> "ReportedChange":
        """Read a segmenter's change."""
        if change.ended_at is not None:
            return cls(IDLE, change.ended_at, reported_at)
        return cls(change.activity, change.started_at, reported_at)


@dataclass(frozen=True, slots=True)
class ChangeScore:
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


def drop_brief_stays(stays: Iterable[Stay], *, at_least_s: float) -> list[Stay]:
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


def score_changes(
    stays: Sequence[Stay], reports: Sequence[ReportedChange], *, every_s: float
) -> ChangeScore:
    """Match reports with true changes, one to one.

    A change to an activity that lasts at least two bursts has to be reported; a report of a
    shorter one, or of what goes on again after a shorter one, is right without being asked for.

    Args:
        stays: The truth.
        reports: The reports, in order.
        every_s: Time between two decisions: how far a reported start may lie from the true one.
    """
    slack = timedelta(seconds=2 * every_s)
    asked = drop_brief_stays(stays, at_least_s=2 * every_s)
    answered: dict[Stay, ReportedChange] = {}
    n_false = 0
    for report in reports:
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
    lags = [(report.reported_at - stay.started_at) for stay, report in found if report]
    errors = [abs(report.began_at - stay.started_at) for stay, report in found if report]
    precision = 1 - n_false / len(reports) if reports else 0.0
    recall = len(lags) / len(asked) if asked else 0.0
    return ChangeScore(
        n_true=len(asked),
        n_reported=len(reports),
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
    n_right = sum(counts[true] for true, counts in seen.items())
    return n_right / len(labels), {true: dict(counts) for true, counts in sorted(seen.items())}


def _first_answer(asked: Stay, answered: dict[Stay, ReportedChange]) -> ReportedChange | None:
    """The report of any part of a stay that shorter ones interrupt."""
    reports = [
        report
        for stay, report in answered.items()
        if stay.activity == asked.activity and asked.started_at <= stay.started_at < asked.ended_at
    ]
    return min(reports, key=lambda report: report.reported_at, default=None)


@dataclass(slots=True)
class RecognisedHome:
    """What was made of a home.

    Attributes:
        labels: Every decision: its instant and label, perhaps ``unknown``.
        states: What the segmenter held to be going on from each instant on.
        reports: Its reports.
    """

    labels: list[tuple[datetime, str]] = field(default_factory=list)
    states: list[tuple[datetime, str]] = field(default_factory=list)
    reports: list[ReportedChange] = field(default_factory=list)


def watch(frames: Iterable[Frame], recogniser: Recogniser) -> RecognisedHome:
    """Recognise and segment frames, as the pipeline does for one camera."""
    manifest = recogniser.bundle.manifest
    segmenter = Segmenter(_CAMERA, manifest.deciding, span_s=manifest.clip.span_s)
    watched = RecognisedHome()
    for frame in frames:
        if frame.resets:
            segmenter.begin(frame.captured_at)
        for decision in recogniser.step([(_CAMERA, frame)]):
            named = dict(zip(manifest.labels, decision.told.tolist(), strict=True))
            change = segmenter.observe(decision.at, named)
            if change is not None:
                watched.reports.append(ReportedChange.from_change(change, decision.at))
            watched.labels.append((decision.at, apply_reject_rule(named, manifest.deciding).label))
            watched.states.append((decision.at, segmenter.state))
    recogniser.forget(_CAMERA)
    return watched


def forecast(
    forecaster: Forecaster,
    *,
    history: Iterable[Stay],
    reports: Sequence[ReportedChange],
    asked: Iterable[Stay],
) -> RunningScores:
    """Ask for the next activity before each true one, given only what was reported until then.

    Args:
        forecaster: Knows nothing yet.
        history: True activities of earlier days, learned first.
        reports: Reports of the days that are judged.
        asked: Their true activities; ``idle`` is no activity.
    """
    scores = RunningScores()
    for stay in history:
        _tell(forecaster, ReportedChange(stay.activity, stay.started_at, stay.started_at))
    pending = list(reports)
    for stay in asked:
        while pending and pending[0].reported_at <= stay.started_at:
            _tell(forecaster, pending.pop(0))
        if stay.activity != IDLE:
            likely = forecaster.outlook(stay.started_at).next
            scores.add(likely, stay.activity, model=forecaster.name)
    return scores


def _tell(forecaster: Forecaster, report: ReportedChange) -> None:
    began_at = max(report.began_at, forecaster.seen_until or report.began_at)
    if report.activity == IDLE:
        forecaster.end(began_at)
    else:
        forecaster.observe(Observation(report.activity, began_at))


def compare(
    source: SimulatedSource, watched: RecognisedHome, *, start_at: datetime, history: int
) -> dict[str, Any]:
    """Hold what was made of a home against its truth.

    Args:
        source: What was watched.
        watched: What was made of it.
        start_at: When watching began.
        history: Days before that the forecaster learns from: true ones, of the same home.
    """
    stays = truth(source.seed, start_at=start_at, days=source.days)
    earlier = truth(source.seed, start_at=start_at - timedelta(days=history), days=history)
    lasts_s = 2 * source.every
    forecasts = forecast(
        HmmForecaster(),
        history=drop_brief_stays(earlier, at_least_s=lasts_s),
        reports=watched.reports,
        asked=drop_brief_stays(stays, at_least_s=lasts_s),
    )
    accuracy, confusion = score_labels(stays, watched.labels)
    until = start_at + timedelta(days=source.days)
    return {
        "seed": source.seed,
        "n_decisions": len(watched.labels),
        "recognition_accuracy": accuracy,
        "current_activity_accuracy": share_of_time(stays, watched.states, until=until),
        "events": dataclasses.asdict(score_changes(stays, watched.reports, every_s=source.every)),
        "forecast": {
            "n": forecasts.n_scored,
            **{name: score.model_dump() for name, score in forecasts.scores().items()},
        },
        "confusion": confusion,
    }


def lives_of(source: SimulatedSource, *, start_at: datetime, brief_s: float) -> list[Session]:
    """Return what the residents do at home and not too briefly to be seen, in order."""
    sessions = [
        Session(stay.activity, stay.started_at, stay.ended_at, stay.room)
        for resident in range(source.residents)
        for stay in drop_brief_stays(
            truth(source.seed, start_at=start_at, days=source.days, resident=resident),
            at_least_s=brief_s,
        )
        if stay.activity != IDLE
    ]
    return sorted(sessions, key=lambda session: session.started_at)


def compare_rooms(
    source: SimulatedSource,
    watched: Mapping[str, RecognisedHome],
    *,
    start_at: datetime,
    history: int,
) -> dict[str, Any]:
    """Hold what was made of every room of several residents against the truth.

    Args:
        source: What was watched.
        watched: What was made of each room.
        start_at: When watching began.
        history: Days before that the forecaster learns from: true ones, of the same home.

    Returns:
        The figures of a forecaster that supposes one resident, and of one that is told of all.
    """
    # Imported here: it needs packages that one resident's score does not.
    from predictor.evaluation.residents import Cameras, Report, Shown, judge, reported, shown

    lasts_s = 2 * source.every
    began_at = start_at - timedelta(days=history)
    earlier = lives_of(replace(source, days=history), start_at=began_at, brief_s=lasts_s)
    cameras, learnt = Cameras(), shown(earlier)
    reports = reported(learnt, 0.0, np.random.default_rng(source.seed), cameras)
    seen = [*learnt, *shown(lives_of(source, start_at=start_at, brief_s=lasts_s))]
    for room, home in watched.items():
        truly = [each for each in seen if each.room == room]
        for change in home.reports:
            began = Shown(change.began_at, room, change.activity)
            event = cameras.event(began, label=change.activity, probabilities={})
            before = bisect_right(truly, change.reported_at, key=lambda each: each.at)
            true = truly[before - 1].activity if before else IDLE
            if event is not None:
                reports.append(Report(change.reported_at, event, true))
    reports.sort(key=lambda report: report.at)
    zone = start_at.tzinfo
    verdicts = {
        f"{number} supposed": judge(
            seen, reports, number, model="dbn", judged_from=start_at, zone=zone
        ).figures()
        for number in (1, source.residents)
    }
    return {"seed": source.seed, "residents": verdicts}
