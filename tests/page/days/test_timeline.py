"""Rows of a timeline: where a stretch is drawn, on long days too, and never more than fits."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from page.days.colours import look_of
from page.days.timeline import N_SLOTS, TimeSpan, day_span, draw_rows, hours_span
from predictor.journal.records import Bout

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)
DAY = TimeSpan(MIDNIGHT, MIDNIGHT + timedelta(days=1))


def bout(activity: str, start_h: float, end_h: float | None, *, camera: str = "cam1") -> Bout:
    at = [None if hour is None else MIDNIGHT + timedelta(hours=hour) for hour in (start_h, end_h)]
    assert at[0] is not None
    return Bout(activity, None, at[0], at[1], ("n1", camera), 0.9)


def test_a_stretch_is_drawn_at_its_share_of_the_day() -> None:
    (row,) = draw_rows([bout("cooking", 6, 12)], DAY, now=MIDNIGHT)
    (shape,) = row.shapes
    assert shape.path == "M250 0h250v100h-250z"
    assert shape.hours == 6
    assert shape.fill == look_of("cooking").fill


def test_what_runs_over_midnight_or_still_runs_is_cut_there() -> None:
    now = MIDNIGHT + timedelta(hours=18)
    (row,) = draw_rows([bout("sleeping", -2, 6), bout("eating", 12, None)], DAY, now=now)
    assert {shape.activity: shape.path for shape in row.shapes} == {
        "sleeping": "M0 0h250v100h-250z",
        "eating": "M500 0h250v100h-250z",
    }


def test_each_camera_has_its_row() -> None:
    both = [bout("a", 1, 2, camera="b"), bout("a", 1, 2, camera="a")]
    rows = draw_rows(both, DAY, now=MIDNIGHT)
    assert [row.camera for row in rows] == [("n1", "a"), ("n1", "b")]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_day_may_have_23_or_25_hours(day: date, hours: int) -> None:
    span = day_span(day, BERLIN)
    assert span.duration == timedelta(hours=hours)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=BERLIN)
    assert span.shares()(noon) == pytest.approx((hours - 12) / hours)


@pytest.mark.parametrize(
    ("day", "hour", "shown", "hours"),
    [
        (date(2026, 3, 29), 2, "03:00-04:00", 1),  # which is not there
        (date(2026, 10, 25), 2, "02:00-03:00", 2),  # which comes twice
        (date(2026, 10, 25), 0, "00:00-06:00", 7),
        (date(2026, 11, 27), 8, "08:00-09:00", 1),
    ],
)
def test_hours_are_shown_as_the_clocks_show_them(
    day: date, hour: int, shown: str, hours: int
) -> None:
    n_hours = 6 if hour == 0 else 1
    span = hours_span(day_span(day, BERLIN), hour, n_hours)
    assert f"{span.start:%H:%M}-{span.end:%H:%M}" == shown
    assert span.duration == timedelta(hours=hours)


def test_of_thousands_of_stretches_the_longest_of_each_slot_is_drawn() -> None:
    """An hour of `long`, interrupted for a second of `short` every ten."""
    bouts = [
        bout(activity, hour / 3600, (hour + lasts) / 3600)
        for second in range(0, 3600, 10)
        for activity, hour, lasts in (("short", second, 1), ("long", second + 1, 9))
    ]
    span = TimeSpan(MIDNIGHT, MIDNIGHT + timedelta(hours=1))
    (row,) = draw_rows(bouts * 2, span, now=MIDNIGHT)
    paths = {shape.activity: shape.path.count("M") for shape in row.shapes}
    assert sum(paths.values()) <= N_SLOTS
    assert paths["long"] > 0
