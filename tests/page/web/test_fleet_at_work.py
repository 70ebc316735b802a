"""The page of a fleet at work: `har-fleet run` with a Ray of its own, and a lot that is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, expect
from support.broker.real_broker import Mosquitto
from support.processes.home_page import HarPage
from support.processes.postgresql import running_postgresql
from support.repository import ENVIRONMENT

from fleet.commands.fleet import main

START_MS = 240_000
"""Ray, then the lots: packages are imported and networks loaded, perhaps beside other work."""
YAML = """\
machines: {m1: 2, m2: 2}
lot_cameras: 1
bundle: sim-home
forecast: {model: hmm}
"""


@contextmanager
def _running(fleet: Path) -> Iterator[None]:
    """`har-fleet run` for the length of a block."""
    (fleet.parent / "rfc3987_syntax.py").write_text("raise ImportError\n")  # see tests/fleet
    environment = ENVIRONMENT | {"PYTHONPATH": f"{fleet.parent}:{ENVIRONMENT['PYTHONPATH']}"}
    command = [sys.executable, "-m", "fleet.commands.fleet", "run", str(fleet), "--local"]
    process = subprocess.Popen(command, env=environment)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0


def _lots_of(folder: Path) -> list[int]:
    """Processes of this run's lots, which know it by its PYTHONPATH."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_lot = (path / "cmdline").read_bytes().startswith(b"ray::LotActor")
            if is_lot and f"PYTHONPATH={folder}:".encode() in (path / "environ").read_bytes():
                found.append(int(path.name))
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_shows_lots_and_homes_of_a_run_and_the_restart_of_a_killed_one(
    broker: Mosquitto, chromium: Browser, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="no ray here")
    fleet = tmp_path / "fleet.yaml"
    with running_postgresql() as server:
        with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as db:
            db.execute("CREATE ROLE fleet LOGIN")
            db.execute("CREATE DATABASE fleet OWNER fleet")
        url = server.url.replace("har@/postgres", "fleet@/fleet")
        cameras = [f"  - {{name: c{n}, home: h{n}, source: 'sim:{n}'}}" for n in (1, 2, 3)]
        fleet.write_text(
            f"{YAML}state_dir: {tmp_path}\ndatabase: {url}\nbroker: {{url: '{broker.url}'}}\n"
            + "\n".join(["cameras:", *cameras])
        )
        assert main(["plan", str(fleet)]) == 0
        with _running(fleet), HarPage(broker.url, tmp_path, "--fleet", url) as har_page:
            page = chromium.new_page(locale="en-GB")
            page.goto(f"{har_page.url}/fleet")
            homes = page.locator("#homes")
            expect(page.locator("#machines")).to_contain_text("runs: 3", timeout=START_MS)
            expect(homes.get_by_role("row")).to_have_count(4)
            expect(homes).to_contain_text("runs: 3", timeout=START_MS)
            assert "m1" in page.inner_text("#machines") and "m2" in page.inner_text("#machines")
            page.get_by_role("searchbox").fill("c2")
            page.get_by_role("button", name="Search").click()
            expect(homes.get_by_role("row")).to_have_count(2)
            expect(page.locator("#machines")).to_contain_text("fleet-00002")
            page.get_by_role("link", name="Show all").click()
            os.kill(_lots_of(tmp_path)[0], signal.SIGKILL)
            expect(page.locator("#machines")).to_contain_text("silent: 1", timeout=20_000)
            expect(homes).to_contain_text("silent: 1", timeout=20_000)
            lot = page.get_by_role("listitem").filter(has_text="restarts: 1")
            expect(lot).to_contain_text("runs, 1 of 1 online", timeout=START_MS)
            expect(homes).to_contain_text("runs: 3", timeout=START_MS)
            page.close()
