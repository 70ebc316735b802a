"""OpenCV's video capture, kept quiet: FFmpeg's own log lines repeat per frame and name URLs."""

import ctypes
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; read when a video is opened

import av  # noqa: F401 -- so that its FFmpeg is there to be bounded
import cv2

from har_stream.core.frame import Image
from har_stream.core.url import to_openable

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # we say it in one line

MAX_ALLOC_BYTES = 1 << 27
"""FFmpeg keeps a part of a stream until its end comes, up to 2 GB; an 8k frame takes 50 MB, and the
index of a file of two days at 30 frames a second as much as this."""
MAX_PIXELS = 3840 * 2160
"""Larger images are made smaller at once: several of each camera are kept, 100 MB each at 8k."""
ASSUMED_FPS = 25.0
"""For a source that states neither timestamps nor a believable rate."""


@dataclass(slots=True)
class SourceCounts:
    """What happened at one source since it was opened.

    Attributes:
        n_in: Frames decoded.
        n_dropped: Sampled frames of a live source that a newer one replaced before its use.
        n_reconnects: Times that a lost live source came back.
        n_stalls: Times that a live source stopped or froze.
    """

    n_in: int = 0
    n_dropped: int = 0
    n_reconnects: int = 0
    n_stalls: int = 0


def open_url(
    url: str, parameters: Mapping[int, int] | None = None, *, n_threads: int = 1
) -> cv2.VideoCapture | None:
    """Open a file or a network stream with FFmpeg; `None` where that fails.

    Args:
        url: Path or URL.
        parameters: OpenCV's, for opening.
        n_threads: Decoding threads. More than one hold live frames back, and cost 40 % more CPU
            time at 320x240; they pay for one file that has the machine to itself.
    """
    parameters = {cv2.CAP_PROP_N_THREADS: n_threads, **(parameters or {})}
    flat = [number for item in parameters.items() for number in item]
    opened = cv2.VideoCapture(to_openable(url), cv2.CAP_FFMPEG, flat)
    return opened if opened.isOpened() else None


def open_device(index: int) -> cv2.VideoCapture | None:
    """Open a local camera; `None` where that fails."""
    opened = cv2.VideoCapture(index, cv2.CAP_ANY)
    opened.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the driver's queue holds old frames
    return opened if opened.isOpened() else None


def retrieve_image(opened: cv2.VideoCapture) -> Image:
    """Return the frame that was grabbed last: shape (height, width, 3), uint8, BGR."""
    converted, image = opened.retrieve()
    if not converted:
        raise RuntimeError("a grabbed frame cannot be converted")
    height_px, width_px = image.shape[:2]
    shrinks_by = math.ceil(math.sqrt(height_px * width_px / MAX_PIXELS))
    if shrinks_by > 1:
        smaller_px = (max(1, width_px // shrinks_by), max(1, height_px // shrinks_by))
        image = cv2.resize(image, smaller_px, interpolation=cv2.INTER_AREA)
    return image  # type: ignore[return-value]


def fps(opened: cv2.VideoCapture) -> float:
    """Return the stated frames per second; 25, the driver's own guess, where that is nonsense."""
    stated = opened.get(cv2.CAP_PROP_FPS)
    return stated if math.isfinite(stated) and 0 < stated <= 1000 else ASSUMED_FPS


def size_px(opened: cv2.VideoCapture) -> tuple[int, int]:
    """Return the image's width and height."""
    return int(opened.get(cv2.CAP_PROP_FRAME_WIDTH)), int(opened.get(cv2.CAP_PROP_FRAME_HEIGHT))


def _bound_ffmpeg() -> None:
    """Have FFmpeg refuse to allocate more than `MAX_ALLOC_BYTES` at once.

    Neither OpenCV nor PyAV has an option for it, so the library that each has brought is asked
    itself (Linux).
    """
    maps = Path("/proc/self/maps")
    loaded = re.findall(r"/\S*/libavutil\S*", maps.read_text()) if maps.exists() else []
    for library in set(loaded):
        ctypes.CDLL(library).av_max_alloc(ctypes.c_size_t(MAX_ALLOC_BYTES))


_bound_ffmpeg()
