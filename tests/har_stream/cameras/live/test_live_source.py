"""Live sources: what is late, frozen or hung is noticed, said once, and tried again."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broker.real_broker import free_port
from support.video.video_source import MjpegServer, grey

from har_stream.cameras import sampling
from har_stream.cameras.camera import read_camera
from har_stream.cameras.capture import SourceCounts, fingerprint
from har_stream.cameras.live_source import N_HUNG_ALLOWED, FreezeWatch
from har_stream.cameras.read_options import LiveTiming, ReadOptions
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, Image, supersede

START = datetime(2026, 3, 1, tzinfo=UTC)
HASTY = LiveTiming(stall_s=0.5, frozen_s=1.0, open_s=2.0, retry_first_s=0.2, retry_cap_s=0.4)


def frame(at_s: float, n_ticks: int = 1, *, resets: bool = False) -> Frame:
    return Frame(grey(0), START + timedelta(seconds=at_s), n_ticks, resets)


@contextmanager
def reading(
    source: str, timing: LiveTiming = HASTY, *, sample_hz: float = 5, seconds: float = 20.0
) -> Iterator[Iterator[Frame | CameraStatus]]:
    """Read a camera; stopped in the end, and after so many seconds at the latest."""
    stop = threading.Event()
    alarm = threading.Timer(seconds, stop.set)
    alarm.start()
    try:
        camera = CameraSettings.model_construct(source=source)  # any address, file:// as well
        yield read_camera(camera, ReadOptions(sample_hz=sample_hz, timing=timing), stop=stop)
    finally:
        stop.set()
        alarm.cancel()


def states(items: Iterator[Frame | CameraStatus], n: int) -> list[tuple[CameraState, str]]:
    """Read on until there are so many states."""
    found = []
    for item in items:
        if isinstance(item, CameraStatus):
            found.append((item.state, item.reason))
            if len(found) == n:
                break
    return found


def test_an_http_camera_delivers_its_newest_frames_at_the_asked_rate() -> None:
    with MjpegServer(grey) as server, reading(server.url) as items:
        first = next(items)
        assert isinstance(first, CameraStatus)
        assert first.state is CameraState.ONLINE
        frames = [item for item, _ in zip(items, range(10), strict=False)]
        now = datetime.now(UTC)
    assert all(isinstance(item, Frame) and item.image.shape == (48, 64, 3) for item in frames)
    kept = [item for item in frames if isinstance(item, Frame)]
    assert [item.resets for item in kept] == [True] + [False] * 9
    assert [item.captured_at for item in kept] == sorted(item.captured_at for item in kept)
    assert sum(item.n_ticks for item in kept[1:]) == pytest.approx(
        (kept[-1].captured_at - kept[0].captured_at).total_seconds() * 5, abs=1
    )
    assert timedelta(0) <= now - kept[-1].captured_at < timedelta(seconds=0.5)


def test_a_frozen_image_is_a_stall_until_it_changes() -> None:
    thawed = threading.Event()
    with (
        MjpegServer(lambda n: grey(n if thawed.is_set() else 50)) as server,
        reading(server.url) as items,
    ):
        assert states(items, 2) == [
            (CameraState.ONLINE, "frames arrive"),
            (CameraState.STALLED, "image frozen for 1 s; trying again"),
        ]
        thawed.set()
        again = next(items)
        assert isinstance(again, CameraStatus)  # not one frozen frame in between
        assert again.state is CameraState.ONLINE
        after = next(items)
        assert isinstance(after, Frame)
        assert after.resets


@pytest.mark.slow
def test_a_camera_that_is_too_slow_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "LONGEST_STEP_S", 0.5)
    with MjpegServer(grey, every_s=0.55) as server:
        with reading(server.url, LiveTiming(), sample_hz=2000) as items:
            found = states(items, 2)
            assert [isinstance(next(items), Frame) for _ in range(4)] == [True] * 4
        assert [state for state, _ in found] == [CameraState.ONLINE, CameraState.SLOW]
    assert found[1][1].startswith("a frame only every 0.")
    assert caplog.text.count("slow: a frame only every") == 1


@pytest.mark.slow
def test_a_camera_that_is_even_slower_is_told_what_it_takes() -> None:
    timing = LiveTiming(stall_s=0.5)
    with MjpegServer(grey, every_s=0.8) as server, reading(server.url, timing) as items:
        (found,) = states(items, 1)
    assert found == (
        CameraState.STALLED,
        "no frame for 0.5 s; see that it streams a frame a second or more; trying again",
    )


def test_time_that_nobody_saw_is_no_freeze(caplog: pytest.LogCaptureFixture) -> None:
    gone = threading.Event()

    def draw(_: int) -> Image:
        if gone.is_set():
            raise ConnectionResetError
        return grey(50)

    with MjpegServer(draw) as server, reading(server.url) as items:
        assert states(items, 1)[0][0] is CameraState.ONLINE
        assert isinstance(next(items), Frame)
        gone.set()
        assert states(items, 1)[0][0] is not CameraState.ONLINE
        threading.Timer(HASTY.frozen_s, gone.clear).start()
        while states(items, 1)[0][0] is not CameraState.ONLINE:
            pass
        assert isinstance(next(items), Frame)
    said = [record.getMessage() for record in caplog.records]
    assert not [line for line in said if "frozen" in line]


def test_a_camera_that_says_nothing_is_offline_and_said_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = f"rtsp://me:secret@127.0.0.1:{free_port()}/live"
    with reading(url, seconds=2.0) as items:
        found = states(items, 2)  # it is tried several times meanwhile
    remedy = "see that it streams, and that address and login are right"
    assert found == [(CameraState.OFFLINE, f"cannot be opened; {remedy}; trying again")]
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text


def test_fail_fast_makes_a_missing_camera_an_error() -> None:
    camera = CameraSettings(source=f"rtsp://me:secret@127.0.0.1:{free_port()}/live")
    with pytest.raises(InputError, match=r"rtsp://\*\*\*@127.0.0.1:.*: cannot be opened"):
        next(read_camera(camera, ReadOptions(sample_hz=5, fail_fast=True, timing=HASTY)))


def test_a_device_that_is_not_there_is_offline(caplog: pytest.LogCaptureFixture) -> None:
    remedy = "har-stream --list-cameras shows what is there"
    with reading("97") as items:
        found = states(items, 1)
    assert found == [(CameraState.OFFLINE, f"cannot be opened; {remedy}; trying again")]
    assert "camera 97: offline" in caplog.text


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[str]:
    """A source whose opening hangs in the kernel, where no timeout of the driver reaches."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    yield f"file://{pipe}"
    for thread in threading.enumerate():  # let the abandoned ones go, one after the other
        while thread.name.startswith("camera file://") and thread.is_alive():
            with suppress(OSError):
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            thread.join(0.05)


def test_a_hung_driver_is_abandoned_a_few_times_and_never_waited_for(hanging: str) -> None:
    timing = LiveTiming(open_s=0.2, retry_first_s=0.2, retry_cap_s=0.2)
    with reading(hanging, timing, seconds=2.5) as items:
        remedy = "see that it streams, and that address and login are right"
        reason = f"no answer for 0.2 s; {remedy}; trying again"
        assert states(items, 2) == [(CameraState.OFFLINE, reason)]
        ended_s = time.monotonic()
    hung = [each for each in threading.enumerate() if each.name.startswith("camera file://")]
    assert len(hung) == N_HUNG_ALLOWED
    assert time.monotonic() - ended_s < 0.5


def test_a_hung_driver_does_not_keep_the_process(hanging: str) -> None:
    script = (
        "import sys, time\n"
        "from har_stream.cameras.read_options import ReadOptions\n"
        "from har_stream.cameras.readers import Readers\n"
        "from har_stream.config.settings import CameraSettings\n"
        "camera = CameraSettings.model_construct(source=sys.argv[1])\n"
        "with Readers([camera], ReadOptions(sample_hz=5)) as readers:\n"
        "    assert readers.next_arrivals(0.3) == []\n"
        "    began_s = time.monotonic()\n"
        "print(time.monotonic() - began_s)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, hanging], capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 0, ended.stderr
    assert float(ended.stdout) < 4


def test_a_stop_is_prompt_while_frames_flow_and_leaves_no_thread() -> None:
    with MjpegServer(grey) as server:
        with reading(server.url) as items:
            states(items, 1)
            for item in items:
                assert isinstance(item, Frame)
                break
        began_s = time.monotonic()
        assert [item for item in items if isinstance(item, CameraStatus)] == []
        assert time.monotonic() - began_s < 1.0
        assert not [t for t in threading.enumerate() if t.name.startswith("camera http://")]


def test_a_stream_counts_what_happens_to_it() -> None:
    counts, stop = SourceCounts(), threading.Event()
    with MjpegServer(grey) as server:
        items = read_camera(
            CameraSettings(source=server.url),
            ReadOptions(sample_hz=5, timing=HASTY),
            stop=stop,
            counts=counts,
        )
        states(items, 1)
        next(items)
    for item in items:  # the server is gone
        if isinstance(item, CameraStatus):
            assert item.state in {CameraState.OFFLINE, CameraState.STALLED}
            stop.set()
    assert counts.n_in > 1
    assert counts.n_reconnects == 0


def test_a_freeze_counts_from_the_last_change() -> None:
    watch = FreezeWatch(3.0)
    levels = [1, 1, 2, 2, 2, 2, 2, 3, 3]
    said = [
        watch.is_frozen(fingerprint(grey(level)[..., 0]), START + timedelta(seconds=n))
        for n, level in enumerate(levels)
    ]
    assert said == [False, False, False, False, False, True, True, False, False]


def test_one_changed_pixel_is_no_freeze() -> None:
    watch, rows = FreezeWatch(1.0), np.zeros((480, 640), np.uint8)
    for n in range(5):
        rows = rows.copy()
        rows[n, n] = 1
        assert not watch.is_frozen(fingerprint(rows), START + timedelta(seconds=n))


def test_a_newer_frame_answers_for_the_older_ones_ticks() -> None:
    cases = [
        (frame(0, 2), frame(1, 3), 5, False),
        (frame(0, resets=True), frame(1), 1, True),
        (frame(0, 4), frame(9, resets=True), 1, True),
    ]
    for older, newer, n_ticks, resets in cases:
        made = supersede(older, newer)
        assert made.image is newer.image
        assert (made.captured_at, made.n_ticks, made.resets) == (newer.captured_at, n_ticks, resets)


@given(st.integers(0, 10_000))
def test_waits_grow_from_one_second_to_ten(n_failed: int) -> None:
    wait_s = LiveTiming().retry_s(n_failed)
    assert 1 <= wait_s <= 10
    if n_failed >= 3:
        assert wait_s >= 4
