"""Of a live stream, too, only what is needed is decoded: by a real RTSP server."""

from collections.abc import Iterator
from itertools import islice, pairwise
from threading import Event

import pytest
from support.video.video_source import (
    RtspServer,
    clock_s,
    ffmpeg,
    skip_without_rtsp,
    write_clock_clip,
)

from har_stream.cameras.capture import SourceCounts, StreamCapture
from har_stream.cameras.converter import AS_CAPTURED
from har_stream.cameras.live_source import LiveSource
from har_stream.cameras.read_options import ReadOptions
from har_stream.config.camera_settings import CameraSettings, Decode
from har_stream.core.frame import Frame

FPS, N_FRAMES, SAMPLE_HZ = 25, 5, 5.0
ENCODED = (
    "-c:v",
    "libx264",
    "-x264opts",
    "bframes=3:b-adapt=0:b-pyramid=none:scenecut=0:keyint=10",
)
"""Three of four frames are none that others refer to; a key frame every 0.4 s."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    skip_without_rtsp()
    folder = tmp_path_factory.mktemp("live")
    clock = write_clock_clip(folder / "clock.mp4", seconds=8, fps=FPS)
    ffmpeg("-i", clock, *ENCODED, folder / "live.mp4")
    server = RtspServer(folder / "live.mp4")
    server.start()
    yield server.url
    server.kill()


def _watch(url: str, decode: Decode) -> list[Frame]:
    stop = Event()
    camera = CameraSettings(source=url, decode=decode)
    source = LiveSource(camera, ReadOptions(sample_hz=SAMPLE_HZ), stop=stop, counts=SourceCounts())
    items = source.read()
    frames = list(islice((item for item in items if isinstance(item, Frame)), N_FRAMES))
    stop.set()
    items.close()
    return frames


def _check_rate(frames: list[Frame], *, every_s: float) -> None:
    """Frames come so far apart, or a whole multiple of it, and answer for all of that time."""
    assert not any(frame.resets for frame in frames[1:])
    for before, frame in pairwise(frames[2:]):  # by then the stream's clock is set
        step_s = (frame.captured_at - before.captured_at).total_seconds()
        n_steps = round(step_s / every_s)
        assert n_steps >= 1
        assert step_s == pytest.approx(n_steps * every_s, abs=0.05)
        assert frame.n_ticks == round(n_steps * every_s * SAMPLE_HZ)


def test_samples_come_at_their_rate_whatever_is_passed_over(url: str) -> None:
    # The first frame at or after each tick, of frames that are 0.04 s apart.
    _check_rate(_watch(url, "needed"), every_s=1 / SAMPLE_HZ)


def test_frames_that_nobody_needs_or_refers_to_are_passed_over(url: str) -> None:
    """A second of 25 frames, of which a key frame and each fourth after it are referred to."""
    capture = StreamCapture(CameraSettings(source=url), AS_CAPTURED, open_s=10, read_s=5)
    n_decoded = 0
    while (capture.position_s or 0.0) < 1.0:
        n_decoded += capture.grab(lambda _earlier, _later: False)
    capture.close()
    assert 6 < n_decoded < 14


def test_key_frames_of_a_live_stream_answer_for_the_time_between_them(url: str) -> None:
    frames = _watch(url, "keyframes")
    _check_rate(frames, every_s=0.4)
    passed_s = (frames[-1].captured_at - frames[2].captured_at).total_seconds()
    shown_s = clock_s(frames[-1].image) - clock_s(frames[2].image)
    assert shown_s == pytest.approx(passed_s, abs=0.6)
