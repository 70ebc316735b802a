"""A camera's state is repeated by the clock, and by stream time where the stream outruns it."""

from datetime import UTC, datetime, timedelta

import pytest

from har_stream.config.camera import CameraSettings
from har_stream.core.activity import Recognition
from har_stream.homeassistant.entities import HEARTBEAT_S
from har_stream.publishing.camera_topics import FASTEST_S, CameraReport

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _recognition(stream_s: float) -> Recognition:
    return Recognition(
        camera="cam1",
        at=NOON + timedelta(seconds=stream_s),
        probabilities={"cooking": 0.9, "eating": 0.1},
        label="cooking",
        state="cooking",
        confidence=0.9,
        margin=0.8,
        latency_ms=1.0,
    )


@pytest.mark.parametrize(
    ("clock_s", "stream_s", "beats"),
    [
        (HEARTBEAT_S, HEARTBEAT_S, True),
        (HEARTBEAT_S - 1, HEARTBEAT_S - 1, False),
        (FASTEST_S, HEARTBEAT_S, True),
        (FASTEST_S / 2, 100 * HEARTBEAT_S, False),
    ],
)
def test_it_repeats_by_clock_and_by_stream(clock_s: float, stream_s: float, beats: bool) -> None:
    report = CameraReport(CameraSettings(source="0"), bundle="b", bundle_hash="h")
    report.recognised(_recognition(0.0), 0.0)
    assert report.due_state(0.0) is not None
    assert report.due_attributes(0.0) is not None
    report.recognised(_recognition(stream_s), clock_s)
    state = report.due_state(clock_s)
    assert (state is not None) == beats
    if state is not None:
        assert state.at == NOON + timedelta(seconds=stream_s)
