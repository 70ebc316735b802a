"""Rows of a timeline: stretches of a span of time as shapes, few enough for a browser to draw.

A row is 1000 wide and 100 high, whatever time it spans.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from page.days.colours import look_of
from predictor.journal.records import Bout, CameraKey

WIDTH = 1000.0
N_SLOTS = 720
"""Of a row; what is shorter than a slot shares it, and the longest in it is drawn."""

_Stretch = tuple[str, float, float]
"""An activity, and the shares of a row at which it begins and ends."""


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A span of time in the home's zone.

    Attributes:
        start: Its first instant.
        end: Not included.
    """

    start: datetime
    end: datetime

    @property
    def duration(self) -> timedelta:
        """How long it is; a day may have 23 or 25 hours."""
        return timedelta(seconds=self.end.timestamp() - self.start.timestamp())

    def shares(self) -> Callable[[datetime], float]:
        """Return what tells where an instant lies, 0 to 1; outside, it is at the nearer end."""
        start_s, lasts_s = self.start.timestamp(), self.duration.total_seconds()
        return lambda at: min(max((at.timestamp() - start_s) / lasts_s, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Shape:
    """All that is drawn of one activity in a row.

    Attributes:
        activity: Its label.
        path: The outline, as SVG has it.
        fill: What it is filled with.
        hours: How long it went on.
    """

    activity: str
    path: str
    fill: str
    hours: float


@dataclass(frozen=True, slots=True)
class Row:
    """A camera's stretch of time.

    Attributes:
        camera: Which camera's.
        span: What time it spans.
        shapes: What is drawn, the longest first.
    """

    camera: CameraKey
    span: TimeSpan
    shapes: Sequence[Shape]


def day_span(day: date, zone: tzinfo | None) -> TimeSpan:
    """Return a day of the home, from midnight to midnight."""
    return TimeSpan(
        local(datetime.combine(day, time()), zone),
        local(datetime.combine(day + timedelta(days=1), time()), zone),
    )


def hours_span(day: TimeSpan, hour: int, n_hours: int) -> TimeSpan:
    """Return some hours of a day as its clocks show them.

    Where they are put on, an hour that does not exist is the one after it; where they are put back,
    the hour that comes twice is shown with both.
    """
    zone = day.start.tzinfo
    start = (day.start + timedelta(hours=hour)).astimezone(UTC)
    shown_until = (day.start + timedelta(hours=hour + n_hours)).astimezone(UTC)
    end = max(shown_until, start + timedelta(hours=n_hours))
    return TimeSpan(start.astimezone(zone), end.astimezone(zone))


def local(at: datetime, zone: tzinfo | None) -> datetime:
    """Give a date and time without a zone the home's; ``None`` stands for this machine's."""
    return at.astimezone() if zone is None else at.replace(tzinfo=zone)


def draw_rows(bouts: Iterable[Bout], span: TimeSpan, *, now: datetime) -> list[Row]:
    """Draw a row for each camera that saw anything.

    Args:
        bouts: Stretches, in any order; those outside the span are left out.
        span: What a row spans.
        now: Until when a running stretch goes on.
    """
    share_of = span.shares()
    by_camera: defaultdict[CameraKey, list[_Stretch]] = defaultdict(list)
    for bout in bouts:
        start, end = share_of(bout.started_at), share_of(bout.ended_at or now)
        if start < end:
            by_camera[bout.camera].append((bout.activity, start, end))
    return [
        Row(camera, span, _shapes(stretches, span))
        for camera, stretches in sorted(by_camera.items())
    ]


def _shapes(stretches: Sequence[_Stretch], span: TimeSpan) -> list[Shape]:
    paths: defaultdict[str, list[str]] = defaultdict(list)
    shares: defaultdict[str, float] = defaultdict(float)
    for activity, start, end in stretches:
        shares[activity] += end - start
    for activity, start, end in _thin_out(stretches):
        x, width = round(start * WIDTH, 2), round((end - start) * WIDTH, 2)
        paths[activity].append(f"M{x:g} 0h{width:g}v100h-{width:g}z")
    hours = span.duration / timedelta(hours=1)
    return [
        Shape(activity, "".join(paths[activity]), look_of(activity).fill, share * hours)
        for activity, share in sorted(shares.items(), key=lambda each: -each[1])
    ]


def _thin_out(stretches: Sequence[_Stretch]) -> list[_Stretch]:
    """Where there are more stretches than slots, let the longest of each slot stand for it."""
    if len(stretches) <= N_SLOTS:
        return list(stretches)
    longest: dict[int, tuple[float, str]] = {}
    for activity, start, end in stretches:
        for slot in range(int(start * N_SLOTS), min(int(end * N_SLOTS), N_SLOTS - 1) + 1):
            lasts = min(end, (slot + 1) / N_SLOTS) - max(start, slot / N_SLOTS)
            longest[slot] = max(longest.get(slot, (0.0, "")), (lasts, activity))
    thinned: list[_Stretch] = []
    for slot, (_, activity) in sorted(longest.items()):
        start, end = slot / N_SLOTS, (slot + 1) / N_SLOTS
        if thinned and thinned[-1][0] == activity and thinned[-1][2] == start:
            start = thinned.pop()[1]
        thinned.append((activity, start, end))
    return thinned
