"""A whole home for an hour, with somebody who looks on: its memory stays, and it costs little."""

import contextlib
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from support.broker.real_broker import free_port
from support.processes.measured import cpu_s, resident_mb
from support.processes.stream_process import shipped_bundle
from support.repository import ENVIRONMENT

from har_stream.mqtt.brokers.embedded_broker import run_broker

LASTS_S = 3600
SETTLED_S = 300
"""After it everything is loaded, and every buffer has its size."""
PROGRAMS = {
    "har-stream": b"har_stream.commands.stream",
    "har-forecast": b"predictor.commands.forecast",
    "har-page": b"page.commands.page",
}


@pytest.mark.slow
def test_an_hour_of_a_home_leaves_its_memory_flat(tmp_path: Path) -> None:
    shipped_bundle()
    port = free_port()
    flags = ("--bundle", "sim-home", "--state-dir", tmp_path / "state", "--home", "h1")
    with run_broker(free_port()) as url, (tmp_path / "log").open("wb") as log:
        command = (sys.executable, "-m", "page.commands.har", "--camera", "sim:7?past=1&pace=1")
        har = subprocess.Popen(
            [*command, *map(str, flags), "--broker", url, "--port", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
        )
        n_heard = 0

        def view() -> None:
            nonlocal n_heard
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/events", timeout=60) as events:
                for line in events:
                    n_heard += line.startswith(b"data:")

        def look() -> dict[str, tuple[float, float]]:
            return {name: (resident_mb(pid), cpu_s(pid)) for name, pid in pids.items()}

        try:
            _wait_until_it_answers(f"http://127.0.0.1:{port}/")
            pids = _children(har.pid)
            viewer = threading.Thread(target=view, daemon=True)
            viewer.start()
            time.sleep(SETTLED_S)
            before, n_before = look(), n_heard
            time.sleep(LASTS_S - SETTLED_S)
            after = look()
            assert viewer.is_alive(), "the page has hung up"
        finally:
            har.terminate()
            har.wait(40)
    n_heard -= n_before
    print(f"\n{LASTS_S / 60:.0f} minutes, {n_heard} events to the viewer")
    for name, (mb, used_s) in after.items():
        share = (used_s - before[name][1]) / (LASTS_S - SETTLED_S)
        print(f"{name}: {before[name][0]:.0f} MB, then {mb:.0f} MB; {share:.2%} of a core")
        assert mb - before[name][0] < 15
    assert n_heard > 0


def _children(pid: int) -> dict[str, int]:
    """The processes of a running `har`, by name."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return {
        name: pid
        for name, module in PROGRAMS.items()
        for pid, command in commands.items()
        if module in command
    }


def _wait_until_it_answers(url: str) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(url) as answer:  # noqa: S310 -- our own page
            answer.read()
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
