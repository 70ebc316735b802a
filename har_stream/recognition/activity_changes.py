"""Turns calibrated probabilities into activity events: a small state machine on stream time."""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from math import fsum

from har_stream.core.activity import IDLE, UNKNOWN, Change
from har_stream.core.thresholds import Thresholds, apply_reject_rule


@dataclass(frozen=True, slots=True)
class _Decision:
    at: datetime
    evidence_from: datetime
    label: str
    probabilities: Mapping[str, float]


class Segmenter:
    """One camera's activity over time.

    The state (an activity, ``idle`` or ``unknown``) holds while its averaged probability stays at
    or above ``leave_below``; another takes over once its own exceeds ``enter_above`` and has held
    for ``min_dwell_s``, counted from where its evidence begins: the first frame of the first window
    that shows it, or that window's middle where the one before overlaps it. All times are stream
    time, so decisions may come five a second or one in half a minute.

    Args:
        camera: Name of the camera; its changes carry it.
        thresholds: When an activity begins, goes on and counts.
        span_s: Stream time between a window's first and last frame, in seconds.
    """

    def __init__(self, camera: str, thresholds: Thresholds, *, span_s: float = 0.0) -> None:
        self._camera = camera
        self._thresholds = thresholds
        self._span = timedelta(seconds=span_s)
        self._recent: deque[_Decision] = deque()
        self._contender = UNKNOWN
        self._evidence: list[_Decision] = []
        self._state = UNKNOWN
        self._begun_at: datetime | None = None
        self._changed_at: datetime | None = None
        self._moved_at: datetime | None = None
        self._nobody = False
        self._resumed: Mapping[str, float] = {}

    @property
    def state(self) -> str:
        """The running activity, or ``idle``, or ``unknown``."""
        return self._state

    def begin(self, at: datetime) -> None:
        """Windows begin anew at this frame: no evidence of a later decision lies before it."""
        self._begun_at = at

    def observe(
        self, at: datetime, probabilities: Mapping[str, float], *, moving: bool = True
    ) -> Change | None:
        """Take in one decision of the recogniser.

        Args:
            at: Capture time of the window's last frame.
            probabilities: Calibrated probability of every label.
            moving: Whether anything has moved since the decision before. Where nobody was seen, no
                activity starts without motion; a running one goes on without.

        Returns:
            The change that this decision confirms, if any.
        """
        decision = self._remember(at, probabilities)
        self._watch_motion(decision, moving)
        target = self._target()
        # Dwell: another state has to be called for in a row, from where its evidence begins.
        if target == self._state:
            self._evidence.clear()
            return None
        if self._evidence and target == self._contender:
            self._evidence.append(decision)
        else:
            self._contender = target
            self._evidence = self._evidence_of(target)
        return self._switch() if self._has_held(at) else None

    def resume(self, activity: str, *, since: datetime, probabilities: Mapping[str, float]) -> None:
        """Go on with an activity that another process saw begin; call before any decision.

        Args:
            activity: What goes on.
            since: When it began.
            probabilities: As they were then; what it ends with if no decision follows.
        """
        self._state, self._changed_at, self._resumed = activity, since, probabilities

    def hold(
        self, activity: str, at: datetime, *, probabilities: Mapping[str, float], confidence: float
    ) -> Change:
        """Begin an activity that another rule has found; nothing else goes on until `release`."""
        self._recent.clear()
        self._evidence.clear()
        return self._began(activity, at, probabilities, confidence)

    def release(
        self, at: datetime, *, probabilities: Mapping[str, float], confidence: float
    ) -> Change:
        """End the activity that `hold` began; what follows begins with the next evidence."""
        change = self._ended(at, probabilities, confidence)
        self._begun_at = self._moved_at = at
        self._state, self._nobody = UNKNOWN, False
        return change

    def finish(self, at: datetime) -> list[Change]:
        """The recording ends here; one that is shorter than the dwell is judged by all of it."""
        is_short = self._changed_at is None and any(
            decision.evidence_from == self._begun_at for decision in self._evidence
        )
        began = self._switch() if is_short else None
        return [change for change in (began, self.lose(at)) if change]

    def lose(self, at: datetime) -> Change | None:
        """End the running activity: its source was lost, or switched off, at this stream time."""
        change = None
        if self._is_running():
            mean = _mean(self._recent) if self._recent else self._resumed
            change = self._ended(at, mean, mean[self._state])
        self._recent.clear()
        self._evidence.clear()
        self._begun_at = self._moved_at = None
        self._state = UNKNOWN
        return change

    def _remember(self, at: datetime, probabilities: Mapping[str, float]) -> _Decision:
        newest = self._recent[-1].at if self._recent else None
        if newest is not None and at < newest:  # the clock was set back: old evidence is void
            self._recent.clear()
            self._evidence.clear()
            self._moved_at = at
        evidence_from = self._evidence_from(at, newest)
        label = apply_reject_rule(probabilities, self._thresholds).label
        decision = _Decision(at, evidence_from, label, probabilities)
        self._recent.append(decision)
        while at - self._recent[0].at > timedelta(seconds=self._thresholds.average_s):
            self._recent.popleft()
        return decision

    def _evidence_from(self, at: datetime, newest: datetime | None) -> datetime:
        # The first decision rests on everything since the start.
        if self._begun_at is not None and (newest is None or newest < self._begun_at <= at):
            return self._begun_at
        # Windows that overlap share frames: only the newer half of this one is news.
        overlaps = newest is not None and timedelta(0) <= at - newest < self._span
        begins = at - (self._span / 2 if overlaps else self._span)
        if self._begun_at is not None and self._begun_at <= at:
            return max(begins, self._begun_at)
        return begins

    def _watch_motion(self, decision: _Decision, moving: bool) -> None:
        if self._moved_at is None:  # a bundle that cannot see nobody starts with an empty room
            self._moved_at = decision.at
            self._nobody = IDLE not in decision.probabilities
        # Motion shows somebody; a room that stays still while nothing runs is empty.
        if moving:
            self._moved_at, self._nobody = decision.at, False
        elif decision.at - self._moved_at >= timedelta(seconds=self._thresholds.idle_after_s):
            self._nobody = self._nobody or not self._is_running()

    def _target(self) -> str:
        """The state that the averaged probabilities, and nobody's stillness, call for."""
        # Still room: where nobody was seen and nothing has moved since, nothing begins.
        if self._nobody and not self._is_running():
            return IDLE
        # Reject rule and entering: the average's label, if it is sure enough to begin.
        averaged = _mean(self._recent)
        verdict = apply_reject_rule(averaged, self._thresholds)
        entering = verdict.label if verdict.confidence > self._thresholds.enter_above else UNKNOWN
        # Hysteresis: what runs goes on down to a lower threshold than the one it began at.
        holds = averaged.get(self._state, -1.0) >= self._thresholds.leave_below
        # Urgency: a fall takes over from whatever still holds.
        return self._state if holds and entering not in self._thresholds.urgent else entering

    def _evidence_of(self, target: str) -> list[_Decision]:
        """The latest decisions in a row that say so; the average lags behind the first of them."""
        row = list(takewhile(lambda decision: decision.label == target, reversed(self._recent)))
        return row[::-1] or [self._recent[-1]]

    def _has_held(self, at: datetime) -> bool:
        held = at - self._evidence[0].evidence_from
        urgent = self._contender in self._thresholds.urgent
        return urgent or held >= timedelta(seconds=self._thresholds.min_dwell_s)

    def _switch(self) -> Change | None:
        evidence, self._evidence = self._evidence, []
        begins, mean = evidence[0].evidence_from, _mean(evidence)
        change = None
        if self._contender not in (IDLE, UNKNOWN):
            if self._contender in self._thresholds.urgent:
                # The average raised it; the newest decision may say something else.
                mean = _mean(self._recent)
            change = self._began(self._contender, begins, mean, mean[self._contender])
        elif self._is_running():
            change = self._ended(begins, mean, mean[self._state])
        self._state = self._contender
        self._nobody = self._state == IDLE
        return change

    def _began(
        self, activity: str, at: datetime, probabilities: Mapping[str, float], confidence: float
    ) -> Change:
        previous = self._state if self._is_running() else None
        self._state, self._changed_at = activity, self._in_order(at)
        return Change(
            camera=self._camera,
            event_type="activity_changed" if previous else "activity_started",
            activity=activity,
            previous=previous,
            probabilities=probabilities,
            confidence=confidence,
            started_at=self._changed_at,
            ended_at=None,
        )

    def _ended(self, at: datetime, probabilities: Mapping[str, float], confidence: float) -> Change:
        assert self._changed_at is not None  # noqa: S101 - an activity runs, so it began
        started_at, self._changed_at = self._changed_at, self._in_order(at)
        return Change(
            camera=self._camera,
            event_type="activity_ended",
            activity=self._state,
            previous=None,
            probabilities=probabilities,
            confidence=confidence,
            started_at=started_at,
            ended_at=self._changed_at,
        )

    def _in_order(self, at: datetime) -> datetime:
        return at if self._changed_at is None else max(at, self._changed_at)

    def _is_running(self) -> bool:
        return self._state not in (IDLE, UNKNOWN)


def _mean(decisions: Collection[_Decision]) -> dict[str, float]:
    labels = next(iter(decisions)).probabilities
    return {
        label: min(1.0, fsum(each.probabilities[label] for each in decisions) / len(decisions))
        for label in labels
    }
