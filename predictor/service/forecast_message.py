"""What is published: an outlook and the running scores as the forecast's messages. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.mqtt.messages import (
    Forecast,
    ForecastAttributes,
    Likely,
    NextStart,
    Ranked,
    Resident,
    Score,
)
from predictor.journal.records import CameraKey
from predictor.outlook import Observation, Outlook

ENOUGH_DAYS = 7
ENOUGH_STARTS = 50
"""`enough_data` says that the forecaster has learnt from as many days and activity starts: below a
week no weekend was seen, and log-loss falls steeply (see the learning curve in the docs)."""
N_RANKED = 5
DECIMALS = 6
LONGEST_S = 30 * 86_400.0
"""Nobody waits longer for an activity to start; a model's tail may be endless."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How new that is on which a forecast rests.

    Attributes:
        age: How long no camera has spoken; ``None`` where none ever has.
        fresh: Whether that is short enough to act on.
    """

    age: timedelta | None
    fresh: bool


def has_enough(*, n_days: int, n_starts: int) -> bool:
    """Tell whether forecasts rest on enough data to act on."""
    return n_days >= ENOUGH_DAYS and n_starts >= ENOUGH_STARTS


def forecast_of(
    outlook: Outlook,
    *,
    activity: Likely,
    model: str,
    n_days: int,
    enough_data: bool,
    evidence: Evidence,
    residents: list[Resident],
) -> Forecast:
    """Say an outlook in the words of ``home/<home>/forecast``.

    Args:
        outlook: What the model expects.
        activity: The home's activity now.
        model: The model's name.
        n_days: Days that it has learnt from.
        enough_data: Whether that is enough to act on.
        evidence: How new that is on which the outlook rests.
        residents: All who are seen.
    """
    p10_s, p50_s, p90_s = (_bounded(seconds) for seconds in outlook.next_start_s)
    return Forecast(
        at=outlook.at,
        activity=activity,
        next=_ranked(outlook.next),
        next_room=_ranked(outlook.next_room),
        next_start=NextStart(
            p10_s=p10_s,
            p50_s=p50_s,
            p90_s=p90_s,
            p50_at=outlook.at + timedelta(seconds=p50_s),
        ),
        within={horizon: _all(likely) for horizon, likely in outlook.within.items()},
        sequence=list(outlook.sequence),
        model=model,
        training_days=n_days,
        enough_data=enough_data,
        evidence_age_s=None if evidence.age is None else round(evidence.age.total_seconds(), 1),
        fresh=evidence.fresh,
        residents=residents,
    )


def resident_of(current: Mapping[str, float], camera: CameraKey, seen: Observation) -> Resident:
    """Say what a resident does, the most probable by the filter.

    Args:
        current: p(activity) of whoever is seen.
        camera: By which camera.
        seen: As it was reported.
    """
    label = max(current, key=current.__getitem__)
    return Resident(
        label=label,
        probability=_rounded(current[label]),
        room=seen.room,
        camera="/".join(camera),
        since=seen.started_at,
    )


def activity_of(outlook: Outlook, activity: str | None) -> Likely:
    """The home's activity: the most probable by the filter, which nobody known does not need.

    Args:
        outlook: What the model expects.
        activity: The activity as the cameras report it; where none speaks (``None``), nobody sees
            anything.
    """
    if activity in (IDLE, UNKNOWN) or not outlook.current:
        return Likely(label=activity or UNKNOWN, probability=1.0)
    label = max(outlook.current, key=outlook.current.__getitem__)
    return Likely(label=label, probability=_rounded(outlook.current[label]))


def attributes_of(
    outlook: Outlook, *, scores: Mapping[str, Score], n_scored: int
) -> ForecastAttributes:
    """Say the full distributions and scores as ``home/<home>/forecast/attributes``."""
    return ForecastAttributes(
        next=_all(outlook.next),
        current=_all(outlook.current),
        n_scored=n_scored,
        scores=dict(scores),
    )


def _ranked(distribution: Mapping[str, float]) -> Ranked:
    """The most probable first; ``unknown`` always has its place."""
    ranked = sorted(_all(distribution).items(), key=lambda item: -item[1])
    return ranked[:N_RANKED] + [item for item in ranked[N_RANKED:] if item[0] == UNKNOWN]


def _all(distribution: Mapping[str, float]) -> dict[str, float]:
    return {label: _rounded(probability) for label, probability in distribution.items()}


def _bounded(seconds: float) -> float:
    return round(max(seconds, 0.0), 1) if seconds <= LONGEST_S else LONGEST_S


def _rounded(probability: float) -> float:
    """Rounded for the wire; arithmetic may leave a probability a hair outside 0..1."""
    return min(1.0, max(0.0, round(probability, DECIMALS)))
