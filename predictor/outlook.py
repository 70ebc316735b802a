"""What every forecaster takes in and gives out; the service and the evaluation know only this."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

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


class Forecaster(Protocol):
    """A causal model of one home: it sees observations in order and never the future.

    `observe` both filters and learns; deleting what comes later changes nothing. Instants are
    timezone-aware, in the home's zone, and never go back.
    """

    @property
    def name(self) -> str:
        """``hmm`` or ``dbn``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Activities known so far, ``unknown`` last."""

    @property
    def n_days(self) -> int:
        """Days of data that it has learnt from."""

    @property
    def n_starts(self) -> int:
        """Activity starts that it has learnt from."""

    @property
    def seen_until(self) -> datetime | None:
        """The newest instant that it was told of; an older one is refused."""

    def observe(self, observation: Observation) -> None:
        """Take in the start of an activity.

        Raises:
            ValueError: It lies before `seen_until`.
        """

    def end(self, at: datetime) -> None:
        """Take in that the running activity ended and nothing has followed yet.

        Raises:
            ValueError: It lies before `seen_until`.
        """

    def set_context(self, name: str, value: float | str, at: datetime) -> None:
        """Take in a context topic's value (temperature, presence, ...)."""

    def refit(self) -> None:
        """Do the heavy learning, if any; meant for quiet hours, safe to leave out.

        It may run in another thread while the others are called.
        """

    def next_activity(self, at: datetime, start_s: float) -> Mapping[str, float]:
        """Return p(next activity), should it start `start_s` after `at`; with ``unknown``.

        To be asked once something was observed.
        """

    def outlook(self, at: datetime) -> Outlook:
        """Forecast, without changing any state."""
