"""An archive on a real Ray: every recording once, whatever dies, as plain processes have it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.processes.archive_kills import archive_pids
from support.processes.stream_process import eager_copy, write_video
from support.repository import ENVIRONMENT, ROOT

from fleet.commands.fleet import main
from har_stream.commands import stream

N_CLIPS = 6
READ_TABLE = "import sys, pyarrow.parquet as p; print(p.read_table(sys.argv[1]).num_rows)"


@pytest.fixture(scope="module")
def eager_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eager_copy(tmp_path_factory.mktemp("bundles") / "eager")


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One film under several names."""
    root = tmp_path_factory.mktemp("footage") / "hall"
    root.mkdir()
    film = write_video(root / "20261122T180000Z.mp4", 400)
    for n in range(1, N_CLIPS):
        shutil.copy(film, root / f"20261122T18{n:02}00Z.mp4")
    return root


@pytest.fixture(scope="module")
def expected(footage: Path, eager_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What plain processes make of it."""
    out = tmp_path_factory.mktemp("plain") / "events.parquet"
    arguments = ["--archive", footage, "--out", out, "--bundle", eager_bundle, "--workers", "1"]
    assert stream.main([*map(str, arguments)]) == 0
    return out.read_bytes()


def test_a_killed_process_costs_nothing_and_the_next_run_goes_on(
    ray: None,
    footage: Path,
    eager_bundle: Path,
    expected: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["archive", str(footage), "--out", str(tmp_path / "out")]
    arguments += ["--bundle", str(eager_bundle), "--journal", f"sqlite:///{tmp_path}/journal.db"]
    killed = []

    def kill_one() -> None:
        deadline_s = time.monotonic() + 30
        while not killed and time.monotonic() < deadline_s:
            for pid in archive_pids():
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return

    killer = threading.Thread(target=kill_one)
    killer.start()
    assert main(arguments) == 0
    killer.join()
    assert killed
    said = capsys.readouterr().out
    assert f"{N_CLIPS} recordings, 0 not read" in said
    assert (tmp_path / "out" / "events.parquet").read_bytes() == expected
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert f"{N_CLIPS} recordings, {N_CLIPS} of them recognised in an earlier run" in said
    assert "0 new events" in said
    rows = subprocess.run(
        [sys.executable, "-c", READ_TABLE, tmp_path / "out"], capture_output=True, check=True
    )
    assert int(rows.stdout) > 0, "the folder is no table of Parquet"


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.skipif(not shutil.which("unshare"), reason="apt-get install util-linux")
def test_twenty_kills_and_the_throughput(tmp_path: Path) -> None:
    (tmp_path / "rfc3987_syntax.py").write_text("raise ImportError\n")  # see conftest.py
    program = f"{sys.executable} -m support.processes.archive_kills 500 20 13 30"
    ended = subprocess.run(
        ["unshare", "--net", "sh", "-c", f"ip link set lo up && exec {program}"],
        env=ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(ended.stdout.splitlines()[-1])
    print(f"\n{found}")
    assert found["same"] == [True, True]
    assert sum(found["killed"].values()) == 20
    assert found["seconds"]["plain"] / found["seconds"]["ray"] >= 0.85
