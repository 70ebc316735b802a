"""Sessions of one activity less than half an hour apart are one."""

from datetime import UTC, datetime, timedelta

from predictor.sessions import Session, merge

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)


def _session(activity: str, start_min: int, end_min: int) -> Session:
    start, end = (MIDNIGHT + timedelta(minutes=minutes) for minutes in (start_min, end_min))
    return Session(activity, start, end)


def test_sessions_merge_bouts_less_than_half_an_hour_apart() -> None:
    merged = merge(
        [
            _session("sleeping", 0, 60),
            _session("sleeping", 89, 100),
            _session("sleeping", 130, 140),
            _session("eating", 141, 150),
        ]
    )
    assert merged == [
        _session("sleeping", 0, 100),
        _session("sleeping", 130, 140),
        _session("eating", 141, 150),
    ]
