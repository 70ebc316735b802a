"""Takes pictures of the page for README and docs: `python benchmarks/page_picture.py docs`.

`page.png` is the first page, `page-day.png` some hours of a day, `page-report.png` the report card.
A simulated home of twenty days, remembered and forecast by the real programs, in Debian's Chromium.
"""

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.sync_api import expect, sync_playwright

from har_stream.config.broker_settings import BrokerSettings
from har_stream.core.activity import IDLE
from har_stream.mqtt.brokers.embedded_broker import run_broker
from har_stream.mqtt.connection import ONLINE, Connection
from har_stream.mqtt.messages import ActivityEvent, ActivityState
from har_stream.simulation.truth import truth
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime.now(ZONE).replace(second=0, microsecond=0)
"""The page shows days and forecasts as of its own clock."""
DAYS = 20
SEED = 7
PORT = 8769
ROOMS = {"cooking": "kitchen", "eating": "kitchen", "sleeping": "bedroom"}


def events() -> Iterator[ActivityEvent]:
    """What a camera would have said of the simulated home."""
    start_at = (NOW - timedelta(days=DAYS)).replace(hour=0, minute=0)
    seq = 0
    for stay in truth(SEED, start_at=start_at, days=DAYS + 1):
        is_seen = stay.activity != IDLE and stay.ended_at - stay.started_at > timedelta(minutes=1)
        if is_seen and stay.started_at < NOW:
            seq += 1
            yield ActivityEvent(
                id=str(uuid.uuid5(uuid.NAMESPACE_OID, str(seq))),
                seq=seq,
                event_type="activity_changed",
                activity=stay.activity,
                room=ROOMS.get(stay.activity, "living_room"),
                confidence=0.91,
                probabilities={stay.activity: 0.91, "unknown": 0.09},
                started_at=stay.started_at,
                camera="cam1",
                node="flat",
            )


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        state_dir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with Journal(sqlite_url(state_dir / "journal.db")) as journal:
            said = list(events())
            journal.record_all(said, received_at=NOW)
        url = stack.enter_context(run_broker(0))
        for module, *flags in (
            ("predictor.commands.forecast",),
            ("page.commands.page", "--port", str(PORT)),
        ):
            where = ("--state-dir", str(state_dir), "--home", "home1", "--broker", url)
            process = subprocess.Popen([sys.executable, "-m", module, *where, *flags])  # noqa: S603 -- our own modules, no shell
            stack.callback(process.terminate)
        connection = stack.enter_context(
            Connection(BrokerSettings(url=url), client_id="page-picture")
        )
        last = said[-1]
        for topic in ("flat", "flat/cam1"):
            connection.publish(f"har/{topic}/availability", ONLINE, retain=True)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        stack.callback(browser.close)
        page = browser.new_page(
            viewport={"width": options.width, "height": 800},
            color_scheme="dark" if options.dark else "light",
            locale="en-GB",
            timezone_id=ZONE.key,
        )
        for _ in range(50):  # until it listens
            with contextlib.suppress(Exception):
                page.goto(f"http://127.0.0.1:{PORT}/")
                break
            page.wait_for_timeout(200)
        expect(page.locator("#link")).to_be_empty(timeout=60_000)
        for minute in (1, 0):  # who says another instant than before is there now
            state = ActivityState(
                activity=last.activity,
                confidence=0.91,
                since=last.started_at,
                at=NOW - timedelta(minutes=minute),
                room=last.room,
            )
            connection.publish("har/flat/cam1/activity", state, retain=True)
        expect(page.locator("#next")).to_contain_text("What then", timeout=60_000)
        expect(page.locator("#next .note")).to_have_count(0, timeout=60_000)
        page.locator("#today").evaluate("element => element.remove()")
        page.screenshot(path=options.folder / "page.png", full_page=True)
        page.goto(
            f"http://127.0.0.1:{PORT}/day?date={NOW - timedelta(days=1):%Y-%m-%d}&hour=6&hours=6"
        )
        page.screenshot(path=options.folder / "page-day.png", full_page=True)
        page.goto(f"http://127.0.0.1:{PORT}/report")
        expect(page.get_by_role("heading", name="Hours a day")).to_be_visible(timeout=900_000)
        page.screenshot(path=options.folder / "page-report.png", full_page=True)
        for path in sorted(options.folder.glob("page*.png")):
            print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
