"""From a fall in front of a camera to an alarm on a real broker, and to the answer that ends it."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest
import yaml
from support.broker.real_broker import Mosquitto, listening
from support.processes.stream_process import har_stream, read_events, start_har_stream
from support.video.scene import write_scene

from har_stream.bundles import weights
from har_stream.mqtt.messages import ActivityEvent, ActivityState, FallState

TOPIC, ACK = "har/n1/cam/fall", "har/n1/cam/fall/ack"
LONG_LIE_S = 3.0
NIGHT = "sim:3?days=0.25&every={every}"
"""A home whose resident sleeps from half past midnight to half past six."""
NOWHERE, NO_CAMERA = "http://127.0.0.1:9", "rtsp://127.0.0.1:9/live"
LANDS_S, ANNOUNCED_WITHIN_S = 1.2, 5.0
"""The simulated resident has landed after so long; a fall is announced within so long of that."""


@pytest.fixture
def weights_of_home(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bundle `home` finds its key-point network."""
    monkeypatch.setenv(weights.ENVIRONMENT, str(shared / "weights"))


def configure(
    folder: Path, source: str | Path, broker: Mosquitto, *, bundle: str = "sim-home"
) -> Sequence[str | Path]:
    """Flags of a node with one camera."""
    config = folder / "har.yaml"
    camera = {"source": str(source), "name": "cam", "falls": {"long_lie_s": LONG_LIE_S}}
    content = {"node": "n1", "bundle": bundle, "broker": {"url": broker.url}}
    config.write_text(yaml.safe_dump(content | {"cameras": [camera]}))
    recorded = folder / "events.jsonl"
    return ["--config", config, "--state-dir", folder / "state", "--record-events", recorded]


def stages(events: Sequence[ActivityEvent]) -> list[str]:
    return [event.fall_stage for event in events if event.fall_stage]


def test_a_fall_is_told_then_told_again_and_over_once_somebody_answers(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    scene = write_scene(tmp_path / "scene.avi", ("walking", 5), ("fallen", 40), home=2)
    flags = configure(tmp_path, scene, mosquitto)
    with listening(mosquitto.port, TOPIC, "har/n1/cam/event") as listener:
        stream = start_har_stream(*flags, "--realtime")

        def alarms() -> list[tuple[bool, str]]:
            states = [FallState.decode(payload) for payload in listener.on(TOPIC)]
            return [(state.alarm, state.stage) for state in states]

        listener.wait_for(lambda _: (True, "long_lie") in alarms(), timeout_s=60)
        listener.publish(ACK, "PRESS")
        listener.wait_for(lambda _: (False, "acknowledged") in alarms())
        stream.terminate()
        _, said = stream.communicate(timeout=60)
        assert stream.returncode == 0, said
        assert alarms() == [
            (False, "none"),
            (True, "fallen"),
            (True, "long_lie"),
            (False, "acknowledged"),
        ]
        events = [ActivityEvent.decode(payload) for payload in listener.on("har/n1/cam/event")]
    assert stages(events) == ["fallen", "long_lie"]
    assert all(event.confidence > 0.4 for event in events if event.fall_stage)


def test_a_fall_is_over_once_somebody_is_up(mosquitto: Mosquitto, tmp_path: Path) -> None:
    scene = write_scene(
        tmp_path / "scene.avi", ("walking", 8), ("fallen", 14), ("walking", 10), home=3
    )
    run = har_stream(*configure(tmp_path, scene, mosquitto))
    assert run.returncode == 0, run.stderr
    events = read_events(tmp_path / "events.jsonl")
    assert stages(events) == ["fallen", "long_lie", "got_up"]
    (begun,) = [event for event in events if event.fall_stage == "fallen"]
    walked_at = events[0].started_at
    assert (begun.started_at - walked_at).total_seconds() < 8 + LANDS_S + ANNOUNCED_WITHIN_S
    with listening(mosquitto.port, TOPIC, "mark") as listener:
        listener.publish("mark", "")
        listener.wait_for(lambda came: came and came[-1].topic == "mark")
        (kept,) = listener.on(TOPIC)
    assert json.loads(kept)["stage"] == "got_up"


def test_an_open_alarm_outlasts_a_restart_before_a_camera_and_ends_with_another_recording(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    falls = write_scene(tmp_path / "falls.avi", ("walking", 5), ("fallen", 2), home=2)
    walks = write_scene(tmp_path / "walks.avi", ("walking", 2), home=2)
    with listening(mosquitto.port, TOPIC) as listener:

        def alarms() -> list[tuple[bool, str]]:
            states = [FallState.decode(payload) for payload in listener.on(TOPIC)]
            return [(state.alarm, state.stage) for state in states]

        assert har_stream(*configure(tmp_path, falls, mosquitto)).returncode == 0
        listener.wait_for(lambda _: len(alarms()) == 2)
        assert alarms() == [(False, "none"), (True, "fallen")]
        # A camera, which is away: who fell may lie there still, and long.
        stream = start_har_stream(*configure(tmp_path, NO_CAMERA, mosquitto))
        listener.wait_for(lambda _: len(alarms()) == 4, timeout_s=60)
        stream.terminate()
        _, said = stream.communicate(timeout=60)
        assert stream.returncode == 0, said
        assert "cam: nobody has answered to the fall of" in said
        assert alarms()[2:] == [(True, "fallen"), (True, "long_lie")]
        # Another recording: nobody lies there.
        assert har_stream(*configure(tmp_path, walks, mosquitto)).returncode == 0
        listener.wait_for(lambda _: len(alarms()) == 5)
        assert alarms()[4:] == [(False, "none")]
    assert stages(read_events(tmp_path / "events.jsonl")) == ["fallen", "long_lie"]


@pytest.mark.parametrize(
    ("clip", "bundle"),
    [
        ("fall-03", "sim-home"),
        ("fall-03", "home"),
        pytest.param("fall-06", "sim-home", marks=pytest.mark.slow),
        pytest.param("fall-06", "home", marks=pytest.mark.slow),
        pytest.param("fall-06", "home-movenet", marks=pytest.mark.slow),
    ],
)
def test_a_real_fall_and_a_long_lie(
    clip: str,
    bundle: str,
    mosquitto: Mosquitto,
    tmp_path: Path,
    shared: Path,
    weights_of_home: None,
) -> None:
    """UR Fall's clips end where somebody has just landed; the last frame is held."""
    held = hold_last_frame(
        shared / "data" / "urfd" / f"{clip}-cam0.mp4", tmp_path / "held.avi", seconds=10
    )
    run = har_stream(*configure(tmp_path, held, mosquitto, bundle=bundle), timeout_s=120)
    assert run.returncode == 0, run.stderr
    assert stages(read_events(tmp_path / "events.jsonl")) == ["fallen", "long_lie"]


def test_a_fall_is_seen_where_nothing_can_be_fetched(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.setenv("no_proxy", "")
    clip, events = shared / "data/home/Subject_3/Fall/16.mp4", tmp_path / "events.jsonl"
    run = har_stream("--camera", clip, "--record-events", events)
    assert run.returncode == 0, run.stderr
    assert "fetching" not in run.stderr
    assert "fallen" in [event.fall_stage for event in read_events(events)]


def hold_last_frame(clip: Path, path: Path, *, seconds: float) -> Path:
    """Copy a clip, its last frame as often again as fills so long."""
    capture = cv2.VideoCapture(str(clip))
    fps = capture.get(cv2.CAP_PROP_FPS)
    images = []
    while (read := capture.read())[0]:
        images.append(read[1])
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
    for image in [*images, *[images[-1]] * round(seconds * fps)]:
        writer.write(image)
    writer.release()
    return path


@pytest.mark.parametrize(
    ("bundle", "every"),
    [
        ("sim-home", 240),
        pytest.param("home", 1200, marks=pytest.mark.slow),
        pytest.param("home-movenet", 1200, marks=pytest.mark.slow),
    ],
)
def test_a_night_under_a_blanket_is_neither_a_fall_nor_an_empty_room(
    bundle: str, every: int, mosquitto: Mosquitto, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Six hours in the dark, looked at for four seconds now and then."""
    if bundle == "home-movenet":
        request.getfixturevalue("weights_of_home")
    with listening(mosquitto.port, "har/n1/cam/activity") as listener:
        run = har_stream(
            *configure(tmp_path, NIGHT.format(every=every), mosquitto, bundle=bundle),
            *("--start-at", "2026-03-02T00:30:00+01:00"),
            timeout_s=280,
        )
        assert run.returncode == 0, run.stderr
        states = [ActivityState.decode(payload) for payload in listener.on("har/n1/cam/activity")]
    events = read_events(tmp_path / "events.jsonl")
    assert stages(events) == []
    said = {state.activity for state in states} | {event.activity for event in events}
    assert said <= {"sleeping", "lying", "unknown"}
    if bundle == "sim-home":
        assert [event.event_type for event in events] == ["activity_started", "activity_ended"]
        asleep = events[-1].ended_at - events[0].started_at
        assert asleep.total_seconds() > 5.5 * 3600
