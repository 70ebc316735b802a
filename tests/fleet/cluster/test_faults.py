"""Three machines in a network of their own: whatever fails, no event is lost or comes twice."""

import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from support.repository import ENVIRONMENT, ROOT

pytest.importorskip("ray", reason="no ray here: pip install 'har-stream[fleet]'")
N_FAULTS, SEED = 200, 11


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not shutil.which("unshare"), reason="apt-get install util-linux")
def test_faults(tmp_path: Path) -> None:
    (tmp_path / "rfc3987_syntax.py").write_text("raise ImportError\n")  # see test_run_fleet.py
    program = [sys.executable, "-m", "support.broker.fleet_faults", str(N_FAULTS), str(SEED)]
    ended = subprocess.run(
        ["unshare", "--net", *program],
        env=ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(ended.stdout.splitlines()[-1])
    gaps_s = [gap_s for gaps in found["gaps_s"].values() for gap_s in gaps]
    print(f"\n{N_FAULTS} faults: {found}")
    assert (found["lost"], found["unsent"], found["doubled"]) == (0, 0, 0)
    assert found["cameras out of order"] == 0
    assert statistics.median(gaps_s) <= 15
    assert max(gaps_s) <= 25
