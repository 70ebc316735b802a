"""`har-stream` as a person meets it: what it says, what it ends with, and what it never loads."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from support.broker.real_broker import Mosquitto, free_port, listening
from support.processes.stream_process import (
    COMMAND,
    har_stream,
    lines_of,
    read_events,
    start_har_stream,
    virtual_display,
    write_video,
)

from har_stream.bundles.bundle import MANIFEST
from har_stream.commands import stream
from har_stream.mqtt.messages import ActivityEvent


def test_version_and_help_load_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from har_stream.commands.stream import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: status = end.code\n"
        "heavy = {'cv2', 'numpy', 'pydantic', 'paho', 'tensorflow', 'yaml'} & set(sys.modules)\n"
        "sys.exit(f'loads {heavy}' if heavy else status)\n"
    )
    for flag, says in (
        ("--version", f"har-stream {version('har-stream')}"),
        ("--help", "har-stream --camera 0"),
    ):
        run = subprocess.run(
            [sys.executable, "-c", script, flag], capture_output=True, text=True, check=False
        )
        assert (run.returncode, run.stderr) == (0, "")
        assert says in run.stdout


def test_streaming_a_litert_bundle_loads_no_tensorflow_and_stays_small(
    eager_bundle: Path, video: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    script = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from har_stream.commands.stream import main\n"
        "status = main(sys.argv[1:])\n"
        "heavy = {'tensorflow', 'keras', 'jax', 'torch', 'matplotlib'} & set(sys.modules)\n"
        # its own peak: getrusage would count the test process that it was forked from
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1]\n"
        "print(status, sorted(heavy), peak)\n"
    )
    arguments = ["--camera", video, "--bundle", eager_bundle, "--engine", "litert"]
    arguments += ["--broker", mosquitto.url, "--state-dir", tmp_path / "state"]
    run = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    status, heavy, rss_kb = run.stdout.split(" ")
    assert (status, heavy) == ("0", "[]"), run.stderr
    assert int(rss_kb) < 350_000


def test_refused_credentials_end_it_even_without_fail_fast(
    make_mosquitto: Callable[..., Mosquitto], eager_bundle: Path, video: Path, tmp_path: Path
) -> None:
    broker = make_mosquitto(anonymous=False)
    run = har_stream(
        *("--camera", video, "--bundle", eager_bundle, "--broker", broker.url),
        *("--state-dir", tmp_path / "state"),
    )
    assert run.returncode == 2
    assert re.match(r"har-stream: broker .* refuses us", lines_of(run)[-1])


def test_events_wait_for_a_broker_that_is_away(
    eager_bundle: Path, video: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """The file is watched to its end; the next start brings its events, and its own."""
    mosquitto.kill()
    arguments = ["--camera", video, "--bundle", eager_bundle, "--broker", mosquitto.url]
    arguments += ["--state-dir", tmp_path / "state", "--record-events", tmp_path / "events.jsonl"]
    first = har_stream(*arguments, "--node", "n1")
    assert first.returncode == 0
    assert sum("does not answer" in line for line in lines_of(first)) == 1
    waiting = read_events(tmp_path / "events.jsonl")
    assert f"{len(waiting)} events wait in the outbox" in lines_of(first)[-1]
    mosquitto.start()
    with listening(mosquitto.port, "har/n1/bar/event") as listener:
        assert har_stream(*arguments, "--node", "n1").returncode == 0
        recorded = read_events(tmp_path / "events.jsonl")
        assert len(recorded) == 2 * len(waiting)
        came = listener.wait_for(lambda messages: len(messages) >= len(recorded))
    assert [ActivityEvent.decode(message.payload) for message in came] == recorded
    assert [event.seq for event in recorded] == list(range(1, len(recorded) + 1))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(
    eager_bundle: Path, tmp_path: Path, mosquitto: Mosquitto, number: signal.Signals
) -> None:
    long = write_video(tmp_path / "bar.mp4", 3000)
    with listening(mosquitto.port, "har/n1/#") as listener:
        process = start_har_stream(
            *("--camera", long, "--realtime", "--bundle", eager_bundle, "--node", "n1"),
            *("--broker", mosquitto.url, "--state-dir", tmp_path / "state"),
        )
        try:
            listener.wait_for(lambda _: listener.on("har/n1/bar/activity"))
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 0, said
        assert "Traceback" not in said
        listener.wait_for(lambda _: listener.on("har/n1/availability")[-1:] == [b"offline"])
        assert listener.on("har/n1/bar/availability")[-1] == b"offline"


def test_a_live_camera_that_is_not_there_is_tried_again_unless_asked_otherwise(
    eager_bundle: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    source = f"rtsp://user:secret@127.0.0.1:{free_port()}/live"
    arguments = ["--camera", source, "--bundle", eager_bundle, "--broker", mosquitto.url]
    arguments += ["--state-dir", tmp_path / "state"]
    failed = har_stream(*arguments, "--fail-fast")
    assert failed.returncode == 2
    assert re.search(r"har-stream: rtsp://\S*: cannot be opened; see that it", lines_of(failed)[-1])
    process = start_har_stream(*arguments)
    try:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "trying again" in line)
        assert "offline" in said
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "secret" not in failed.stderr + said + rest


def test_flags_win_over_the_configuration(
    eager_bundle: Path, video: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    config = tmp_path / "har.yaml"
    config.write_text(
        f"node: filed\nbroker: {{url: '{mosquitto.url}'}}\nbundle: {eager_bundle}\n"
        f"state_dir: {tmp_path / 'state'}\ncameras:\n- source: absent.mp4\n"
    )
    with listening(mosquitto.port, "har/+/+/event") as listener:
        run = har_stream(
            *("--config", config, "--camera", video, "--node", "flagged", "--room", "hall"),
            *("--start-at", "2026-11-22T18:00+01:00"),
        )
        assert run.returncode == 0, run.stderr
        (event, *_) = listener.wait_for(len)
    assert event.topic == "har/flagged/bar/event"
    payload = ActivityEvent.decode(event.payload)
    assert payload.room == "hall"
    assert payload.started_at.isoformat() == "2026-11-22T18:00:00+01:00"


def test_a_config_is_checked_without_touching_anything(
    eager_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "har.yaml"
    config.write_text(f"bundle: {eager_bundle}\ncameras:\n- source: absent.mp4\n- source: 3\n")
    assert stream.main(["--check-config", str(config)]) == 0
    assert re.search(r"har\.yaml: fine; .*cameras: absent, cam3", capsys.readouterr().out)


def test_bundles_are_listed_with_what_they_know(
    eager_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HAR_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    shutil.copytree(eager_bundle, tmp_path / "models" / "mine")
    broken = Path(shutil.copytree(eager_bundle, tmp_path / "models" / "broken"))
    (broken / MANIFEST).write_text("{}")
    assert stream.main(["--list-bundles", "--state-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^mine .*WalkingWithDog", said, re.MULTILINE)
    assert re.search(
        r"^home-movenet .*lying.*; fetches movenet_lightning at its", said, re.MULTILINE
    )
    assert re.search(r"^broken .*cannot be used: .*manifest\.json", said, re.MULTILINE)


def test_cameras_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert stream.main(["--list-cameras"]) == 0
    assert "camera" in capsys.readouterr().out


def test_clips_of_activities_are_recorded_where_asked(
    eager_bundle: Path, video: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    folder = tmp_path / "clips"
    run = har_stream(
        *("--camera", video, "--bundle", eager_bundle, "--broker", mosquitto.url),
        *("--state-dir", tmp_path / "state", "--record", folder),
        *("--record-events", tmp_path / "events.jsonl"),
    )
    assert run.returncode == 0, run.stderr
    started = [e for e in read_events(tmp_path / "events.jsonl") if e.ended_at is None]
    assert len(list(folder.glob("*.mp4"))) == len({event.started_at for event in started}) > 0


def test_show_needs_a_display(eager_bundle: Path, video: Path) -> None:
    run = subprocess.run(
        [*COMMAND, "--camera", str(video), "--bundle", str(eager_bundle), "--show"],
        capture_output=True,
        text=True,
        env={key: value for key, value in os.environ.items() if "DISPLAY" not in key},
        check=False,
    )
    assert run.returncode == 2
    assert re.match(r"har-stream: --show: .*(no display here|headless build)", run.stderr)


def test_show_draws_in_a_window_to_the_end(
    eager_bundle: Path,
    video: Path,
    tmp_path: Path,
    mosquitto: Mosquitto,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with virtual_display() as display:
        monkeypatch.setenv("DISPLAY", display)
        run = har_stream(
            *("--camera", video, "--bundle", eager_bundle, "--broker", mosquitto.url, "--show"),
            *("--state-dir", tmp_path / "state"),
        )
    assert run.returncode == 0, run.stderr
