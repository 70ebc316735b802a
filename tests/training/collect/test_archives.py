"""An archive from a stranger is unpacked within its folder or refused in a line."""

import io
import os
import stat
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.files.mutations import mutate
from support.files.rar_writer import rar
from support.processes.measured import run_python

from har_stream.core.errors import InputError
from training.collect import archives
from training.collect.archives import unpack

CLIPS = {f"UCF50/{label}/v_{n}.avi": os.urandom(2000) for label in ("Run", "Walk") for n in (1, 2)}


def _zip(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _special(kind: int) -> bytes:
    """A zip with one member of another kind than a file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo("Run/a.avi")
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return packed.getvalue()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    (tmp_path / "a.zip").write_bytes(_special(kind))
    (tmp_path / "a.rar").write_bytes(rar({"Run/a.avi": b"/etc/passwd"}, mode=kind | 0o777))
    for name in ("a.zip", "a.rar"):
        with pytest.raises(InputError, match="is a link or a device"):
            unpack(tmp_path / name, tmp_path / "out")
        assert not list((tmp_path / "out").iterdir())
        (tmp_path / "out").rmdir()


BOMB = """
import pathlib, sys
from har_stream.core.errors import InputError
from training.collect.archives import unpack
try:
    unpack(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
except InputError as error:
    print(error)
"""


def test_a_bomb_is_refused_before_it_takes_room(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for n in range(8):
            archive.writestr(f"Run/{n}.avi", bytes(64 << 20))
    run = run_python(BOMB, str(tmp_path / "a.zip"), str(tmp_path / "out"))
    assert "holds 0.5 GB in 8 files, far more than its size" in run.output
    assert run.peak_mb < 300
    assert not list((tmp_path / "out").iterdir())


def test_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 1000)
    (tmp_path / "a.zip").write_bytes(_zip({f"{n}": b"" for n in range(1001)}))
    with pytest.raises(InputError, match="1001 files"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_archives_lie_in_archives_twice_at_most(tmp_path: Path) -> None:
    packed = rar(CLIPS)
    for _ in range(3):
        packed = rar({"a.rar": packed})
    (tmp_path / "a.rar").write_bytes(packed)
    with pytest.raises(InputError, match="more than 2 archives lie in each other"):
        unpack(tmp_path / "a.rar", tmp_path / "out")


def test_an_archive_beside_a_folder_of_its_name_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(_zip({"a.rar": rar(CLIPS), "a/b.avi": b"1"}))
    with pytest.raises(InputError, match="File exists"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize(
    "n", [pytest.param(30, id="short"), pytest.param(300, id="long", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("suffix", ["zip", "rar"])
def test_mutations_of_a_valid_archive(tmp_path: Path, suffix: str, n: int) -> None:
    valid = {"zip": _zip, "rar": rar}[suffix](CLIPS)
    counts = {"unpacked": 0, "refused": 0}
    longest_s = 0.0
    for seed in range(n):
        archive, out = tmp_path / f"{seed}.{suffix}", tmp_path / f"out-{seed}"
        archive.write_bytes(mutate(valid, seed))
        began_s = time.process_time()
        try:
            unpack(archive, out)
            counts["unpacked"] += 1
        except InputError as error:
            assert "\n" not in str(error)
            counts["refused"] += 1
        longest_s = max(longest_s, time.process_time() - began_s)
    print(f"{suffix}: {n} mutations, {counts}, longest {longest_s:.2f} s, 0 tracebacks")
    assert longest_s < 2.0
    assert counts["refused"] > n / 4
