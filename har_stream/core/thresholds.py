"""When a recognition counts: the reject rule, and the thresholds of everything after it."""

from collections.abc import Mapping
from dataclasses import dataclass

from har_stream.core.activity import UNKNOWN


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a recognition counts; in the bundle's manifest, overridable per camera.

    Attributes:
        reject_below: A confidence below this makes the recognition ``unknown``.
        margin_below: So does a distance to the second label below this.
        enter_above: An activity starts once its averaged probability exceeds this ...
        leave_below: ... and goes on until it falls below this (hysteresis).
        min_dwell_s: A new state must hold this long (stream time) before it is reported.
        average_s: Span of the moving average over probabilities, in seconds.
        idle_after_s: No motion for this long since nobody was seen means ``idle``.
        urgent: Labels that skip the dwell (a fall).
    """

    reject_below: float = 0.5
    margin_below: float = 0.1
    enter_above: float = 0.6
    leave_below: float = 0.4
    min_dwell_s: float = 5.0
    average_s: float = 4.0
    idle_after_s: float = 30.0
    urgent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FallRule:
    """When somebody has fallen: down soon after being up. In the bundle's manifest.

    Attributes:
        floor: Labels that together mean lying on the floor, unless on a bed or a sofa.
        upright: Labels that together mean being on one's feet.
        sitting: Labels that together mean sitting: up before a fall, but not got up after one.
        floor_above: The averaged probability of ``floor`` exceeds this ...
        n_samples: ... in so many decisions in a row ...
        within_s: ... of which the first comes at most so long after one with ...
        after_s: ... and at least so long: nobody goes down faster, but what is seen of somebody
            may change so ...
        up_above: ... a probability of ``upright`` and ``sitting`` above this.
        comes_down: Where key points are found, the uppermost comes down by more than this share of
            the size of who was up.
        average_s: Span of that average, in seconds.
        up_for_s: Who is upright for so long has got up.
        long_lie_s: Who has not by then lies for long: it is said again.
    """

    floor: tuple[str, ...]
    upright: tuple[str, ...]
    sitting: tuple[str, ...] = ()
    floor_above: float = 0.4
    n_samples: int = 2
    within_s: float = 2.4
    after_s: float = 0.0
    up_above: float = 0.5
    comes_down: float = 0.35
    average_s: float = 0.5
    up_for_s: float = 2.0
    long_lie_s: float = 60.0

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that it names."""
        return (*self.floor, *self.upright, *self.sitting)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one distribution over the labels says.

    Attributes:
        label: The most probable label, or ``unknown`` where the reject rule applies.
        confidence: Probability of the most probable label.
        margin: Its distance to the second.
    """

    label: str
    confidence: float
    margin: float


def apply_reject_rule(probabilities: Mapping[str, float], thresholds: Thresholds) -> Verdict:
    """Apply the reject rule (threshold and margin) to calibrated probabilities."""
    first, second = sorted(probabilities, key=probabilities.__getitem__, reverse=True)[:2]
    confidence = probabilities[first]
    margin = confidence - probabilities[second]
    rejected = confidence < thresholds.reject_below or margin < thresholds.margin_below
    return Verdict(UNKNOWN if rejected else first, confidence, margin)
