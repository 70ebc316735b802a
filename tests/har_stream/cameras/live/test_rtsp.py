"""An RTSP camera that is cut again and again: always back, never an old frame, no thread left."""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from support.broker.real_broker import Listener, Mosquitto, listening
from support.processes.node import Node
from support.video.brightness import Brightness
from support.video.video_source import (
    RtspServer,
    clock_s,
    ffmpeg,
    skip_without_rtsp,
    write_clock_clip,
)

from har_stream.cameras.read_options import LiveTiming, ReadOptions
from har_stream.cameras.readers import Readers
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus, News
from har_stream.core.frame import Frame
from har_stream.mqtt.messages import ActivityEvent
from har_stream.pipeline import Pipeline

BACK_WITHIN_S = 12.0
HASTY = LiveTiming(stall_s=1.0, retry_first_s=0.4, retry_cap_s=1.0)
LOST = {CameraState.STALLED, CameraState.OFFLINE}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RtspServer]:
    skip_without_rtsp()
    started = RtspServer(write_clock_clip(tmp_path / "clock.mp4"))
    started.start()
    yield started
    started.kill()


def camera_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "rtsp://" in thread.name]


class Watch:
    """What the pipeline says of one camera, as it comes, beside the frames that it looks at."""

    def __init__(self, readers: Readers, camera: CameraSettings) -> None:
        self.frames: list[Frame] = []
        self.statuses: list[CameraStatus] = []
        self.tell: Callable[[News], None] = lambda _: None
        self._readers = readers
        self._changed = threading.Condition()
        self._pipeline = Pipeline(Brightness(), [camera], on_frame=self._see)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End, as at the end of a process."""
        self._pipeline.stop()
        self._thread.join()

    def until(self, states: set[CameraState], within_s: float, *, since: int = 0) -> float:
        """Wait until a status after the first so many is one of these; return how long it took."""
        return self._wait(
            lambda: {status.state for status in self.statuses[since:]} & states, within_s
        )

    def until_frames(self, n_frames: int) -> None:
        """Wait until there are so many frames."""
        self._wait(lambda: len(self.frames) >= n_frames, 10)

    def rest(self, seconds: float) -> None:
        """Let so much time pass, whatever comes."""
        with self._changed:
            self._changed.wait_for(lambda: False, seconds)

    def _wait(self, holds: Callable[[], object], within_s: float) -> float:
        began_s = time.monotonic()
        with self._changed:
            assert self._changed.wait_for(holds, within_s), self.statuses[-3:]
        return time.monotonic() - began_s

    def _see(self, _: str, frame: Frame) -> None:
        with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def _run(self) -> None:
        for news in self._pipeline.run(self._readers):
            self.tell(news)
            if isinstance(news, CameraStatus):
                with self._changed:
                    self.statuses.append(news)
                    self._changed.notify_all()


@contextmanager
def watching(source: str, timing: LiveTiming = HASTY) -> Iterator[Watch]:
    """A camera and its pipeline for the length of a block."""
    camera = CameraSettings(source=source, name="hall")
    with Readers([camera], ReadOptions(sample_hz=5, timing=timing)) as readers:
        watch = Watch(readers, camera)
        watch.start()
        try:
            yield watch
        finally:
            watch.stop()


@contextmanager
def publishing(broker: Mosquitto, folder: Path) -> Iterator[Callable[[News], None]]:
    """A node's publisher on a real broker; yields what hands it the news."""
    node = Node(broker.url, folder, cameras=("hall",), clock=time.monotonic)
    node.publisher.start()

    yield node.publisher.publish
    node.close()


def cut_often(
    server: RtspServer, broker: Mosquitto, timing: LiveTiming, *, n_cuts: int, folder: Path
) -> None:
    """Cut a camera by killing or by hanging its server; check every promise at every cut."""
    rng = random.Random(n_cuts)
    back_s: list[float] = []
    lost_s: list[float] = []
    with (
        listening(broker.port, "har/n1/hall/#") as listener,
        publishing(broker, folder) as tell,
        watching(server.url, timing) as watch,
    ):
        watch.tell = tell
        watch.until_frames(1)
        shown: list[tuple[Frame, Frame]] = []
        for _ in range(n_cuts):
            watch.until_frames(rng.randrange(3, 14))  # some activities begin, others do not
            hang = rng.random() < 0.4
            n_statuses = len(watch.statuses)
            server.freeze() if hang else server.kill()
            lost_s.append(watch.until(LOST, timing.stall_s + 4, since=n_statuses))
            shown.append((watch.frames[0], watch.frames[-1]))
            watch.frames.clear()
            watch.rest(rng.uniform(0, timing.retry_cap_s))
            assert watch.frames == []  # nothing old trickles in while the camera is away
            returned_s, n_statuses = time.monotonic(), len(watch.statuses)
            server.thaw() if hang else server.start()
            back_s.append(watch.until({CameraState.ONLINE}, BACK_WITHIN_S, since=n_statuses))
            watch.until_frames(1)
            first = watch.frames[0]
            assert first.resets
            assert clock_s(first.image) < time.monotonic() - returned_s + 1  # of this showing
    shown.append((watch.frames[0], watch.frames[-1]))
    tally = Counter(status.state for status in watch.statuses)
    assert tally[CameraState.ONLINE] == n_cuts + 1
    assert all(a.state != b.state for a, b in zip(watch.statuses, watch.statuses[1:], strict=False))
    assert camera_threads() == []
    n_events = check_published(listener, shown)
    print(
        f"\n{n_cuts} cuts: noticed after {max(lost_s):.1f} s at most, "
        f"back {sum(back_s) / n_cuts:.1f} s after its return, {max(back_s):.1f} s at most; "
        f"{dict(tally)}, availability published each time, {n_events} events, none of a time "
        "without frames, no thread left"
    )


def check_published(listener: Listener, shown: list[tuple[Frame, Frame]]) -> int:
    """Every loss and every return was said, and no event tells of a time without frames."""
    said = [payload.decode() for payload in listener.on("har/n1/hall/availability")]
    changes = [text for n, text in enumerate(said) if n == 0 or text != said[n - 1]]
    assert changes == ["offline", "online"] * len(shown) + ["offline"]
    events = [ActivityEvent.decode(payload) for payload in listener.on("har/n1/hall/event")]
    rounding = timedelta(milliseconds=1)
    for event in events:
        at = event.ended_at or event.started_at
        assert any(
            first.captured_at - rounding <= at <= last.captured_at + rounding
            for first, last in shown
        ), event
    return len(events)


def test_a_camera_that_is_not_there_yet_is_said_once_and_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    skip_without_rtsp()
    server = RtspServer(write_clock_clip(tmp_path / "clock.mp4"))
    with watching(server.url) as watch:
        watch.rest(2.0)
        assert [status.state for status in watch.statuses] == [CameraState.OFFLINE]
        assert len(caplog.records) == 1
        server.start()
        try:
            watch.until({CameraState.ONLINE}, BACK_WITHIN_S)
        finally:
            server.kill()


def test_a_camera_that_is_cut_three_times_comes_back_each_time(
    server: RtspServer, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    cut_often(server, mosquitto, HASTY, n_cuts=3, folder=tmp_path)


@pytest.mark.slow
def test_a_camera_that_is_cut_two_hundred_times_comes_back_each_time(
    server: RtspServer, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    cut_often(server, mosquitto, LiveTiming(), n_cuts=200, folder=tmp_path)


def test_frames_are_as_old_as_their_times_say(server: RtspServer) -> None:
    """What queues up while the stream is opened is left out: from the first frame on it is live."""
    opened_s = time.monotonic()
    with watching(server.url) as watch:
        watch.until_frames(10)
        first, last = watch.frames[0], watch.frames[-1]
        shown_s = clock_s(last.image) - clock_s(first.image)
        captured_s = (last.captured_at - first.captured_at).total_seconds()
        assert shown_s == pytest.approx(captured_s, abs=0.7)
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
        with watching(server.url) as watch:
            watch.until_frames(5)
            assert {frame.image.shape for frame in watch.frames} == {(144, 192, 3)}
            watch.until(LOST, 15)
    finally:
        server.kill()


def test_no_line_shows_the_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    skip_without_rtsp()
    caplog.set_level(logging.DEBUG)
    server = RtspServer(write_clock_clip(tmp_path / "clock.mp4"), login="viewer:s3cr3t/x@y")
    server.start()
    secret_url = server.url.replace("//", "//viewer:s3cr3t%2Fx%40y@")
    try:
        with watching(secret_url) as watch:
            watch.until({CameraState.ONLINE}, BACK_WITHIN_S)
            server.kill()
            watch.until(LOST, 5)
            names = "".join(thread.name for thread in threading.enumerate())
    finally:
        server.kill()
    assert "127.0.0.1" in caplog.text
    assert "s3cr3t" not in caplog.text + names + "".join(s.reason for s in watch.statuses)
