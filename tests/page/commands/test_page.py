"""`har-page` says in one line why it cannot start."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from page.commands.page import main


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--port", "70000"), "no port"),
        (("--root-path", "har"), "no path like /har"),
        (("--root-path", "//evil.example"), "no path like /har"),
        (("--host", "0.0.0.0"), "--make-password"),  # noqa: S104 -- refused
        (("--password-file", "absent"), "absent: cannot be read"),
        (("--journal", "foo://x"), "no database URL of SQLite or PostgreSQL"),
        (("--broker", "mqtt://user:secret@h"), "broker"),
    ],
)
def test_one_that_cannot_start_says_why(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    try:
        status = main([*arguments, "--state-dir", str(tmp_path)])
    except SystemExit as end:  # argparse's own
        status = int(str(end.code))
    assert status == 2
    said = capsys.readouterr().err
    assert says in said.splitlines()[-1]
    assert "secret" not in said


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        broker = ("--broker", "mqtt://127.0.0.1:1", "--state-dir", str(tmp_path))
        assert main(["--port", number, *broker]) == 2
    assert f"--port {number}: cannot listen there" in capsys.readouterr().err


def test_help_needs_nothing_that_takes_long_to_import() -> None:
    code = "import sys; from page.commands import page; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"starlette", "uvicorn", "sqlalchemy", "babel", "pydantic"} & {*run.stdout.split()}
