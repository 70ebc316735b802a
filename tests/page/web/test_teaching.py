"""An activity is taught on the page: recorded, learned, used, and said by the new bundle."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, expect
from support.broker.real_broker import Listener, Mosquitto, listening
from support.processes.home_page import HarPage
from support.processes.stream_process import start_har_stream
from support.repository import ENVIRONMENT

from har_stream.bundles import weights
from har_stream.mqtt.messages import ActivityEvent, Skeleton
from har_stream.preview.video_writer import ClipFile

START = datetime(2026, 11, 27, 18, tzinfo=UTC)
TURN_S = 25
"""Seconds of each activity in the film, by turns."""
N_TURNS = 44
FPS, SIZE_PX = 5.0, (384, 288)
ONE_IN = 3
"""The clips have 15 frames a second."""
READING, ORDINARY = ("Subject_3/ADL/15",), ("Subject_3/ADL/19", "Subject_3/ADL/20")


def write_film(path: Path, clips: Path) -> None:
    """By turns somebody reads, and does something else, in the same room."""
    shown = {}
    for names in (READING, ORDINARY):
        frames = []
        for name in names:
            film = cv2.VideoCapture(str(clips / f"{name}.mp4"))
            while (read := film.read())[0]:
                frames.append(cv2.resize(read[1], SIZE_PX))
        shown[names] = frames
    film_file = ClipFile(path, fps=FPS, size_px=SIZE_PX)
    for turn in range(N_TURNS):
        frames = shown[READING if turn % 2 == 0 else ORDINARY]
        for n in range(round(TURN_S * FPS)):
            frame = frames[n * ONE_IN % len(frames)]
            film_file.write(np.asarray(frame, np.uint8))
    film_file.close()


@contextmanager
def watching(film: Path, broker: str, state_dir: Path) -> Iterator[None]:
    """`har-stream` in front of the film, at its own speed."""
    process = start_har_stream(
        *("--camera", f"cam1={film}", "--realtime", "--start-at", START.isoformat()),
        *("--keep-clips", "--skeleton", "--bundle", "home", "--node", "n1", "--home", "h1"),
        *("--broker", broker, "--state-dir", state_dir),
    )
    try:
        yield
    finally:
        process.terminate()
        said = process.communicate(timeout=20)[1]
        assert process.returncode == 0, said


def wait_for_turn(listener: Listener, number: int) -> None:
    """Block until the film has just begun to show reading (0), or something else (1)."""

    def has_begun(_: object) -> bool:
        told = listener.on("har/n1/cam1/skeleton")
        at_s = (Skeleton.decode(told[-1]).at - START).total_seconds() if told else -1.0
        return at_s >= 0 and int(at_s // TURN_S) % 2 == number and 2 < at_s % TURN_S < 6

    listener.wait_for(has_begun, timeout_s=3 * TURN_S)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_activity_is_taught_in_an_evening(
    mosquitto: Mosquitto,
    chromium: Browser,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(weights.ENVIRONMENT, str(shared / "weights"))
    monkeypatch.setitem(ENVIRONMENT, weights.ENVIRONMENT, str(shared / "weights"))
    write_film(tmp_path / "film.mp4", shared / "data/home")
    with (
        listening(mosquitto.port, "har/n1/#") as listener,
        watching(tmp_path / "film.mp4", mosquitto.url, tmp_path),
        HarPage(mosquitto.url, tmp_path) as har_page,
    ):
        page = chromium.new_context(locale="en-GB").new_page()
        wait_for_turn(listener, 0)
        page.goto(f"{har_page.url}/teach")
        for turn, label in enumerate(("reading", "", "reading")):
            wait_for_turn(listener, turn % 2)
            page.get_by_label("What you do").fill(label)
            page.locator("[name=seconds]").select_option("15")
            page.get_by_label("Everybody whom it sees agrees").check()
            page.get_by_role("button", name="Record now").click()
            expect(page.get_by_role("button", name="Stop")).to_be_visible()
            expect(page.get_by_role("button", name="Record now")).to_be_visible(timeout=40_000)
        expect(page.get_by_role("cell", name="enough to begin")).to_have_count(2)
        film = page.locator("video").first
        film.evaluate("film => film.play()")
        played = "film => new Promise(done => { film.ontimeupdate = () => done(film.currentTime) })"
        assert film.evaluate(played) >= 0
        page.get_by_role("button", name="Learn", exact=True).click()
        expect(page.get_by_role("heading", name="What taught-1 has learned")).to_be_visible(
            timeout=600_000
        )
        expect(page.get_by_text("of the clips, each judged by what other sessions")).to_be_visible()
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="taught-1"))
        row.get_by_role("button", name="Use").click()
        expect(row.get_by_text("in use")).to_be_visible(timeout=40_000)

        def said() -> list[ActivityEvent]:
            return [ActivityEvent.decode(each) for each in listener.on("har/n1/cam1/event")]

        listener.wait_for(
            lambda _: any(each.activity == "reading" for each in said()), timeout_s=12 * TURN_S
        )
        page.get_by_role("button", name="Go back to it").click()
        home = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="home"))
        expect(home.get_by_text("in use")).to_be_visible(timeout=40_000)
        assert [each.seq for each in said()] == list(range(1, len(said()) + 1)), "none is lost"
        page.context.close()
