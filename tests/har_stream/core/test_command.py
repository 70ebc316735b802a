"""A command ends in one way: a line and status 2 for a mistake, a rule for Ctrl-C."""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable
from typing import NoReturn

import pytest

from har_stream.core import command
from har_stream.core.command import command_parser, run_command
from har_stream.core.errors import InputError


def _raises(error: BaseException) -> Callable[[], NoReturn]:
    def body() -> NoReturn:
        raise error

    return body


def test_its_own_status_or_0_is_what_it_ends_with() -> None:
    assert run_command("har-x", lambda: None) == 0
    assert run_command("har-x", lambda: 3) == 3


def test_a_mistake_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("har-x", _raises(InputError("no such file"))) == 2
    assert capsys.readouterr().err == "har-x: no such file\n"


def test_a_wrong_flag_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    parser = command_parser("har-x", "Does x.", examples="")
    of_y = parser.add_subparsers().add_parser("y")
    of_y.add_argument("--show", choices=("picture", "skeleton"))
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["y", "--show", "bones"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert re.fullmatch(
        "har-x y: argument --show: invalid choice: 'bones' .*picture.*skeleton.*; "
        "har-x y --help says more\n",
        said,
    )


def test_ctrl_c_ends_a_service_and_interrupts_a_tool(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("har-x", _raises(KeyboardInterrupt()), is_service=True) == 0
    assert capsys.readouterr().err == ""
    assert run_command("har-x", _raises(KeyboardInterrupt("(kept)"))) == 130
    assert capsys.readouterr().err == "har-x: interrupted (kept)\n"


def test_a_missing_extra_is_named_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    missing = ModuleNotFoundError("No module named 'keras.ops'", name="keras.ops")
    assert run_command("har-x", _raises(missing), extras={"keras": "train"}) == 2
    expected = "har-x: keras is not installed: pip install 'har-stream[train]'\n"
    assert capsys.readouterr().err == expected
    with pytest.raises(ModuleNotFoundError):
        run_command("har-x", _raises(missing))


def test_a_library_that_the_system_lacks_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    missing = ImportError("libxcb.so.1: cannot open shared object file: No such file or directory")
    assert run_command("har-x", _raises(missing)) == 2
    assert capsys.readouterr().err.endswith("apt-get install libgl1 libglib2.0-0\n")
    with pytest.raises(ImportError):
        run_command("har-x", _raises(ImportError("cannot import name 'x'")))


def test_a_reader_who_has_had_enough_is_no_error() -> None:
    code = "from har_stream.core.command import run_command; import sys; "
    code += "sys.exit(run_command('har-x', lambda: print('line ' * 100_000)))"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (command.positive, {"0.5": 0.5, "3": 3.0}, ["0", "-1", "inf", "nan", "x"]),
        (command.share, {"0": 0.0, "0.99": 0.99}, ["1", "-0.1", "nan", ""]),
        (command.count, {"1": 1, "12": 12}, ["0", "-3", "1.5", "x"]),
        (command.whole_number, {"0": 0, "7": 7}, ["-1", "2.0", "x"]),
        (command.names, {"a, b,": ("a", "b"), "": ()}, []),
    ],
)
def test_flags_are_read_or_refused(
    kind: Callable[[str], object], good: dict[str, object], bad: list[str]
) -> None:
    for text, value in good.items():
        assert kind(text) == value
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is no"):
            kind(text)
