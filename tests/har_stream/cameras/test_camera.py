"""Whatever a camera is, it yields its state, then frames, with its region and masks applied."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.processes.stream_process import write_video
from support.video.file_server import FileServer
from support.video.video_source import MjpegServer, ffmpeg, grey, write_clock_clip

from har_stream.cameras.camera import FoundCamera, is_live, list_cameras, read_camera
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.video_file import read_file
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame

START = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds."""
    return write_clock_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", seconds=2)


@pytest.mark.parametrize(
    ("source", "live"),
    [
        ("0", True),
        ("/dev/video97", True),
        ("/dev/v4l/by-id/usb-C270-video-index0", True),
        ("/dev/film.mp4", False),
        ("²", False),
        ("rtsp://cam/live.mp4", True),
        ("rtsp://cam:554/live", True),
        ("http://cam/video.mjpg?size=2", True),
        ("http://127.0.0.1:9/not-there-yet.mp4", True),
        ("film.mp4", False),
        ("sim:7", False),
    ],
)
def test_what_runs_on_by_itself(source: str, live: bool) -> None:
    assert is_live(source) is live


def test_of_a_web_address_that_ends_like_a_file_the_server_says_what_it_is(clip: Path) -> None:
    with FileServer({"film.mp4": clip.read_bytes()}) as server:
        url = f"{server.url}/film.mp4"
        assert not is_live(url)
        items = read_camera(CameraSettings(source=url), ReadOptions(sample_hz=5, start_at=START))
        assert sum(isinstance(item, Frame) for item in items) == 10
    with MjpegServer(grey) as camera:
        assert is_live(f"{camera.url}/stream.mp4?src=cam1")


@pytest.mark.parametrize("colour", ["000000", "c8c8c8", "4080c0"])
def test_a_source_that_shows_nothing_from_the_start_is_said_once(
    tmp_path: Path, colour: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "blank.mp4"
    drawn = f"color=c=0x{colour}:size=64x48:rate=25:duration=4"
    ffmpeg("-f", "lavfi", "-i", drawn, "-pix_fmt", "yuv420p", path)
    list(read_camera(CameraSettings(source=str(path)), ReadOptions(sample_hz=5, start_at=START)))
    assert caplog.text.count("every picture so far is black or of one colour") == 1


@pytest.mark.parametrize(("n_frames", "n_told"), [(5, 1), (3, 0), (2, 0)])
def test_a_recording_with_too_few_frames_is_said_once(
    tmp_path: Path, n_frames: int, n_told: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / "slow.mp4", n_frames, fps=0.5)
    items = read_camera(CameraSettings(source=str(path)), ReadOptions(sample_hz=5, start_at=START))
    states = [item.state for item in items if isinstance(item, CameraStatus)]
    assert states == [CameraState.ONLINE, *[CameraState.SLOW] * n_told]
    assert caplog.text.count("slow: a frame only every 2.0 s, too few to recognise") == 1


def test_a_source_that_shows_something_is_not_called_blank(
    clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    list(read_camera(CameraSettings(source=str(clip)), ReadOptions(sample_hz=5, start_at=START)))
    assert caplog.text == ""


def test_a_file_is_online_and_then_delivers_what_it_holds(clip: Path) -> None:
    items = list(
        read_camera(CameraSettings(source=str(clip)), ReadOptions(sample_hz=5, start_at=START))
    )
    assert items[0] == CameraStatus("clip", CameraState.ONLINE, START, "opened")
    frames = [item for item in items[1:] if isinstance(item, Frame)]
    times = [frame.captured_at for frame in read_file(clip, sample_hz=5, start_at=START)]
    assert [frame.captured_at for frame in frames] == times
    assert len(frames) == 10


def test_a_file_begins_now_unless_told_otherwise(clip: Path) -> None:
    camera = CameraSettings(source=str(clip))
    assert next(read_camera(camera, ReadOptions(sample_hz=5, clock=lambda: START))).at == START  # type: ignore[union-attr]


def test_region_and_masks_are_applied_before_anybody_sees_a_frame(clip: Path) -> None:
    camera = CameraSettings(
        source=str(clip), region=(0, 0, 0.5, 1), masks=((0, 0, 1, 0.5),), name="hall"
    )
    *_, last = read_camera(camera, ReadOptions(sample_hz=5, start_at=START))
    assert isinstance(last, Frame)
    assert last.image.shape == (48, 32, 3)
    assert not last.image[:24].any()
    assert last.image[24:].all()


def test_in_real_time_a_file_takes_as_long_as_it_lasts(clip: Path) -> None:
    camera, began_s = CameraSettings(source=str(clip)), time.monotonic()
    for item in read_camera(camera, ReadOptions(sample_hz=5, start_at=START, realtime=True)):
        due_s = (item.captured_at - START).total_seconds() if isinstance(item, Frame) else 0
        assert time.monotonic() - began_s >= due_s
    assert time.monotonic() - began_s == pytest.approx(1.8, abs=0.7)


def test_a_stop_ends_a_file_in_real_time_at_once(clip: Path) -> None:
    stop = threading.Event()
    camera = CameraSettings(source=str(clip))
    items = read_camera(
        camera, ReadOptions(sample_hz=0.5, start_at=START, realtime=True), stop=stop
    )
    assert len([next(items), next(items)]) == 2
    threading.Timer(0.1, stop.set).start()
    began_s = time.monotonic()
    assert list(items) == []
    assert time.monotonic() - began_s < 1.0


@pytest.mark.parametrize("source", ["missing.mp4", "sim:x"])
def test_what_cannot_be_read_is_refused_before_anything_starts(source: str) -> None:
    with pytest.raises(InputError, match=source.split("/")[0]):
        read_camera(CameraSettings(source=source, name="x"), ReadOptions(sample_hz=5))


def test_local_cameras_are_listed_by_number(tmp_path: Path) -> None:
    for number, name in ((90, "Back door"), (9, "Integrated\n")):
        (tmp_path / f"video{number}").mkdir()
        (tmp_path / f"video{number}" / "name").write_text(name)
    assert list_cameras(tmp_path) == [
        FoundCamera(9, "Integrated", None),
        FoundCamera(90, "Back door", None),
    ]
    assert list_cameras(tmp_path / "none") == []


def test_a_local_camera_is_listed_by_the_path_that_stays_its_own(tmp_path: Path) -> None:
    sysfs, links = tmp_path / "sysfs", tmp_path / "by-id"
    (sysfs / "video90").mkdir(parents=True)
    (sysfs / "video90" / "name").write_text("C270")
    links.mkdir()
    (links / "usb-C270-index0").symlink_to("../../video90")
    (found,) = list_cameras(sysfs, links)
    assert found.path == str(links / "usb-C270-index0")


def test_frames_of_a_folder_and_of_its_clips_are_the_same(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_clock_clip(tmp_path / name, seconds=1)
    items = list(
        read_camera(CameraSettings(source=str(tmp_path)), ReadOptions(sample_hz=5, start_at=START))
    )
    frames = [item for item in items if isinstance(item, Frame)]
    assert frames[5].resets
    assert frames[5].captured_at == START + timedelta(seconds=1)


def test_a_simulated_home_is_a_camera_too() -> None:
    counts, stop = SourceCounts(), threading.Event()
    camera = CameraSettings(source="sim:7", region=(0, 0, 0.5, 1))
    items = read_camera(camera, ReadOptions(sample_hz=5, start_at=START), stop=stop, counts=counts)
    online, first, second = (next(items) for _ in range(3))
    assert isinstance(online, CameraStatus)
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert (first.captured_at, first.resets, second.resets) == (START, True, False)
    assert first.image.shape[0] > first.image.shape[1]
    assert counts.n_in == 2
    stop.set()
    assert list(items) == []
