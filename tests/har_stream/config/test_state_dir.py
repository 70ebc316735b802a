"""Where what is kept lies: by systemd, by XDG, and for a user without a home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.repository import ENVIRONMENT

from har_stream.config.state_dir import default_state_dir, weights_cache

AS_A_SERVICE = """
import os
from har_stream.config.state_dir import default_state_dir
from har_stream.core.command import run_command
os.setuid(61_234)  # as DynamicUser= makes them: no entry in passwd, no HOME
raise SystemExit(run_command("har-forecast", lambda: print(default_state_dir())))
"""


def _ask(**environment: str) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in ENVIRONMENT.items() if name != "HOME"}
    return subprocess.run(
        [sys.executable, "-c", AS_A_SERVICE],
        env=given | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_systemd_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/har-stream:/var/lib/other")
    assert default_state_dir() == Path("/var/lib/har-stream")
    assert weights_cache().parent.parent == Path("/var/lib/har-stream")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become a user without a home")
def test_a_service_without_a_home_keeps_it_where_it_was_told_to() -> None:
    run = _ask(STATE_DIRECTORY="/var/lib/har-forecast")
    assert run.stdout == "/var/lib/har-forecast\n"
    run = _ask()
    assert (run.returncode, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    assert line.startswith("har-forecast: this user has no home directory; name a folder")
