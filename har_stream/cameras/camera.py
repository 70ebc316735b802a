"""One camera, whatever it is: device, file, folder, network stream or simulated home."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TypeVar

import av

from har_stream.cameras.capture import CaptureError, DeviceCapture, SourceCounts
from har_stream.cameras.converter import AS_CAPTURED, ImageOptions
from har_stream.cameras.decoder import open_video
from har_stream.cameras.live_source import LiveSource
from har_stream.cameras.masks import mask_frame
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.sampling import PaceWatch
from har_stream.cameras.video_file import read_file, read_folder
from har_stream.config.camera_settings import CameraSettings, is_device
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.frame import Frame, Image
from har_stream.core.url import parse_url, to_openable
from har_stream.core.user_path import is_there, user_path

logger = logging.getLogger(__name__)

Item = TypeVar("Item", bound=Frame | CameraStatus)

BLANK_LEVELS, BLANK_AFTER = 8, timedelta(seconds=3)
"""A picture whose grey levels, of 255, differ by no more shows nothing; so many seconds of them are
no accident."""

_NAMES = (
    ".264 .265 .3g2 .3gp .asf .avi .divx .dv .f4v .flv .h264 .h265 .hevc .ivf .m2t .m2ts .m2v .m4v "
    ".mjpeg .mjpg .mkv .mov .mp4 .mpeg .mpg .mts .mxf .nut .ogm .ogv .qt .rm .rmvb .tod .ts .vob "
    ".webm .wmv .wtv .y4m"
)
VIDEO_SUFFIXES = frozenset(_NAMES.split())
"""In lower case; suffixes are compared so."""
FILE_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})
"""Of an http address whose path ends so, the server is asked whether it is a file."""
ASK_S = 5.0
"""Longest wait for the answer; until there is one, an address is a live stream."""


def is_live(source: str) -> bool:
    """Tell whether a source runs on by itself, so that only its newest frame counts.

    An address of http may be either: that is asked once, of its server.
    """
    if is_device(source):
        return True
    url = parse_url(source)
    is_web = url.scheme in ("http", "https")
    if is_web and Path(url.path).suffix.lower() in FILE_SUFFIXES:
        return not _has_end(source)
    return bool(url.scheme)


@cache
def _has_end(url: str) -> bool:
    """Ask a server whether what it has there is of a size known beforehand: a file."""
    try:
        container, _ = open_video(to_openable(url), timeout=(ASK_S, ASK_S))
    except (av.FFmpegError, ValueError):
        return False
    with container:
        return container.size > 0


def read_camera(
    camera: CameraSettings,
    options: ReadOptions,
    *,
    stop: threading.Event | None = None,
    counts: SourceCounts | None = None,
) -> Iterator[Frame | CameraStatus]:
    """Read a camera's sampled frames, its region and masks applied, and its changes of state.

    Args:
        camera: What to read: device index, file, folder, rtsp:// or http:// address or sim:SEED.
        options: How to read it.
        stop: Ends the reading soon after it is set.
        counts: Counted up while reading.

    Yields:
        First the state `online`, then frames and further changes of state. The first frame, and the
        first after any interruption, resets.

    Raises:
        InputError: A file, folder or simulated home cannot be read (at once), or `fail_fast`.
    """
    stop = stop or threading.Event()
    counts = counts or SourceCounts()
    if is_live(camera.source):
        return _watched(LiveSource(camera, options, stop=stop, counts=counts).read(), camera)
    start_at = options.start_at or options.clock()
    frames: Iterator[Frame]
    if camera.source.startswith("sim:"):
        whole = _open_simulated(camera.source, options, start_at, stop=stop, counts=counts)
        frames = (mask_frame(frame, camera) for frame in whole)
    else:
        frames = _open_recorded(camera, options, start_at, counts=counts)
        if options.realtime:
            frames = _at_own_speed(frames, stop)
    online = CameraStatus(camera.id, CameraState.ONLINE, start_at, "opened")
    paced = _watch_pace(_watched(frames, camera), camera)
    return chain([online], _until(stop, paced))


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A local camera.

    Attributes:
        index: Its number, which may change when the machine starts.
        name: What it calls itself.
        size_px: Width and height of its image, if it opens.
        path: A path that is always its own, if it has one.
    """

    index: int
    name: str
    size_px: tuple[int, int] | None
    path: str | None = None


def list_cameras(
    sysfs: Path = Path("/sys/class/video4linux"), links: Path = Path("/dev/v4l/by-id")
) -> list[FoundCamera]:
    """Find the local cameras (Linux).

    Args:
        sysfs: Where the kernel lists its video devices.
        links: Where paths to them lie that stay the same.
    """
    found = []
    paths = {link.resolve().name: str(link) for link in sorted(links.glob("*"))}
    for device in sorted(sysfs.glob("video*"), key=lambda path: int(path.name[5:])):
        index = int(device.name[5:])
        try:
            opened = DeviceCapture(str(index), AS_CAPTURED)
        except CaptureError:
            size_px = None
        else:
            size_px = opened.size_px
            opened.close()
        name = (device / "name").read_text().strip()
        found.append(FoundCamera(index, name, size_px, paths.get(device.name)))
    return found


def _open_recorded(
    camera: CameraSettings, options: ReadOptions, start_at: datetime, *, counts: SourceCounts
) -> Iterator[Frame]:
    source = camera.source
    path = source if parse_url(source).scheme else user_path(source)
    is_folder = isinstance(path, Path) and is_there(path) and path.is_dir()
    read: Callable[..., Iterator[Frame]] = read_folder if is_folder else read_file
    return read(
        path,
        sample_hz=options.sample_hz,
        start_at=start_at,
        images=ImageOptions(options.picture, camera, options.shows),
        decode=camera.decode,
        counts=counts,
        n_threads=options.n_threads,
    )


def _open_simulated(
    source: str,
    options: ReadOptions,
    start_at: datetime,
    *,
    stop: threading.Event,
    counts: SourceCounts,
) -> Iterator[Frame]:
    # Imported here: a real camera should not wait for the renderer.
    from har_stream.simulation.simulated_camera import parse_source, read_frames

    home = parse_source(source, realtime=options.realtime)
    frames = read_frames(home, sample_hz=options.sample_hz, start_at=start_at, stop=stop)
    return _counted(frames, counts)


def _counted(frames: Iterable[Frame], counts: SourceCounts) -> Iterator[Frame]:
    for frame in frames:
        counts.n_in += 1
        yield frame


def _at_own_speed(frames: Iterable[Frame], stop: threading.Event) -> Iterator[Frame]:
    """Hold every frame back until its time since the first has passed."""
    began: tuple[float, datetime] | None = None
    for frame in frames:
        if began is None:
            began = time.monotonic(), frame.captured_at
        due_s = began[0] + (frame.captured_at - began[1]).total_seconds()
        if stop.wait(max(due_s - time.monotonic(), 0)):
            return
        yield frame


def is_blank(image: Image) -> bool:
    """Tell a picture that is black, or of one colour."""
    darkest, brightest = image.min(axis=(0, 1)), image.max(axis=(0, 1))  # of each channel
    return bool((brightest - darkest <= BLANK_LEVELS).all())


def _watch_pace(frames: Iterable[Frame], camera: CameraSettings) -> Iterator[Frame | CameraStatus]:
    """Say once where a recording has too few frames for anything to be recognised."""
    pace = PaceWatch()
    is_slow = False
    for frame in frames:
        pace.add(frame)
        if pace.is_slow and not is_slow:
            is_slow = True
            logger.warning("%s: %s", camera.id, pace.reason)
            yield CameraStatus(camera.id, CameraState.SLOW, frame.captured_at, pace.reason)
        yield frame
    if pace.has_gaps_alone and not is_slow:
        logger.warning("%s: %s", camera.id, pace.reason)


def _watched(items: Iterable[Item], camera: CameraSettings) -> Iterator[Item]:
    """Say once where every picture of a source's first seconds is black, or of one colour."""
    first_at: datetime | None = None
    may_be_blank = True
    for item in items:
        if may_be_blank and isinstance(item, Frame):
            first_at = first_at or item.captured_at
            shows_nothing = is_blank(item.image)
            may_be_blank = shows_nothing and item.captured_at - first_at < BLANK_AFTER
            if shows_nothing and not may_be_blank:
                _warn_blank(camera)
        yield item
    if may_be_blank and first_at is not None and not is_live(camera.source):
        _warn_blank(camera)


def _warn_blank(camera: CameraSettings) -> None:
    logger.warning(
        "%s: every picture so far is black or of one colour; is the lens covered, a mask too "
        "large, or the stream broken?",
        camera.id,
    )


def _until(stop: threading.Event, items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        if stop.is_set():
            return
        yield item
