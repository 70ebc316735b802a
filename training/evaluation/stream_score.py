"""How good a stream's decisions and events are, beside what was shown: pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from har_stream.core.activity import UNKNOWN, Change, News, Recognition
from training.evaluation.stream_scenes import StreamScene

INSIDE = 0.75
"""A decision counts for a clip if at least this share of its window lies inside."""
OVERLAP = 0.25
"""An event is found if intersection over union with it is at least this: F1@25 of Lea et al. 2017,
"Temporal convolutional networks for action segmentation and detection", section 4.1."""


@dataclass(frozen=True, slots=True)
class ActivitySegment:
    """An activity from its start to its end.

    Attributes:
        label: What it is.
        began_at: Its start, as it was shown or as it was reported.
        ended_at: Its end, likewise.
        announced_at: Stream time at which its start was reported; none where it was shown.
    """

    label: str
    began_at: datetime
    ended_at: datetime
    announced_at: datetime | None = None

    def overlap(self, other: "ActivitySegment") -> timedelta:
        """Time that both cover; not above zero where they do not touch."""
        return min(self.ended_at, other.ended_at) - max(self.began_at, other.began_at)


@dataclass(frozen=True, slots=True)
class EventScore:
    """How the reported activities match the shown ones, one to one and by label.

    Attributes:
        n_true: Activities shown; clips of one label in a row are one.
        n_found: Of these, how many were reported while they were shown.
        n_reported: Activities reported.
        n_overlapping: Reports that overlap an activity by `OVERLAP`.
        latencies_s: From the start of each activity that was found to its report, in seconds.
    """

    n_true: int
    n_found: int
    n_reported: int
    n_overlapping: int
    latencies_s: tuple[float, ...]

    @property
    def n_spurious(self) -> int:
        """Reports beyond the first of an activity that is shown, or of none."""
        return self.n_reported - self.n_found

    @property
    def f1(self) -> float:
        """F1 of the reports that overlap an activity by `OVERLAP`."""
        n_both = self.n_true + self.n_reported
        return 2 * self.n_overlapping / n_both if n_both else 0.0


def shown_activities(scenes: Iterable[StreamScene]) -> list[ActivitySegment]:
    """The activities to be recognised; scenes of one label in a row are one."""
    segments: list[ActivitySegment] = []
    for scene in scenes:
        if scene.label is None:
            continue
        last = segments[-1] if segments else None
        if last and last.label == scene.label and last.ended_at == scene.began_at:
            segments[-1] = ActivitySegment(scene.label, last.began_at, scene.ended_at)
        else:
            segments.append(ActivitySegment(scene.label, scene.began_at, scene.ended_at))
    return segments


def reported_activities(news: Iterable[News]) -> list[ActivitySegment]:
    """The activities that a camera's changes tell of; every one of them ends.

    Each is reported at the time of the decision before its change.
    """
    segments: list[ActivitySegment] = []
    running: Change | None = None
    decided_at = announced_at = None
    for item in news:
        if isinstance(item, Recognition):
            decided_at = item.at
        if not isinstance(item, Change):
            continue
        if running is not None:
            ended_at = item.ended_at or item.started_at
            segments.append(
                ActivitySegment(running.activity, running.started_at, ended_at, announced_at)
            )
        running = None if item.event_type == "activity_ended" else item
        announced_at = decided_at
    return segments


def score_events(true: Sequence[ActivitySegment], told: Sequence[ActivitySegment]) -> EventScore:
    """Match reports with what was shown, each report with the best of what is left."""
    found = _matched(true, told, least=0.0)
    late = [
        report.announced_at - true[n].began_at for n, report in found.items() if report.announced_at
    ]
    return EventScore(
        n_true=len(true),
        n_found=len(found),
        n_reported=len(told),
        n_overlapping=len(_matched(true, told, least=OVERLAP)),
        latencies_s=tuple(each / timedelta(seconds=1) for each in late),
    )


def _matched(
    true: Sequence[ActivitySegment], told: Sequence[ActivitySegment], *, least: float
) -> dict[int, ActivitySegment]:
    """Index of each activity shown that is told of, with more than the least overlap, and how."""
    taken: dict[int, ActivitySegment] = {}
    for report in told:
        shares = {
            n: _intersection_over_union(segment, report)
            for n, segment in enumerate(true)
            if n not in taken and segment.label == report.label
        }
        best = max(shares, key=shares.__getitem__, default=None)
        if best is not None and shares[best] > 0 and shares[best] >= least:
            taken[best] = report
    return taken


def _intersection_over_union(one: ActivitySegment, other: ActivitySegment) -> float:
    common = one.overlap(other)
    if common <= timedelta(0):
        return 0.0
    return common / (max(one.ended_at, other.ended_at) - min(one.began_at, other.began_at))


def majority_labels(
    scenes: Iterable[StreamScene],
    recognitions: Sequence[Recognition],
    *,
    span_s: float,
    hop_s: float,
) -> dict[StreamScene, str]:
    """Most frequent label of the decisions inside each clip that holds at least two windows.

    Decisions count by their most probable label, whatever the thresholds let pass, but for those
    that the open-set rule leaves without one; a clip that has no others is `unknown`.

    Args:
        scenes: In order.
        recognitions: In order.
        span_s: Stream time that a window covers, in seconds.
        hop_s: From one window to the next.
    """
    span, two_windows = timedelta(seconds=span_s), timedelta(seconds=span_s + hop_s)
    labels: dict[StreamScene, str] = {}
    for scene in scenes:
        long_enough = scene.ended_at - scene.began_at >= two_windows
        if scene.clip is None or scene.label is None or not long_enough:
            continue
        inside = [
            seen
            for seen in recognitions
            if min(seen.at, scene.ended_at) - max(seen.at - span, scene.began_at) >= INSIDE * span
        ]
        votes = Counter(
            max(seen.probabilities, key=seen.probabilities.__getitem__)
            for seen in inside
            if seen.margin > 0
        )
        if inside:
            labels[scene] = votes.most_common(1)[0][0] if votes else UNKNOWN
    return labels
