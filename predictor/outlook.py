"""What goes into a forecaster, and what comes out: observations, and the outlook."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

HORIZONS_S: Mapping[str, float] = {"15min": 900.0, "60min": 3600.0, "180min": 10800.0}
"""Horizons of the forecast message, in seconds."""


@dataclass(frozen=True, slots=True)
class Observation:
    """An activity was seen to start.

    Attributes:
        activity: Its label.
        started_at: Its start, timezone-aware, in the home's zone (the time of day is read off it).
        room: Where; ``None`` where the log has no rooms.
        probabilities: The recogniser's calibrated probabilities; ``None`` means it is certain.
    """

    activity: str
    started_at: datetime
    room: str | None = None
    probabilities: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """Everything a forecaster knows at one instant.

    Attributes:
        at: The instant that it is asked.
        current: p(activity now | observations so far), filtered.
        next: p(next activity | so far), including ``unknown``: one never seen before. The next
            different activity, unless the forecaster was made with ``repeats``.
        next_room: p(room of the next activity | so far); empty where no rooms are known.
        next_start_s: 10th, 50th and 90th percentile of the time until the next activity starts.
        within: Per horizon of ``HORIZONS_S``: p(activity starts within the horizon).
        sequence: The most probable next activities, in order.
    """

    at: datetime
    current: Mapping[str, float]
    next: Mapping[str, float]
    next_room: Mapping[str, float]
    next_start_s: tuple[float, float, float]
    within: Mapping[str, Mapping[str, float]]
    sequence: tuple[str, ...]
