"""An RTSP camera that is cut again and again: always back, never an old frame, no thread left."""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from video_source import RtspServer, clock_s, ffmpeg, skip_without_rtsp, write_clock_clip

from har_stream.clips import Frame
from har_stream.live import LiveTiming
from har_stream.readers import Readers
from har_stream.recognition import CameraState, CameraStatus
from har_stream.settings import CameraSettings

BACK_WITHIN_S = 12.0
HASTY = LiveTiming(stall_s=1.0, retry_first_s=0.4, retry_cap_s=1.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RtspServer]:
    skip_without_rtsp()
    started = RtspServer(write_clock_clip(tmp_path / "clock.mp4"))
    started.start()
    yield started
    started.kill()


def camera_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "rtsp://" in thread.name]


@dataclass
class Watch:
    """What came from one camera, in order."""

    readers: Readers
    frames: list[Frame] = field(default_factory=list)
    statuses: list[CameraStatus] = field(default_factory=list)

    def take(self) -> None:
        """Keep what comes next."""
        for arrival in self.readers.take(0.1):
            kept = self.frames if isinstance(arrival.item, Frame) else self.statuses
            kept.append(arrival.item)  # type: ignore[arg-type]

    def until(self, state: CameraState, within_s: float) -> float:
        """Take until a new status says so; return how long that took."""
        return self.until_any({state}, within_s)

    def until_any(self, states: set[CameraState], within_s: float) -> float:
        """Take until a new status is one of these; return how long that took."""
        began_s, n_before = time.monotonic(), len(self.statuses)
        while not {status.state for status in self.statuses[n_before:]} & states:
            waited_s = time.monotonic() - began_s
            assert waited_s < within_s, f"no {states} within {within_s} s: {self.statuses[-3:]}"
            self.take()
        return time.monotonic() - began_s

    def until_frames(self, n_frames: int) -> None:
        """Take until there are so many frames."""
        deadline_s = time.monotonic() + 10
        while len(self.frames) < n_frames:
            assert time.monotonic() < deadline_s
            self.take()

    def rest(self, seconds: float) -> None:
        """Take for so long, whatever comes."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.take()


def cut_often(server: RtspServer, timing: LiveTiming, *, n_cuts: int, seed: int) -> None:
    """Cut a camera by killing or by hanging its server; check every promise at every cut."""
    rng = random.Random(seed)
    camera = CameraSettings(source=server.url, name="hall")
    back_s: list[float] = []
    lost_s: list[float] = []
    with Readers([camera], sample_hz=5, timing=timing) as readers:
        watch = Watch(readers)
        watch.until(CameraState.ONLINE, BACK_WITHIN_S)
        for _ in range(n_cuts):
            watch.frames.clear()
            watch.until_frames(3)
            hang = rng.random() < 0.4
            server.freeze() if hang else server.kill()
            lost_s.append(
                watch.until_any({CameraState.STALLED, CameraState.OFFLINE}, timing.stall_s + 4)
            )
            watch.frames.clear()
            watch.rest(rng.uniform(0, timing.retry_cap_s))
            assert watch.frames == []  # nothing old trickles in while the camera is away
            returned_s = time.monotonic()
            server.thaw() if hang else server.start()
            watch.until(CameraState.ONLINE, BACK_WITHIN_S)
            back_s.append(time.monotonic() - returned_s)
            watch.until_frames(1)
            first = watch.frames[0]
            assert first.resets
            assert clock_s(first.image) < time.monotonic() - returned_s + 1  # of this showing
        counts = readers.counts["hall"]
    assert max(back_s) < BACK_WITHIN_S
    assert counts.n_reconnects == n_cuts
    tally = Counter(status.state for status in watch.statuses)
    assert tally[CameraState.ONLINE] == n_cuts + 1
    assert all(a.state != b.state for a, b in zip(watch.statuses, watch.statuses[1:], strict=False))
    assert camera_threads() == []
    print(
        f"\n{n_cuts} cuts: noticed after {max(lost_s):.1f} s at most, "
        f"back {sum(back_s) / n_cuts:.1f} s after its return, {max(back_s):.1f} s at most; "
        f"{dict(tally)}, no thread left"
    )


def test_a_camera_that_is_not_there_yet_is_said_once_and_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    skip_without_rtsp()
    server = RtspServer(write_clock_clip(tmp_path / "clock.mp4"))
    with Readers(
        [CameraSettings(source=server.url, name="hall")], sample_hz=5, timing=HASTY
    ) as readers:
        watch = Watch(readers)
        watch.rest(2.0)
        assert [status.state for status in watch.statuses] == [CameraState.OFFLINE]
        assert len(caplog.records) == 1
        server.start()
        try:
            watch.until(CameraState.ONLINE, BACK_WITHIN_S)
        finally:
            server.kill()


def test_a_camera_that_is_cut_five_times_comes_back_each_time(server: RtspServer) -> None:
    cut_often(server, HASTY, n_cuts=5, seed=1)


@pytest.mark.slow
def test_a_camera_that_is_cut_two_hundred_times_comes_back_each_time(server: RtspServer) -> None:
    cut_often(server, LiveTiming(), n_cuts=200, seed=2)


def test_frames_are_as_old_as_their_times_say(server: RtspServer) -> None:
    """What queues up while the stream is opened is left out: from the first frame on it is live."""
    opened_s = time.monotonic()
    with Readers([CameraSettings(source=server.url, name="hall")], sample_hz=5) as readers:
        watch = Watch(readers)
        watch.until_frames(10)
    first, last = watch.frames[0], watch.frames[-1]
    shown_s = clock_s(last.image) - clock_s(first.image)
    assert shown_s == pytest.approx((last.captured_at - first.captured_at).total_seconds(), abs=0.7)
    assert clock_s(last.image) == pytest.approx(time.monotonic() - opened_s, abs=1.0)


def test_a_real_clip_comes_through_and_its_end_is_an_offline_camera(
    shared: Path, tmp_path: Path
) -> None:
    skip_without_rtsp()
    clip = next((shared / "data/ucf/TaiChi").glob("*.mp4"))
    ffmpeg("-i", clip, "-t", "3", "-c", "copy", tmp_path / "clip.mp4")
    server = RtspServer(tmp_path / "clip.mp4")
    server.start()
    try:
        with Readers(
            [CameraSettings(source=server.url, name="hall")], sample_hz=5, timing=HASTY
        ) as readers:
            watch = Watch(readers)
            watch.until_frames(5)
            assert {frame.image.shape for frame in watch.frames} == {(144, 192, 3)}
            watch.until_any({CameraState.STALLED, CameraState.OFFLINE}, 15)
    finally:
        server.kill()


def test_no_line_shows_the_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    skip_without_rtsp()
    caplog.set_level(logging.DEBUG)
    server = RtspServer(write_clock_clip(tmp_path / "clock.mp4"), login="viewer:s3cr3t/x@y")
    server.start()
    secret_url = server.url.replace("//", "//viewer:s3cr3t%2Fx%40y@")
    try:
        with Readers(
            [CameraSettings(source=secret_url, name="hall")], sample_hz=5, timing=HASTY
        ) as readers:
            watch = Watch(readers)
            watch.until(CameraState.ONLINE, BACK_WITHIN_S)
            server.kill()
            watch.until_any({CameraState.STALLED, CameraState.OFFLINE}, 5)
            names = "".join(thread.name for thread in threading.enumerate())
    finally:
        server.kill()
    assert "127.0.0.1" in caplog.text
    assert "s3cr3t" not in caplog.text + names + "".join(s.reason for s in watch.statuses)
