"""Watches one camera for falls: somebody is up, soon after on the floor, and stays there or not."""

from collections import deque
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from math import fsum
from statistics import median

from har_stream.config.regions import Place
from har_stream.core.activity import LYING, SLEEPING, FallStage
from har_stream.core.thresholds import FallRule
from har_stream.recognition.person.key_points import KeyPoints

GONE_S = 30.0
"""After somebody has acknowledged a fall, nobody seen on the floor for this long ends it."""

SEEN = 0.25
"""Score of key points below which they do not tell where the person is."""
SOFT: tuple[Place, ...] = ("bed", "sofa")
"""Where nobody lies after a fall."""


def read_by_place(
    probabilities: Mapping[str, float], place: Place | None, rule: FallRule
) -> dict[str, float]:
    """Read probabilities by where the person is: lying in bed is sleeping, on a sofa no fall.

    Returns:
        The same labels, ``lying`` and ``sleeping``, wherever the person is.
    """
    read = {LYING: 0.0, SLEEPING: 0.0, **probabilities}
    if place in SOFT:
        lying = {*rule.floor, LYING} & read.keys()
        together = fsum(read[label] for label in lying)
        read |= dict.fromkeys(lying, 0.0)
        read[SLEEPING if place == "bed" else LYING] += together
    return read


class FallWatch:
    """A fall, from going down to getting up; all times are stream time.

    A fall that has begun ends when the person is upright again, however long nobody is seen:
    people who lie are easily lost from sight. Once it is acknowledged it is also over when nobody
    is seen on the floor any more.

    Args:
        rule: When somebody has fallen.
        span_s: Stream time between a window's first and last frame, in seconds.

    Attributes:
        since: When the person fell; none: nobody lies there.
        averaged: The average that raised the fall, or the getting up: who lies is easily lost from
            sight, and no less fallen for it.
        confidence: Its probability of lying on the floor, or of being up.
    """

    def __init__(self, rule: FallRule, *, span_s: float = 0.0) -> None:
        self.since: datetime | None = None
        self.averaged: Mapping[str, float] = {}
        self.confidence = 0.0
        self._rule = rule
        self._span = timedelta(seconds=span_s)
        self._recent: deque[tuple[datetime, Mapping[str, float]]] = deque()
        self._newest: Mapping[str, float] = {}
        self._up_at: datetime | None = None
        self._down_from: datetime | None = None
        self._n_down = 0
        self._was_down = self._is_too_fast = False
        self._heights: deque[tuple[datetime, float, float]] = deque()
        self._lain_from: datetime | None = None  # by the clock as it goes now
        self._down_at: datetime | None = None
        self._upright_from: datetime | None = None
        self._has_lain_long = False
        self._acknowledged = False

    def begin(
        self,
        at: datetime,
        *,
        averaged: Mapping[str, float],
        confidence: float,
        has_lain_long: bool = False,
    ) -> None:
        """Somebody fell then: by the rule, as others saw it, or before this program started."""
        self.averaged, self.confidence = averaged, confidence
        self.since = self._lain_from = self._down_at = at
        self._has_lain_long = has_lain_long
        self._acknowledged = False
        self._upright_from = None
        self._n_down = 0

    def take_over(self, earlier: "FallWatch") -> None:
        """Go on with the fall that another one has watched, if there is one."""
        if earlier.since is not None:
            self.begin(
                earlier.since,
                averaged=earlier.averaged,
                confidence=earlier.confidence,
                has_lain_long=earlier._has_lain_long,
            )
            self._acknowledged = earlier._acknowledged
            self._lain_from, self._down_at = earlier._lain_from, earlier._down_at

    def acknowledge(self) -> None:
        """Somebody knows; safe from any thread."""
        self._acknowledged = True

    def lies_long(self, at: datetime) -> bool:
        """Say once that nobody has got up for long, nor acknowledged the fall."""
        if self._lain_from is None or self._acknowledged or self._has_lain_long:
            return False
        self._has_lain_long = at - self._lain_from >= timedelta(seconds=self._rule.long_lie_s)
        return self._has_lain_long

    def observe(
        self,
        at: datetime,
        probabilities: Mapping[str, float],
        *,
        on_soft: bool = False,
        key_points: KeyPoints | None = None,
    ) -> FallStage | None:
        """Take in one decision.

        Args:
            at: Its instant.
            probabilities: Calibrated probability of every label.
            on_soft: Whether the person is on a bed or a sofa, where nobody lies after a fall.
            key_points: The person's; none: the bundle finds none, and nobody is asked to have been
                seen coming down.

        Returns:
            The stage that begins with this decision, if one does.
        """
        # Windows that overlap share frames; one by itself tells of all the time that it spans.
        self._follow_clock(at)
        is_alone = bool(self._recent) and at - self._recent[-1][0] > self._span
        tells_from = at - self._span if is_alone else at
        self._remember(at, probabilities)
        rule = self._rule
        floor, upright, sitting = (
            self._probability(labels) for labels in (rule.floor, rule.upright, rule.sitting)
        )
        is_down = floor > rule.floor_above and not on_soft
        if self.since is None:
            is_up = upright + sitting > rule.up_above
            if is_up and key_points is not None:
                self._measure(at, key_points)
            came_down = is_down and self._has_come_down(key_points)
            fell_at = self._watch(at, is_down=is_down, is_up=is_up, came_down=came_down)
            if fell_at is None:
                return None
            self.begin(fell_at, averaged=self._newest, confidence=floor)
            return "fallen"
        # Who sits on the floor after a fall has not got up; who sits on the sofa has.
        upright += sitting if on_soft else 0.0
        upright_from = tells_from if upright > rule.up_above else None
        stage = self._attend(at, is_down=is_down, upright_from=upright_from)
        if stage == "got_up":
            self.averaged, self.confidence = self._newest, upright
        return stage

    def _watch(
        self, at: datetime, *, is_down: bool, is_up: bool, came_down: bool
    ) -> datetime | None:
        """Return when somebody fell, once that is certain."""
        if is_up:
            self._up_at = at
        if is_down and not self._was_down:
            after = timedelta(seconds=self._rule.after_s)
            self._is_too_fast = self._up_at is not None and at - self._up_at < after
        self._was_down = is_down
        if not came_down:
            self._n_down, self._down_from = 0, None
            return None
        if self._down_from is None and not self._is_too_fast and self._was_up(at):
            self._down_from = at
        self._n_down += 1
        return self._down_from if self._n_down >= self._rule.n_samples else None

    def _measure(self, at: datetime, key_points: KeyPoints) -> None:
        """Note how high up somebody is seen who is up, and how large."""
        heights, within = self._heights, timedelta(seconds=self._rule.within_s)
        if key_points.score >= SEEN:
            heights.append((at, key_points.box[1], key_points.size))
        while heights and not timedelta(0) <= at - heights[0][0] <= within:
            heights.popleft()

    def _has_come_down(self, key_points: KeyPoints | None) -> bool:
        """Whether somebody is seen, and lower down than when they were up.

        On a close-up a network makes up the rest of the body, and what it makes up may lie.
        """
        if key_points is None:
            return True
        if key_points.score < SEEN or not self._heights:
            return False
        _, tops, sizes = zip(*self._heights, strict=True)
        came_down: float = key_points.box[1] - median(tops)
        return came_down > self._rule.comes_down * float(median(sizes))

    def _attend(
        self, at: datetime, *, is_down: bool, upright_from: datetime | None
    ) -> FallStage | None:
        if is_down:
            self._down_at = at
        if upright_from is not None:
            self._upright_from = self._upright_from or upright_from
            if at - self._upright_from >= timedelta(seconds=self._rule.up_for_s):
                self._end()
                return "got_up"
        else:
            self._upright_from = None
        if self._acknowledged:
            if self._down_at and at - self._down_at > timedelta(seconds=GONE_S):
                self._end()
        elif self.lies_long(at):
            return "long_lie"
        return None

    def _follow_clock(self, at: datetime) -> None:
        """Count on from where a clock was set back to: a fall would be told again only later."""
        newest = self._recent[-1][0] if self._recent else self._lain_from
        if newest is None or at >= newest:
            return
        self._recent.clear()
        if self._lain_from is not None:
            self._lain_from -= newest - at
        if self._down_at is not None:
            self._down_at = min(self._down_at, at)
        self._upright_from = None

    def _end(self) -> None:
        self.since = self._lain_from = self._up_at = self._down_from = None
        self._n_down, self._was_down = 0, False
        self._heights.clear()

    def _was_up(self, at: datetime) -> bool:
        within = timedelta(seconds=self._rule.within_s)
        return self._up_at is not None and timedelta(0) <= at - self._up_at <= within

    def _remember(self, at: datetime, probabilities: Mapping[str, float]) -> None:
        self._recent.append((at, probabilities))
        while at - self._recent[0][0] > timedelta(seconds=self._rule.average_s):
            self._recent.popleft()
        self._newest = {
            label: min(1.0, fsum(each[label] for _, each in self._recent) / len(self._recent))
            for label in probabilities
        }

    def _probability(self, labels: Collection[str]) -> float:
        return min(1.0, fsum(self._newest[label] for label in labels))
