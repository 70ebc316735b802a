"""Hours a day of each activity: against the weeks before, and two cameras count once."""

from datetime import UTC, datetime, timedelta

from page.report_card.hours import ActivityHours, count_hours
from predictor.journal.records import Bout

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def daily(activity: str, hours: float, days_back: range, *, camera: str = "cam1") -> list[Bout]:
    """So many hours of it on each of some days back from now."""
    starts = [NOW - timedelta(days=back) for back in days_back]
    return [
        Bout(activity, None, start, start + timedelta(hours=hours), ("n1", camera))
        for start in starts
    ]


def test_the_last_week_stands_beside_the_four_before() -> None:
    bouts = daily("cooking", 2, range(1, 8)) + daily("cooking", 1, range(8, 36))
    bouts += daily("sleeping", 8, range(1, 36))
    first_at = NOW - timedelta(days=100)
    assert count_hours(bouts, now=NOW, first_at=first_at) == [
        ActivityHours("sleeping", 8, 8),
        ActivityHours("cooking", 2, 1),
    ]


def test_two_cameras_that_see_the_same_count_once() -> None:
    bouts = [
        bout
        for camera in ("cam1", "cam2")
        for bout in daily("cooking", 2, range(1, 8), camera=camera)
    ]
    (cooking,) = count_hours(bouts, now=NOW, first_at=NOW - timedelta(days=100))
    assert cooking.this_week == 2


def test_a_young_journal_is_not_compared_with_days_before_it_began() -> None:
    bouts = daily("cooking", 2, range(1, 3))
    (cooking,) = count_hours(bouts, now=NOW, first_at=NOW - timedelta(days=2))
    assert cooking == ActivityHours("cooking", 2, None)
    bouts = daily("cooking", 2, range(1, 11))
    (cooking,) = count_hours(bouts, now=NOW, first_at=NOW - timedelta(days=10))
    assert cooking == ActivityHours("cooking", 2, 2)
