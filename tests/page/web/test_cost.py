"""What the page costs: a year in the journal, fifty viewers, and nothing happening."""

import contextlib
import sqlite3
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.broker.real_broker import Mosquitto, listening
from support.processes.home_page import HarPage
from support.processes.measured import cpu_s, resident_mb

from har_stream.mqtt.messages import ActivityState, EventAck
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal

pytestmark = pytest.mark.slow
N_EVENTS = 1_000_000
LABELS = ("cooking", "eating", "sleeping", "walking", "sitting", "exercising")


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a million events of one year, written past the journal: it takes long."""
    folder = tmp_path_factory.mktemp("year")
    Journal(sqlite_url(folder / "journal.db")).close()
    start_ms = int((time.time() - 365 * 24 * 3600) * 1000)
    step_ms = 365 * 24 * 3600 * 1000 / N_EVENTS

    def rows() -> Iterator[tuple[object, ...]]:
        for number in range(N_EVENTS):
            at_ms = start_ms + int(number * step_ms)
            yield (
                *(f"e{number}", "n1", "cam1", 1, number + 1, "activity_changed"),
                *(LABELS[number % 6], None, "kitchen", 0.9, "{}", at_ms, None, at_ms, 3600),
                *(at_ms, 0.0, None),
            )

    with sqlite3.connect(folder / "journal.db") as database:
        database.execute("PRAGMA synchronous = OFF")
        database.executemany(f"INSERT INTO events VALUES ({', '.join('?' * 18)})", rows())  # noqa: S608 -- placeholders
        database.execute("INSERT INTO cameras VALUES ('n1', 'cam1', 1, ?, ?)", (N_EVENTS,) * 2)
    database.close()
    return folder


def memory_of(pid: int) -> str:
    """What a process holds; files of libraries are there once for it and the forecaster."""
    own_mb = resident_mb(pid, "RssAnon")
    return f"{resident_mb(pid):.0f} MB resident, {own_mb:.0f} MB of them its own"


def test_a_year_of_a_million_events_is_drawn_soon(year: Path, mosquitto: Mosquitto) -> None:
    with HarPage(mosquitto.url, year) as page:
        print(f"\nat the start: {memory_of(page.pid)}")
        for path in ("/", "/day", "/day?hours=6", "/correct"):
            used_ms, took_ms = [], []
            for _ in range(6):
                began_s, cpu_began_s = time.monotonic(), cpu_s(page.pid)
                urllib.request.urlopen(page.url + path).read()  # noqa: S310 -- our own page
                took_ms.append((time.monotonic() - began_s) * 1000)
                used_ms.append((cpu_s(page.pid) - cpu_began_s) * 1000)
            print(
                f"{path}: first {took_ms[0]:.0f} ms, then {statistics.median(took_ms[1:]):.0f} ms "
                f"(of a core: {used_ms[0]:.0f} ms, then {statistics.median(used_ms[1:]):.0f} ms)"
            )
            assert statistics.median(used_ms[1:]) <= 400
        used_ms, took_ms = [], []
        acknowledged = EventAck(journal="j", seq=N_EVENTS).encode()
        with listening(mosquitto.port, "har/n1/cam1/event/ack") as listener:
            for number in range(6):
                listener.publish("har/n1/cam1/event/ack", acknowledged)
                listener.wait_for(lambda came, wanted=number: len(came) > wanted)
                threading.Event().wait(0.2)  # the page has heard it, too
                began_s, cpu_began_s = time.monotonic(), cpu_s(page.pid)
                urllib.request.urlopen(page.url).read()  # noqa: S310 -- our own page
                took_ms.append((time.monotonic() - began_s) * 1000)
                used_ms.append((cpu_s(page.pid) - cpu_began_s) * 1000)
        print(
            f"/ after an event: {statistics.median(took_ms):.0f} ms "
            f"(of a core: {statistics.median(used_ms):.0f} ms)"
        )
        assert statistics.median(used_ms) <= 400
        print(f"at the end: {memory_of(page.pid)}")
        assert resident_mb(page.pid) < 150


def test_a_report_card_is_made_while_the_page_goes_on(year: Path, mosquitto: Mosquitto) -> None:
    with HarPage(mosquitto.url, year) as page:
        urllib.request.urlopen(page.url).read()  # noqa: S310 -- our own page
        began_s, took_ms, peak_mb, used_s = time.monotonic(), [], 0.0, 0.0
        while b"data-waiting" in urllib.request.urlopen(f"{page.url}/report").read():  # noqa: S310 -- our own page
            asked_s = time.monotonic()
            urllib.request.urlopen(page.url).read()  # noqa: S310 -- our own page
            took_ms.append((time.monotonic() - asked_s) * 1000)
            for told in Path(f"/proc/{page.pid}/task").glob("*/children"):  # by thread
                with contextlib.suppress(OSError, IndexError):  # it has just ended
                    child = int(told.read_text().split()[0])
                    peak_mb, used_s = resident_mb(child, "VmHWM"), cpu_s(child)
            threading.Event().wait(0.5)
        print(
            f"\na report card: {time.monotonic() - began_s:.0f} s, {used_s:.0f} s of them work; "
            f"{peak_mb:.0f} MB meanwhile; the first page in {statistics.median(took_ms):.0f} ms"
        )
        assert peak_mb < 500


def test_fifty_viewers_hear_of_a_change_and_cost_little_when_nothing_happens(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    heard = threading.Semaphore(0)

    def view(url: str) -> None:
        with urllib.request.urlopen(url + "/events", timeout=60) as events:  # noqa: S310 -- our own page
            for line in events:
                if b"activity-of-all" in line:
                    heard.release()
                    return

    with HarPage(mosquitto.url, tmp_path) as page, listening(mosquitto.port, "none") as listener:
        viewers = [threading.Thread(target=view, args=(page.url,), daemon=True) for _ in range(50)]
        for viewer in viewers:
            viewer.start()
        threading.Event().wait(5)
        idle_began_s = cpu_s(page.pid)
        threading.Event().wait(20)
        idle = (cpu_s(page.pid) - idle_began_s) / 20
        print(f"\nfifty viewers, nothing happens: {idle:.1%} of a core")
        began_s = time.monotonic()
        state = ActivityState(activity="activity-of-all", confidence=0.9, since=now, at=now)
        listener.publish("har/n1/cam1/availability", "online", retain=True)
        listener.publish("har/n1/cam1/activity", state.encode(), retain=True)
        for _ in viewers:
            assert heard.acquire(timeout=10)
        print(f"all fifty have heard after {(time.monotonic() - began_s) * 1000:.0f} ms")
        assert idle <= 0.01


def test_what_is_old_enough_is_read_as_fast(year: Path, mosquitto: Mosquitto) -> None:
    """A day of the past year, whichever: the index leads there."""
    with HarPage(mosquitto.url, year) as page:
        for back in (10, 100, 300):
            day = (datetime.now(UTC) - timedelta(days=back)).date()
            cpu_began_s = cpu_s(page.pid)
            html = urllib.request.urlopen(f"{page.url}/day?date={day}").read()  # noqa: S310 -- our own page
            assert b"zoom in to see the others" in html
            assert cpu_s(page.pid) - cpu_began_s <= 0.6
