"""`har-demo` as a person meets it: it ends by itself, says why it cannot, leaves nothing behind."""

import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.broker.real_broker import free_port
from support.processes.stream_process import write_video

from har_stream.commands import demo as demo_command
from har_stream.commands.demo import start_broker
from har_stream.mqtt import broker_address
from har_stream.mqtt.broker_address import read_address
from har_stream.mqtt.brokers.embedded_broker import is_listening

COMMAND = (sys.executable, "-m", "har_stream.commands.demo")
BUNDLE = ("--bundle", "lrcn-ucf")


def demo(*arguments: str | Path | float) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def children_of(pid: int) -> list[Path]:
    """Where the kernel keeps the processes that a process has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path("/proc", child) for child in children]


def test_it_shows_events_and_forecasts_until_it_is_ended() -> None:
    command = [*COMMAND, "--pace", "1800"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    waited_for = [
        lambda line: "mosquitto_sub" in line,
        lambda line: "page http://127.0.0.1:" in line,
        lambda line: line.startswith("event "),
        lambda line: line.startswith("forecast ") and "next about" in line,
    ]
    said = []
    while waited_for and (line := process.stdout.readline()):
        said.append(line)
        waited_for = [holds for holds in waited_for if not holds(line)]
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")
    assert not waited_for, said


@pytest.mark.parametrize(("flags", "bundle"), [((), "sim-home"), (("--camera", "0"), "home")])
def test_a_home_is_watched_by_who_knows_homes(
    tmp_path: Path, flags: tuple[str, ...], bundle: str
) -> None:
    options = demo_command.make_parser().parse_args(flags)
    assert demo_command._choose_source(options, tmp_path).bundle == bundle


def test_a_clip_is_played_to_its_end_and_the_demo_ends_with_it(tmp_path: Path) -> None:
    run = demo("--camera", write_video(tmp_path / "bar.mp4", 50), *BUNDLE)
    assert run.returncode == 0, run.stderr
    assert "bar.mp4 with lrcn-ucf" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--camera", "nowhere.mp4", *BUNDLE), "har-demo: nowhere.mp4: cannot be read"),
        (("--camera", f"rtsp://127.0.0.1:{free_port()}/live", *BUNDLE), "see that it streams"),
        (("--bundle", "no-such-bundle"), "har-demo: no bundle 'no-such-bundle': give"),
    ],
)
def test_one_that_cannot_run_says_why_in_one_line(arguments: tuple[str, ...], says: str) -> None:
    run = demo(*arguments, "--duration", "60")
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert says in line


def test_it_ends_by_itself_on_the_port_asked_for(tmp_path: Path) -> None:
    port = free_port()
    hour = write_video(tmp_path / "bar.mp4", 60, fps=1 / 60)
    run = demo("--camera", hour, "--port", port, "--duration", 0.5, *BUNDLE)
    assert run.returncode == 0, run.stderr
    assert f"mosquitto_sub -p {port} " in run.stdout
    assert "Ctrl-C ends it" in run.stdout
    with socket.create_server(("127.0.0.1", port)):
        refused = demo("--camera", tmp_path / "bar.mp4", "--port", port, *BUNDLE)
    assert refused.returncode == 2
    assert f"127.0.0.1:{port}: cannot listen" in refused.stderr


def test_another_port_is_taken_where_the_usual_one_is_held_by_who_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as held, contextlib.ExitStack() as processes:
        held.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setattr(broker_address, "DEFAULT_PORT", held.getsockname()[1])
        url = start_broker(processes, None)
        assert is_listening(read_address(url))
        assert read_address(url).port != held.getsockname()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly_and_leaves_no_process_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    video = write_video(tmp_path / "bar.mp4", 3000)
    command = [*COMMAND, "--camera", str(video), *BUNDLE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    next(line for line in process.stdout if "listen in" in line)
    children = children_of(process.pid)
    assert len(children) == 4, "broker, har-stream, har-forecast and har-page"
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert not any(child.exists() for child in children)


@pytest.mark.parametrize(
    "flag", ["--seed=-1", "--port=70000", "--duration=nan", "--pace=0", "--pace=inf"]
)
def test_a_flag_that_cannot_be_is_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        demo_command.main([flag])
    assert f"argument {flag.partition('=')[0]}: " in capsys.readouterr().err
