"""Live sources, which stall, freeze and vanish: newest frame only, reopened for ever.

All driver calls happen in a thread of their own, since any of them may hang. It is watched from
outside, and abandoned for a new one as soon as it is late; it ends by itself once the call returns.
"""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime

from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.driver_thread import DriverThread, LostError
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.sampling import PaceWatch
from har_stream.config.camera_settings import CameraSettings, is_device
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.redact import redact

logger = logging.getLogger(__name__)

N_HUNG_ALLOWED = 3
"""Abandoned driver threads that may hang at once; no new one is started before one ends."""
LEAVE_S = 3.5
"""Once stopped, driver threads get this long to end, which covers a read that times out; a hung one
is left behind."""


_LOST = (CameraState.STALLED, CameraState.OFFLINE)


class _FrozenError(LostError):
    pass


class LiveSource:
    """A device or network camera that is kept open for as long as somebody reads it.

    Args:
        camera: Its settings; its region and masks are applied to what is read.
        options: How it is read.
        stop: Ends the reading.
        counts: Counted up while reading.
    """

    def __init__(
        self,
        camera: CameraSettings,
        options: ReadOptions,
        *,
        stop: threading.Event,
        counts: SourceCounts,
    ) -> None:
        self._camera = camera
        self._options = options
        self._stop = stop
        self._counts = counts
        self._abandoned: list[DriverThread] = []

    def read(self) -> Iterator[Frame | CameraStatus]:
        """Yield the newest sampled frames and every change of state, until stopped.

        The first frame after any interruption resets, and none of before it is seen again.

        Raises:
            InputError: The first opening failed, and `fail_fast` asks to be told.
        """
        try:
            yield from self._read()
        finally:
            left_at_s = time.monotonic() + LEAVE_S
            for driver in self._abandoned:
                driver.join(max(left_at_s - time.monotonic(), 0))

    def _read(self) -> Iterator[Frame | CameraStatus]:
        state: CameraState | None = None
        freeze = FreezeWatch(self._options.timing.frozen_s)
        pace = PaceWatch()
        n_failed = 0
        while not self._stop.is_set():
            began_s = time.monotonic()
            worked = False
            try:  # one opening, from its first frame until it is lost
                for frame in self._frames():
                    if freeze.is_frozen(frame.fingerprint, frame.captured_at):
                        reason = f"image frozen for {freeze.frozen_s:g} s"
                        raise _FrozenError(CameraState.STALLED, reason)
                    worked = True
                    pace.add(frame)
                    arrives = CameraState.SLOW if pace.is_slow else CameraState.ONLINE
                    if state is not arrives:
                        self._counts.n_reconnects += state in _LOST
                        state = arrives
                        yield self._change(state, pace.reason if pace.is_slow else "frames arrive")
                    yield frame
            except LostError as lost:
                if state is None and self._options.fail_fast:
                    raise InputError(f"{self._name}: {lost}{self._remedy(lost)}") from lost
                if worked:  # so the waits begin anew
                    n_failed = 0
                if not isinstance(lost, _FrozenError):  # time that nobody saw is no freeze
                    freeze = FreezeWatch(self._options.timing.frozen_s)
                stays_slow = state is CameraState.SLOW and worked  # it comes and goes with frames
                if lost.state is not state and not stays_slow:
                    remedy = self._remedy(lost) if state is None else ""
                    state = lost.state
                    self._counts.n_stalls += state is CameraState.STALLED
                    yield self._change(state, f"{lost}{remedy}; trying again")
            waited_s = time.monotonic() - began_s
            self._stop.wait(max(self._options.timing.retry_s(n_failed) - waited_s, 0))
            n_failed += 1

    @property
    def _name(self) -> str:
        source = self._camera.source
        return f"camera {source}" if is_device(source) else redact(source)

    def _remedy(self, lost: LostError) -> str:
        if "; " in str(lost):  # it says itself what to do
            return ""
        if is_device(self._camera.source):
            return "; har-stream --list-cameras shows what is there"
        return "; see that it streams, and that address and login are right"

    def _change(self, state: CameraState, reason: str) -> CameraStatus:
        level = logging.INFO if state is CameraState.ONLINE else logging.WARNING
        logger.log(level, "%s: %s: %s", self._name, state, reason)
        return CameraStatus(self._camera.id, state, self._options.clock(), reason)

    def _frames(self) -> Iterator[Frame]:
        self._abandoned = [left for left in self._abandoned if left.is_alive()]
        if len(self._abandoned) >= N_HUNG_ALLOWED:
            raise LostError(CameraState.OFFLINE, "the driver hangs")
        driver = DriverThread(self._camera, self._options, counts=self._counts)
        try:
            while not self._stop.is_set():
                frame = driver.next_frame()
                if frame is not None:
                    yield frame
        finally:
            driver.abandon()
            self._abandoned.append(driver)


class FreezeWatch:
    """Notices a camera that repeats one image; real sensors and codecs always change some pixel."""

    def __init__(self, frozen_s: float) -> None:
        self.frozen_s = frozen_s
        self._fingerprint: int | None = None
        self._since: datetime | None = None

    def is_frozen(self, fingerprint: int | None, captured_at: datetime) -> bool:
        """Say whether every image since `frozen_s` ago had this fingerprint."""
        if self._since is None or fingerprint != self._fingerprint:
            self._fingerprint, self._since = fingerprint, captured_at
        return (captured_at - self._since).total_seconds() >= self.frozen_s
