"""Real clips through the real process and a real broker, heard by an independent subscriber."""

import json
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.broker.real_broker import Mosquitto, listening
from support.processes.stream_process import (
    eager_copy,
    har_stream,
    lines_of,
    read_events,
    shipped_bundle,
    write_video,
)
from support.repository import ROOT

from har_stream.mqtt.messages import ActivityEvent

SCHEMA = json.loads((ROOT / "docs" / "schema" / "event.json").read_text())
CLASSES = ("HorseRace", "Swing", "TaiChi", "WalkingWithDog")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundle `lrcn-ucf`, but whatever it sees is some activity."""
    return eager_copy(tmp_path_factory.mktemp("bundles") / "eager")


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    """Two real clips of each class, back to back."""
    made = tmp_path / "clips"
    made.mkdir()
    for name in CLASSES:
        for path in sorted((shared / "data" / "ucf" / name).glob("*.mp4"))[:2]:
            shutil.copy(path, made)
    return made


def stream(
    source: Path, bundle: Path, broker: Mosquitto, state_dir: Path, *flags: str | Path
) -> tuple[Sequence[str], list[ActivityEvent]]:
    """Stream a source; returns what the process said and the events that came over MQTT."""
    recorded = state_dir / "events.jsonl"
    with listening(broker.port, "har/n1/cam/event") as listener:
        config = state_dir / "har.yaml"
        state_dir.mkdir(exist_ok=True)
        config.write_text(f"cameras:\n- {{source: '{source}', name: cam, room: hall}}\n")
        run = har_stream(
            *("--config", config, "--broker", broker.url, "--node", "n1"),
            *("--state-dir", state_dir, "--record-events", recorded, *flags),
            *("--bundle", bundle),
        )
        assert run.returncode == 0, run.stderr
        expected = read_events(recorded)
        came = listener.wait_for(lambda messages: len(messages) >= len(expected))
    for message in came:
        jsonschema.validate(json.loads(message.payload), SCHEMA)
        assert (message.qos, message.retain) == (1, False)
    events = [ActivityEvent.decode(message.payload) for message in came]
    assert events == expected
    return lines_of(run), events


def check_order_and_times(events: Sequence[ActivityEvent]) -> None:
    """The grammar: what starts ends, B begins where A ends, time never runs back."""
    running, boundary = None, None
    for seq, event in enumerate(events, start=1):
        assert event.seq == seq
        assert boundary is None or (event.ended_at or event.started_at) >= boundary
        if event.event_type == "activity_ended":
            assert running is not None
            assert (event.activity, event.started_at) == (running.activity, running.started_at)
            running, boundary = None, event.ended_at
        else:
            assert event.previous == (running.activity if running else None)
            assert (event.event_type == "activity_changed") == (running is not None)
            running, boundary = event, event.started_at
    assert running is None, "the end of the file ends what runs"


def without_identity(events: Sequence[ActivityEvent]) -> list[dict[str, Any]]:
    """Events without their ids, their times counted from the first one's start."""
    first = events[0].started_at
    shifted = []
    for event in events:
        content = event.model_dump(exclude={"id"})
        content["started_at"] -= first
        content["ended_at"] = content["ended_at"] and content["ended_at"] - first
        shifted.append(content)
    return shifted


@pytest.mark.parametrize(  # of the others, too little is sure
    ("label", "group"), [("TaiChi", "g08"), ("HorseRace", "g11")]
)
def test_a_real_clip_becomes_valid_events(
    shared: Path, mosquitto: Mosquitto, tmp_path: Path, label: str, group: str
) -> None:
    path = (
        shared / "data" / "ucf" / label / f"v_{label}_{group}_c01.mp4"
    )  # the bundle learned from it
    started_at = "2026-11-22T18:00:00+01:00"
    given = ("--start-at", started_at)
    _, events = stream(path, shipped_bundle(), mosquitto, tmp_path / "state", *given)
    check_order_and_times(events)
    assert {(event.camera, event.node, event.room) for event in events} == {("cam", "n1", "hall")}
    assert all(set(event.probabilities) == set(CLASSES) for event in events)
    assert events[0].started_at.isoformat() == started_at
    assert events[-1].ended_at is not None
    assert events[-1].ended_at - events[0].started_at < timedelta(seconds=30)
    assert label in {event.activity for event in events}


def test_two_runs_differ_in_ids_and_a_shift_of_the_times_alone(
    folder: Path, bundle: Path, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    _, first = stream(folder, bundle, mosquitto, tmp_path / "first")
    _, second = stream(folder, bundle, mosquitto, tmp_path / "second")
    check_order_and_times(first)
    assert len({event.activity for event in first}) > 1
    assert not {event.id for event in first} & {event.id for event in second}
    assert first[0].started_at != second[0].started_at
    assert without_identity(first) == without_identity(second)


def test_two_cameras_in_one_process_keep_their_events_apart(
    shared: Path, bundle: Path, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    clips = [min((shared / "data" / "ucf" / name).glob("*.mp4")) for name in CLASSES[:2]]
    with listening(mosquitto.port, "har/n1/+/event") as listener:
        run = har_stream(
            *("--camera", clips[0], "--camera", clips[1], "--bundle", bundle, "--node", "n1"),
            *("--broker", mosquitto.url, "--state-dir", tmp_path / "state"),
            *("--record-events", tmp_path / "events.jsonl"),
        )
        assert run.returncode == 0, run.stderr
        n_events = len(read_events(tmp_path / "events.jsonl"))
        came = listener.wait_for(lambda messages: len(messages) >= n_events)
    events = [ActivityEvent.decode(message.payload) for message in came]
    for clip in clips:
        own = [event for event in events if event.camera == clip.stem.lower()]
        check_order_and_times(own)
        assert own
    assert {event.camera for event in events} == {clip.stem.lower() for clip in clips}


def test_what_is_no_video_in_a_folder_is_named_and_skipped(
    shared: Path, bundle: Path, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a-letter.txt").write_text("Dear Madam or Sir")
    (folder / "empty.mp4").touch()
    shutil.copy(next((shared / "data" / "ucf" / "Swing").glob("*.mp4")), folder)
    said, events = stream(folder, bundle, mosquitto, tmp_path / "state")
    assert sum("skipped" in line and "a-letter.txt" in line for line in said) == 1
    assert sum("skipped" in line and "empty.mp4" in line for line in said) == 1
    check_order_and_times(events)


def test_a_clip_of_three_frames_is_one_short_activity(
    bundle: Path, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "short.mp4", 3)
    _, events = stream(path, bundle, mosquitto, tmp_path / "state")
    check_order_and_times(events)
    assert [event.event_type for event in events] == ["activity_started", "activity_ended"]
    assert events[1].ended_at is not None
    assert events[1].ended_at - events[1].started_at < timedelta(seconds=0.2)


def test_a_truncated_video_is_watched_as_far_as_it_goes(
    bundle: Path, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "cut.avi", 250, codec="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    said, events = stream(path, bundle, mosquitto, tmp_path / "state")
    assert sum("damaged or cut off" in line for line in said) == 1
    check_order_and_times(events)
    assert events[-1].ended_at is not None
    assert timedelta(seconds=3) < events[-1].ended_at - events[0].started_at < timedelta(seconds=7)
