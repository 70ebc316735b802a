"""`har` keeps its programs running, and ends them all with it."""

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest
from support.broker.real_broker import free_port, listening
from support.processes.home_page import options_of
from support.processes.stream_process import shipped_bundle
from support.repository import ENVIRONMENT

from har_stream.mqtt.brokers.embedded_broker import run_broker
from page.commands.har import Program, main, programs_of, supervise


def program(name: str, code: str) -> Program:
    return Program(name, (sys.executable, "-S", "-c", code))


FOREVER = "import signal; signal.pause()"


class Clock:
    """Seconds that jump ahead by an hour whenever somebody looks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Look at it."""
        self.seconds += 3600.0
        return self.seconds


def test_what_fails_is_started_again_and_what_is_done_is_not(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"import pathlib, sys; m = pathlib.Path({str(mark)!r}); n = m.exists(); m.touch(); "
    said: list[str] = []
    status = supervise(
        [program("flaky", f"{code}sys.exit(0 if n else 3)"), program("film", "pass")],
        stopped=threading.Event(),
        monotonic=Clock(),
        tell=said.append,
    )
    assert status == 0
    assert sorted(line.split(";")[0] for line in said) == [
        "har: film has ended",
        "har: flaky ended with 3",
        "har: flaky has ended",
    ]


def test_it_says_versions_and_licences_of_all_parts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--version"]) == 0
    own, *parts = capsys.readouterr().out.splitlines()
    assert own == f"har-stream {version('har-stream')}"
    assert f"  paho-mqtt {version('paho-mqtt')}" in parts
    assert not [line for line in parts if line.startswith("  mypy ")], "not what developers use"
    assert main(["licences", "--state-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"  pydantic {version('pydantic')}: MIT\n" in said
    assert "  home-movenet: head: learned from UR Fall (research only, no commercial use)" in said
    assert "Ordonez A and B (to be cited, no commercial use)" in said
    assert "  movenet_lightning: Apache-2.0\n" in said


def test_a_person_s_mistake_ends_all(tmp_path: Path) -> None:
    said: list[str] = []
    status = supervise(
        [program("good", FOREVER), program("mistaken", "raise SystemExit(2)")],
        stopped=threading.Event(),
        tell=said.append,
    )
    assert status == 2
    assert said == ["har: mistaken cannot run like that; ending"]


def test_ending_it_ends_every_program() -> None:
    stopped = threading.Event()
    stopped.set()
    assert supervise([program("good", FOREVER)], stopped=stopped) == 0


@pytest.mark.parametrize("broker", [None, "mqtt://127.0.0.1:1885"])
def test_each_program_is_told_what_concerns_it(broker: str | None, tmp_path: Path) -> None:
    options = options_of(
        camera=["0", "1"],
        bundle="my-home",
        config=None,
        home="attic",
        state_dir=tmp_path,
        host=None,
        port="8080",
        keep_clips=True,
        skeleton=False,
        pictures=False,
    )
    commands = {
        each.name: " ".join(each.command[2:]) for each in programs_of(options, broker=broker)
    }
    common = f"--home attic --state-dir {tmp_path}" + (f" --broker {broker}" if broker else "")
    assert commands == {
        "har-stream": "har_stream.commands.stream --camera 0 --camera 1 --keep-clips "
        f"--bundle my-home {common}",
        "har-forecast": f"predictor.commands.forecast {common}",
        "har-page": f"page.commands.page --port 8080 {common}",
    }


@pytest.mark.slow
def test_a_whole_home_runs_in_one_command(tmp_path: Path) -> None:
    """A forecaster that is killed comes back, and Ctrl-C leaves no process behind."""
    shipped_bundle()
    page_port, broker_port = free_port(), free_port()
    with run_broker(broker_port) as url, (tmp_path / "log").open("wb") as log:
        command = (sys.executable, "-m", "page.commands.har", "--camera", "sim:7?past=1&pace=60")
        flags = ("--bundle", "sim-home", "--broker", url, "--port", str(page_port))
        har = subprocess.Popen(
            [*command, *flags, "--state-dir", str(tmp_path / "state"), "--home", "h1"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
        )
        with listening(broker_port, "har/#") as listener:
            forecaster = "har/home/h1/availability"
            listener.wait_for(lambda _: listener.on(forecaster)[-1:] == [b"online"], timeout_s=60)
            listener.wait_for(
                lambda came: any(each.topic.endswith("/activity") for each in came), timeout_s=90
            )
            with urllib.request.urlopen(f"http://127.0.0.1:{page_port}/") as answer:
                assert b"h1" in answer.read()
            children = Path(f"/proc/{har.pid}/task/{har.pid}/children").read_text().split()
            assert len(children) == 3
            (killed,) = [
                child
                for child in children
                if b"predictor.commands.forecast" in Path(f"/proc/{child}/cmdline").read_bytes()
            ]
            os.kill(int(killed), signal.SIGKILL)
            listener.wait_for(
                lambda _: listener.on(forecaster)[-2:] == [b"offline", b"online"], timeout_s=60
            )
            har.send_signal(signal.SIGINT)
            assert har.wait(60) == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert "har-forecast ended with -9; again in" in (tmp_path / "log").read_text()


def test_a_wrong_flag_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--camra", "0"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
