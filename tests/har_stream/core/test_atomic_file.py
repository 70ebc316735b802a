"""A file is the old one or the new one, never half of either."""

import subprocess
import sys
from pathlib import Path

import pytest

from har_stream.core.atomic_file import replacing


def test_a_file_is_replaced_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("old\n")
    with replacing(path) as file:
        file.write("new\r\nänew\n")
        file.flush()
        assert path.read_text() == "old\n"
    assert path.read_bytes() == "new\r\nänew\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_what_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("old\n")
    with pytest.raises(ValueError, match="torn"), replacing(path) as file:
        file.write("ne")
        raise ValueError("torn")
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_and_name_are_on_disk_before_it_returns(tmp_path: Path) -> None:
    """In this order, as the system was asked: file, new name, folder."""
    program = f"""
import os, sys
from pathlib import Path
from har_stream.core.atomic_file import replacing
def note(name, arguments):
    if name in ("os.rename",):
        print(name, Path(arguments[1]).name)
sys.addaudithook(note)
sync = os.fsync
def watched(handle):
    print("fsync", Path(os.readlink(f"/proc/self/fd/{{handle}}")).suffix or "folder")
    sync(handle)
os.fsync = watched
with replacing(Path({str(tmp_path)!r}) / "log.csv") as file:
    file.write("new")
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == ["fsync .csv", "os.rename log.csv", "fsync folder"]
