"""A camera's state is repeated by the clock, and by stream time where the stream outruns it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.broker.recording_publisher import RecordingPublisher

from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, Recognition
from har_stream.homeassistant.entities import HEARTBEAT_S
from har_stream.mqtt.messages import ActivityState
from har_stream.publishing.camera_topics import FASTEST_S, CameraTopics

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


def _topics(broker: RecordingPublisher) -> CameraTopics:
    return CameraTopics(
        CameraSettings(source="0"),
        broker,
        topic=lambda *parts: "/".join(parts),
        sign=lambda state: state,
        bundle="b",
        bundle_hash="h",
        fall_file=Path("no such file"),
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
    broker = RecordingPublisher()
    topics = _topics(broker)
    topics.add_recognition(_recognition(0.0), 0.0)
    topics.publish_due(0.0)
    assert len(broker.on("activity")) == len(broker.on("activity/attributes")) == 1
    topics.add_recognition(_recognition(stream_s), clock_s)
    topics.publish_due(clock_s)
    states = [ActivityState.model_validate(each) for each in broker.on("activity")]
    assert len(states) == 1 + beats
    assert states[-1].at == NOON + timedelta(seconds=stream_s if beats else 0.0)


def test_beside_unknown_it_says_how_likely_the_likeliest_label_is() -> None:
    broker = RecordingPublisher()
    topics = _topics(broker)
    likely = {"eating": 0.2, "cooking": 0.43, "walking": 0.37}
    unsure = replace(
        _recognition(0.0), probabilities=likely, label="unknown", state="unknown", confidence=0.43
    )
    topics.add_recognition(unsure, 0.0)
    topics.publish_due(0.0)
    (state,), (attributes,) = broker.on("activity"), broker.on("activity/attributes")
    assert (state["activity"], state["confidence"]) == ("unknown", 0.43)
    assert tuple(attributes["top"][0]) == ("cooking", 0.43)


def test_what_the_broker_did_not_get_is_still_due() -> None:
    broker = RecordingPublisher()
    topics = _topics(broker)
    broker.is_connected = False
    topics.add_recognition(_recognition(0.0), 0.0)
    topics.publish_due(0.0)
    broker.is_connected = True
    topics.publish_due(0.1)
    assert len(broker.on("activity")) == len(broker.on("activity/attributes")) == 1


def test_a_decision_says_that_the_camera_is_there_once() -> None:
    broker = RecordingPublisher()
    topics = _topics(broker)
    for n in range(3):
        topics.add_recognition(_recognition(n), n)
    assert broker.texts("availability") == ["online"]
    topics.set_state(CameraState.STALLED)
    assert broker.texts("availability") == ["online", "offline"]


def test_a_bundle_that_watches_for_falls_says_so_and_another_takes_it_back() -> None:
    broker = RecordingPublisher()
    topics = _topics(broker)
    assert topics.fall is None
    topics.set_bundle("home", "h2", watches_falls=True)
    assert topics.fall is not None
    assert not topics.fall.alarm
    topics.set_bundle("b", "h", watches_falls=False)
    assert topics.fall is None
    (removed,) = [said.payload for said in broker.messages if said.topic == "fall"]
    assert not removed, "what was retained is removed"
