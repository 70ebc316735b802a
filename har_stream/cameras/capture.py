"""What a live camera is read with: PyAV for network streams, OpenCV for devices. Both may hang."""

import ctypes
import logging
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import av
import cv2
import numpy as np
from av import Packet, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from har_stream.cameras.converter import Converter, ImageOptions
from har_stream.cameras.decoder import (
    ASSUMED_FPS,
    check_decoder,
    fps_of,
    has_times,
    is_of_pictures,
    open_video,
)
from har_stream.cameras.masks import mask_image
from har_stream.cameras.sampling import N_AHEAD
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.frame import Image
from har_stream.core.url import parse_url, to_openable

logger = logging.getLogger(__name__)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # we say it in one line

MAX_ALLOC_BYTES = 1 << 27
"""FFmpeg keeps a part of a stream until its end comes, up to 2 GB; an 8k frame takes 50 MB, and the
index of a file of two days at 30 frames a second as much as this."""
STILL = "it is one still picture; give the address of the camera's stream"
FINGERPRINT_BYTES = 1 << 18
"""So many bytes of an image, rows evenly spread, tell whether it is the one before."""


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


class CaptureError(Exception):
    """A live source cannot be opened, or read on; the message holds no address."""


class Taken(NamedTuple):
    """The frame that was grabbed last, converted.

    Attributes:
        image: As `Frame.image`.
        shown: As `Frame.shown`.
        fingerprint: Differs where any part of the image as it arrived does.
    """

    image: Image
    shown: Image | None
    fingerprint: int


MayNeed = Callable[[float, float], bool]
"""Tells by the positions of two successive frames, in seconds of the stream's own clock, whether
the later one may be needed."""


class Capture(Protocol):
    """A live source that is open.

    Attributes:
        fps: Its stated rate, or the assumed one.
    """

    fps: float

    def grab(self, may_need: MayNeed) -> bool:
        """Wait for the next frame; false where one was broken.

        Args:
            may_need: Asked of a frame before it is decoded: it is passed over where it is not
                needed, and no other frame refers to it.

        Raises:
            CaptureError: No more will come.
        """

    @property
    def position_s(self) -> float | None:
        """When the frame grabbed last was captured, by the source's own clock, if it has one."""

    def take(self) -> Taken:
        """Convert the frame grabbed last, which costs more than grabbing."""

    def close(self) -> None:
        """Let go of the source."""


class StreamCapture:
    """A network stream, by PyAV.

    Args:
        camera: Its source is the address, a login in which is used; and how it is decoded.
        images: What is wanted of its images.
        open_s: Opening may take this long.
        read_s: Waiting for a part of it may take this long.

    Raises:
        CaptureError: It cannot be opened.
    """

    def __init__(
        self, camera: CameraSettings, images: ImageOptions, *, open_s: float, read_s: float
    ) -> None:
        url = camera.source
        options = {"rw_timeout": f"{read_s * 1e6:.0f}"}
        if parse_url(url).scheme in ("rtsp", "rtsps"):
            options = {
                "timeout": f"{read_s * 1e6:.0f}",
                "rtsp_transport": camera.transport,
                "allowed_media_types": "video",  # sound is not even sent
            }
        try:
            self._container, stream = open_video(
                to_openable(url),
                options=options,
                timeout=(open_s, read_s),
                decode_on=camera.decode_on,
            )
        except (av.FFmpegError, ValueError) as error:
            raise CaptureError(_explain(error)) from None
        if is_of_pictures(self._container) and self._container.size > 0:
            self._container.close()
            raise CaptureError(STILL)
        if camera.decode == "keyframes":
            stream.codec_context.skip_frame = "NONKEY"
        self.fps = fps_of(stream)
        self._tick_s = float(stream.time_base or 0)
        self._has_times = has_times(self._container)
        self._passes_over = camera.decode == "needed" and self._has_times
        self._may_need: MayNeed = lambda _earlier, _later: True
        self._newest: deque[int] = deque(maxlen=N_AHEAD)
        self._stream, self._decode_on = stream, camera.decode_on
        self._frames = self._decode()
        self._converter = Converter(images)
        self._frame: VideoFrame | None = None
        self._n_frames = 0

    def grab(self, may_need: MayNeed) -> bool:
        """Wait for the next frame; false where one was broken."""
        self._may_need = may_need
        try:
            self._frame = next(self._frames)
        except StopIteration:
            is_still = self._n_frames == 1 and is_of_pictures(self._container)
            raise CaptureError(STILL if is_still else "the stream ended") from None
        if self._frame is not None and not self._n_frames:
            check_decoder(self._decode_on, self._stream, self._frame)
        self._n_frames += self._frame is not None
        return self._frame is not None

    @property
    def position_s(self) -> float | None:
        """When the frame grabbed last was captured, by the source's own clock, if it has one."""
        frame = self._frame
        if frame is None or frame.pts is None or not self._has_times:
            return None
        return frame.pts * self._tick_s

    def take(self) -> Taken:
        """Convert the frame grabbed last."""
        assert self._frame is not None  # noqa: S101 - after `grab`
        frame = self._frame
        luma = frame.planes[0]
        rows = np.frombuffer(memoryview(luma), np.uint8).reshape(-1, luma.line_size)
        return Taken(self._converter.image(frame), self._converter.shown(frame), fingerprint(rows))

    def close(self) -> None:
        """Let go of the stream."""
        self._container.close()

    def _decode(self) -> Iterator[VideoFrame | None]:
        """Yield frame after frame, and none for each part that is broken."""
        stream = self._stream
        while True:
            try:
                for packet in self._container.demux(stream):
                    if self._passes_over:
                        is_needed = self._is_needed(packet)
                        stream.codec_context.skip_frame = "DEFAULT" if is_needed else "NONREF"
                    try:
                        yield from packet.decode()
                    except av.InvalidDataError:
                        yield None
                return
            except IndexError:  # the end: PyAV marks that of streams, too, which began later
                return
            except av.InvalidDataError:
                yield None
            except av.FFmpegError as error:
                raise CaptureError(f"the stream broke: {error.strerror}") from None

    def _is_needed(self, packet: "Packet[VideoStream]") -> bool:
        """Tell whether a packet's frame may be needed, by the frame before it.

        All frames before one that nobody refers to have come by then: it refers to its neighbours,
        and those that are shown between them come in their order.
        """
        if packet.pts is None:
            return True
        before = max((pts for pts in self._newest if pts < packet.pts), default=None)
        self._newest.append(packet.pts)
        return before is None or self._may_need(before * self._tick_s, packet.pts * self._tick_s)


def _explain(error: Exception) -> str:
    """Say why an address cannot be opened; FFmpeg's own text names it whole."""
    match error:
        case av.HTTPUnauthorizedError() | av.HTTPForbiddenError():
            return "it refuses this login"
        case av.HTTPNotFoundError():
            return "the server is there, and knows no such path"
        case av.HTTPServerError():
            return "the server is there, and fails"
    return "cannot be opened"


class DeviceCapture:
    """A local camera, by OpenCV.

    Args:
        source: Its index or path; where a path leads to is looked up anew at each opening.
        images: What is wanted of its images; their size stays the device's.

    Raises:
        CaptureError: It cannot be opened.
    """

    def __init__(self, source: str, images: ImageOptions) -> None:
        path = source if source.isdigit() else str(Path(source).resolve())
        index = re.fullmatch(r"(?:/dev/video)?(\d+)", path)
        if index is None:
            raise CaptureError("no camera is there")
        self._device = cv2.VideoCapture(int(index[1]), cv2.CAP_ANY)
        self._device.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the driver's queue holds old frames
        if not self._device.isOpened():
            raise CaptureError("cannot be opened")
        stated = self._device.get(cv2.CAP_PROP_FPS)
        self.fps = stated if 0 < stated <= 1000 else ASSUMED_FPS
        self._camera = images.camera

    position_s = None
    """Devices have no clock."""

    @property
    def size_px(self) -> tuple[int, int]:
        """The image's width and height."""
        width, height = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
        return int(self._device.get(width)), int(self._device.get(height))

    def grab(self, may_need: MayNeed) -> bool:
        """Wait for the next frame; false where one was broken."""
        return self._device.grab()

    def take(self) -> Taken:
        """Convert the frame grabbed last."""
        converted, image = self._device.retrieve()
        if not converted:
            raise CaptureError("a grabbed frame cannot be converted")
        known = fingerprint(image.reshape(len(image), -1))  # type: ignore[arg-type]
        if self._camera is not None:
            image = mask_image(image, self._camera)  # type: ignore[arg-type]
        return Taken(image, None, known)  # type: ignore[arg-type]

    def close(self) -> None:
        """Let go of the device."""
        self._device.release()


def fingerprint(rows: NDArray[np.uint8]) -> int:
    """Return a number that differs where an image does, by rows evenly spread.

    Args:
        rows: Any channel or all, shape (height, n).
    """
    every = max(1, rows.size // FINGERPRINT_BYTES)
    return zlib.crc32(np.ascontiguousarray(rows[::every]).data)


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
