"""A thread of its own for FFmpeg and OpenCV, which may hang: one opening of a live source."""

import threading
import time
from collections import deque
from typing import TypeVar

import av
import cv2

from har_stream.cameras.capture import (
    Capture,
    CaptureError,
    DeviceCapture,
    SourceCounts,
    StreamCapture,
)
from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.sampling import KEYFRAME_GAP_S, Sampler, StreamClock
from har_stream.config.camera_settings import CameraSettings, is_device
from har_stream.core.activity import CameraState
from har_stream.core.frame import Frame, supersede
from har_stream.core.redact import redact

Other = TypeVar("Other")

MISS_PAUSE_S, N_MISSES_ALLOWED = 0.02, 25
"""A broken packet costs one frame; half a second without any is the end of the stream."""
N_TELLING = 3
"""A source that brought fewer frames since it was opened may be slow, and not late."""
READ_LATER_S = 1.0
"""A read ends by itself so long after its source counts as late."""
LIVE_WAIT_FRAMES = 0.25
"""Right after opening, a frame that took less than this part of its interval to arrive is old: it
was queued while the driver looked at the stream, for seconds."""


class LostError(Exception):
    """The source is not there, or is late.

    Attributes:
        state: The state that it is in thereby.
    """

    def __init__(self, state: CameraState, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class NewestFrame(deque[tuple[Frame | Other, float]]):
    """A queue in which a frame that nobody took makes room for a newer one; all else is kept.

    It stands twice on a frame's way: between a driver, whose calls may hang, and the reader that
    watches it; and between that reader and the pipeline. The newer frame answers for the older
    one's ticks. Each item goes with the time at which it arrived, by `time.monotonic`. The queue's
    owner guards it with a lock.

    Args:
        counts: Dropped frames are counted here.
    """

    def __init__(self, counts: SourceCounts) -> None:
        super().__init__()
        self._counts = counts

    def append(self, arrival: tuple[Frame | Other, float]) -> None:
        """Put an item at the end, or in the place of a frame that waits there."""
        item, arrived_s = arrival
        if isinstance(item, Frame) and self and isinstance(waiting := self[-1][0], Frame):
            self.pop()
            self._counts.n_dropped += 1
            item = supersede(waiting, item)
        super().append((item, arrived_s))


class DriverThread(threading.Thread):
    """One opening of a source, in a daemon thread that starts at once and may hang without harm.

    Args:
        camera: Its source is a device's index or a URL.
        options: How it is read; a frame is captured when it arrives, by their clock.
        counts: Counted up while reading.
    """

    def __init__(
        self, camera: CameraSettings, options: ReadOptions, *, counts: SourceCounts
    ) -> None:
        super().__init__(name=f"camera {redact(camera.source)}", daemon=True)
        self._camera = camera
        self._options = options
        self._open_s, self._stall_s = options.timing.open_s, options.timing.stall_s
        if camera.decode == "keyframes":
            self._stall_s = max(self._stall_s, KEYFRAME_GAP_S)
        self._counts = counts
        self._changed = threading.Condition()
        self._read_so_far = NewestFrame[LostError](counts)
        self._left = threading.Event()
        self._opened_s: float | None = None
        self._grabbed_s = time.monotonic()
        self._n_live = 0
        self.start()

    def abandon(self) -> None:
        """Have the thread end after its present driver call, without waiting for it."""
        self._left.set()

    def next_frame(self) -> Frame | None:
        """Wait for the next sampled frame; `None` where none is due yet.

        Raises:
            LostError: The source failed, or is late.
        """
        with self._changed:
            allowed_s = self._open_s if self._opened_s is None else self._stall_s
            left_s = self._grabbed_s + allowed_s - time.monotonic()
            if not self._read_so_far:
                self._changed.wait(min(max(left_s, 0), 0.25))  # short, for the stop event's sake
            if self._read_so_far:
                item, _ = self._read_so_far.popleft()
                if isinstance(item, LostError):
                    raise item
                return item
            if time.monotonic() - self._grabbed_s < allowed_s:
                return None
        if self._opened_s is None:
            raise LostError(CameraState.OFFLINE, f"no answer for {self._open_s:g} s")
        reason = f"no frame for {self._stall_s:g} s"
        if self._n_live < N_TELLING:
            reason += "; see that it streams a frame a second or more"
        raise LostError(CameraState.STALLED, reason)

    def run(self) -> None:
        """Open, read until abandoned or broken, release."""
        try:
            opened = self._open()
        except CaptureError as error:
            self._fail(str(error))
            return
        try:
            self._read(opened)
        except CaptureError as error:
            self._fail(str(error))
        except av.FFmpegError as error:  # its own text names the address
            self._fail(f"the driver failed: {error.strerror}")
        except (cv2.error, RuntimeError) as error:
            self._fail(f"the driver failed: {error}")
        finally:
            opened.close()

    def _open(self) -> Capture:
        """Open the source, every wait in the driver bounded."""
        options, source = self._options, self._camera.source
        images = ImageOptions(options.picture, self._camera, options.shows)
        if is_device(source):
            return DeviceCapture(source, images)
        read_s = self._stall_s + READ_LATER_S
        return StreamCapture(self._camera, images, open_s=self._open_s, read_s=read_s)

    def _fail(self, reason: str) -> None:
        self._hand_over(LostError(CameraState.OFFLINE, reason))

    def _read(self, opened: Capture) -> None:
        gap_s = KEYFRAME_GAP_S if self._camera.decode == "keyframes" else None
        sampler, clock = Sampler(self._options.sample_hz, gap_s=gap_s), StreamClock()
        interval_s = 1 / opened.fps

        def may_need(earlier_s: float, later_s: float) -> bool:
            earlier_at, later_at = clock.at(earlier_s), clock.at(later_s)
            return earlier_at is None or later_at is None or sampler.may_need(earlier_at, later_at)

        # 1. While the driver opened the stream, frames queued up: so many may be old.
        began_s, self._grabbed_s = self._grabbed_s, time.monotonic()
        n_backlog = (self._grabbed_s - began_s + 1) / interval_s
        self._opened_s = self._grabbed_s
        n_misses = 0
        while not self._left.is_set():
            if n_misses > N_MISSES_ALLOWED:
                raise CaptureError("the stream ended")
            asked_s = time.monotonic()
            # 2. A frame that cannot be grabbed is a broken packet, many in a row are the end.
            if not opened.grab(may_need):
                n_misses += 1
                self._left.wait(MISS_PAUSE_S)
                continue
            n_misses = 0
            self._grabbed_s = time.monotonic()
            self._counts.n_in += 1
            # 3. One that was there at once was queued: old, so not shown; one waited for is live.
            waited_s = self._grabbed_s - asked_s
            n_backlog = n_backlog - 1 if waited_s < LIVE_WAIT_FRAMES * interval_s else 0
            if n_backlog > 0:
                continue
            self._n_live += 1
            # 4. Only what the sampler needs is converted, which costs more than grabbing.
            captured_at = clock.captured_at(self._options.clock(), opened.position_s)
            sample = sampler.sample(captured_at)
            if sample.n_ticks:
                taken = opened.take()
                self._hand_over(
                    Frame(
                        taken.image,
                        captured_at,
                        sample.n_ticks,
                        sample.resets,
                        taken.shown,
                        taken.fingerprint,
                    )
                )

    def _hand_over(self, item: Frame | LostError) -> None:
        with self._changed:
            self._read_so_far.append((item, time.monotonic()))
            self._changed.notify()
