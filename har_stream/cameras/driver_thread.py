"""One opening of a live source: frames from a driver whose calls may hang, watched from outside."""

import threading
import time
from collections.abc import Callable
from datetime import datetime

import cv2

from har_stream.cameras import capture
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.sampling import Sampler
from har_stream.core.activity import CameraState
from har_stream.core.frame import Frame, supersede
from har_stream.core.redact import redact

MISS_PAUSE_S, N_MISSES_ALLOWED = 0.02, 25
"""A broken packet costs one frame; half a second without any is the end of the stream."""
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


class Opening(threading.Thread):
    """One opening of a source, in a daemon thread that starts at once and may hang without harm.

    Args:
        source: Device index or URL.
        sample_hz: Sampled frames per second.
        open_s: Opening may take this long.
        stall_s: No frame for this long is a stall.
        clock: Says now; a frame is captured when it arrives.
        counts: Counted up while reading.
    """

    def __init__(
        self,
        source: str,
        *,
        sample_hz: float,
        open_s: float,
        stall_s: float,
        clock: Callable[[], datetime],
        counts: SourceCounts,
    ) -> None:
        super().__init__(name=f"camera {redact(source)}", daemon=True)
        self._source = source
        self._sample_hz = sample_hz
        self._open_s = open_s
        self._stall_s = stall_s
        self._clock = clock
        self._counts = counts
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._error: str | None = None
        self._left = threading.Event()
        self._opened_s: float | None = None
        self._grabbed_s = time.monotonic()
        self.start()

    def abandon(self) -> None:
        """Have the thread end after its present driver call, without waiting for it."""
        self._left.set()

    def take(self) -> Frame | None:
        """Wait for the next sampled frame; `None` where none is due yet.

        Raises:
            LostError: The source failed, or is late.
        """
        with self._changed:
            allowed_s = self._open_s if self._opened_s is None else self._stall_s
            left_s = self._grabbed_s + allowed_s - time.monotonic()
            if self._newest is None and self._error is None:
                self._changed.wait(min(max(left_s, 0), 0.25))  # short, for the stop event's sake
            frame, self._newest = self._newest, None
            if frame is not None:
                return frame
            if self._error is not None:
                raise LostError(CameraState.OFFLINE, self._error)
            if time.monotonic() - self._grabbed_s < allowed_s:
                return None
        if self._opened_s is None:
            raise LostError(CameraState.OFFLINE, f"no answer for {self._open_s:g} s")
        raise LostError(CameraState.STALLED, f"no frame for {self._stall_s:g} s")

    def run(self) -> None:
        """Open, read until abandoned or broken, release."""
        opened = _open(self._source, open_s=self._open_s, stall_s=self._stall_s)
        if opened is None:
            self._fail("cannot be opened")
            return
        try:
            self._read(opened)
            self._fail("the stream ended")
        except (cv2.error, RuntimeError) as error:
            self._fail(f"the driver failed: {error}")
        finally:
            opened.release()

    def _fail(self, reason: str) -> None:
        with self._changed:
            self._error = reason
            self._changed.notify()

    def _read(self, opened: cv2.VideoCapture) -> None:
        sampler = Sampler(self._sample_hz)
        interval_s = 1 / capture.fps(opened)
        began_s, self._grabbed_s = self._grabbed_s, time.monotonic()
        n_backlog = (self._grabbed_s - began_s + 1) / interval_s
        self._opened_s = self._grabbed_s
        n_misses = 0
        while not self._left.is_set() and n_misses <= N_MISSES_ALLOWED:
            asked_s = time.monotonic()
            if not opened.grab():
                n_misses += 1
                self._left.wait(MISS_PAUSE_S)
                continue
            n_misses = 0
            self._grabbed_s = time.monotonic()
            self._counts.n_in += 1
            waited_s = self._grabbed_s - asked_s
            n_backlog = n_backlog - 1 if waited_s < LIVE_WAIT_FRAMES * interval_s else 0
            if n_backlog > 0:
                continue
            captured_at = self._clock()
            take = sampler.take(captured_at)
            if take.n_ticks:
                image = capture.convert(opened)
                self._offer(Frame(image, captured_at, take.n_ticks, take.resets))

    def _offer(self, frame: Frame) -> None:
        with self._changed:
            if self._newest is not None:
                self._counts.n_dropped += 1
                frame = supersede(self._newest, frame)
            self._newest = frame
            self._changed.notify()


def _open(source: str, *, open_s: float, stall_s: float) -> cv2.VideoCapture | None:
    """Open a device or a URL, every wait in the driver bounded; `None` where that fails."""
    if source.isdigit():
        return capture.open_device(int(source))
    return capture.open_url(
        source,
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(open_s * 1000)),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(stall_s * 1000)),
    )
