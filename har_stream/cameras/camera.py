"""One camera, whatever it is: device, file, folder, network stream or simulated home."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path

from har_stream.cameras import capture
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.live_source import LiveSource
from har_stream.cameras.masks import mask_frame
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.video_file import read_file, read_folder
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.frame import Frame
from har_stream.core.url import parse_url

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})
"""An http address whose path ends so is a file; any other is a live stream."""


def is_live(source: str) -> bool:
    """Tell whether a source runs on by itself, so that only its newest frame counts."""
    if source.isdigit():
        return True
    url = parse_url(source)
    return bool(url.scheme) and Path(url.path).suffix.lower() not in VIDEO_SUFFIXES


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
        return LiveSource(camera, options, stop=stop, counts=counts).read()
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
    return chain([online], _until(stop, frames))


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A local camera: the index to give, what it calls itself, and its image size if it opens."""

    index: int
    name: str
    size_px: tuple[int, int] | None


def list_cameras(sysfs: Path = Path("/sys/class/video4linux")) -> list[FoundCamera]:
    """Find the local cameras (Linux).

    Args:
        sysfs: Where the kernel lists its video devices.
    """
    found = []
    for device in sorted(sysfs.glob("video*"), key=lambda path: int(path.name[5:])):
        index = int(device.name[5:])
        opened = capture.open_device(index)
        size_px = None
        if opened is not None:
            size_px = capture.size_px(opened)
            opened.release()
        found.append(FoundCamera(index, (device / "name").read_text().strip(), size_px))
    return found


def _open_recorded(
    camera: CameraSettings, options: ReadOptions, start_at: datetime, *, counts: SourceCounts
) -> Iterator[Frame]:
    source = camera.source
    path = source if parse_url(source).scheme else Path(source).expanduser()
    read = read_folder if isinstance(path, Path) and path.is_dir() else read_file
    return read(
        path,  # type: ignore[arg-type] # a folder is no address
        sample_hz=options.sample_hz,
        start_at=start_at,
        images=ImageOptions(options.picture, camera, options.shows),
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


def _until(stop: threading.Event, frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        if stop.is_set():
            return
        yield frame
