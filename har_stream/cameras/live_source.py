"""Live sources, which stall, freeze and vanish: newest frame only, reopened for ever.

All driver calls happen in a thread of their own, since any of them may hang. It is watched from
outside, and abandoned for a new one as soon as it is late; it ends by itself once the call returns.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.driver_thread import LostError, Opening
from har_stream.core.activity import CameraState
from har_stream.core.backoff import backoff_s
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, Image
from har_stream.core.redact import redact

logger = logging.getLogger(__name__)

N_HUNG_ALLOWED = 3
"""Abandoned driver threads that may hang at once; no new one is started before one ends."""
LEAVE_S = 2.5
"""Once stopped, driver threads get this long to end, which covers a read that times out; a hung one
is left behind."""


@dataclass(frozen=True, slots=True)
class LiveTiming:
    """When a live source counts as late, and how it is tried again.

    Attributes:
        stall_s: No frame for this long is a stall.
        frozen_s: Images without one changed pixel for this long are a frozen camera.
        open_s: Opening may take this long.
        retry_first_s: Longest wait before the first attempt to reopen; it doubles ...
        retry_cap_s: ... up to this. Each wait lies between half of it and all of it.
    """

    stall_s: float = 2.0
    frozen_s: float = 30.0
    open_s: float = 10.0
    retry_first_s: float = 2.0
    retry_cap_s: float = 9.0

    def retry_s(self, n_failed: int) -> float:
        """Wait from one attempt's start to the next one's, after so many failed ones."""
        jitter = random.random()  # noqa: S311 -- it spreads retries; no secret hangs on it
        return backoff_s(
            n_failed, jitter=jitter, first_s=self.retry_first_s, longest_s=self.retry_cap_s
        )


@dataclass(frozen=True, slots=True)
class StateChange:
    """The source's state changed."""

    state: CameraState
    at: datetime
    reason: str


class _FrozenError(LostError):
    pass


@dataclass(slots=True)
class LiveSource:
    """A device or network camera that is kept open for as long as somebody reads it.

    Attributes:
        source: Device index or URL.
        sample_hz: Sampled frames per second.
        clock: Says now; a frame is captured when it arrives.
        stop: Ends the reading.
        counts: Counted up while reading.
        timing: When it is late.
        fail_fast: Whether a first opening that fails is an error.
    """

    source: str
    sample_hz: float
    clock: Callable[[], datetime]
    stop: threading.Event
    counts: SourceCounts
    timing: LiveTiming = LiveTiming()
    fail_fast: bool = False
    _abandoned: list[Opening] = field(default_factory=list)

    def read(self) -> Iterator[Frame | StateChange]:
        """Yield the newest sampled frames and every change of state, until stopped.

        The first frame after any interruption resets, and none of before it is seen again.

        Raises:
            InputError: The first opening failed, and `fail_fast` asks to be told.
        """
        try:
            yield from self._read()
        finally:
            left_at_s = time.monotonic() + LEAVE_S
            for opening in self._abandoned:
                opening.join(max(left_at_s - time.monotonic(), 0))

    def _read(self) -> Iterator[Frame | StateChange]:
        state: CameraState | None = None
        freeze = FreezeWatch(self.timing.frozen_s)
        n_failed = 0
        while not self.stop.is_set():
            began_s = time.monotonic()
            try:
                for frame in self._frames():
                    if freeze.is_frozen(frame.image, frame.captured_at):
                        reason = f"image frozen for {freeze.frozen_s:g} s"
                        raise _FrozenError(CameraState.STALLED, reason)
                    if state is not CameraState.ONLINE:
                        self.counts.n_reconnects += state is not None
                        state = CameraState.ONLINE
                        yield self._change(state, "frames arrive")
                    yield frame
            except LostError as lost:
                if state is None and self.fail_fast:
                    raise InputError(f"{self._name}: {lost}; {self._remedy()}") from lost
                if state is CameraState.ONLINE:
                    n_failed = 0
                if not isinstance(lost, _FrozenError):  # time that nobody saw is no freeze
                    freeze = FreezeWatch(self.timing.frozen_s)
                if lost.state is not state:
                    remedy = f"; {self._remedy()}" if state is None else ""
                    state = lost.state
                    self.counts.n_stalls += state is CameraState.STALLED
                    yield self._change(state, f"{lost}{remedy}; trying again")
            waited_s = time.monotonic() - began_s
            self.stop.wait(max(self.timing.retry_s(n_failed) - waited_s, 0))
            n_failed += 1

    @property
    def _name(self) -> str:
        return f"camera {self.source}" if self.source.isdigit() else redact(self.source)

    def _remedy(self) -> str:
        if self.source.isdigit():
            return "har-stream --list-cameras shows what is there"
        return "see that it streams, and that address and login are right"

    def _change(self, state: CameraState, reason: str) -> StateChange:
        level = logging.INFO if state is CameraState.ONLINE else logging.WARNING
        logger.log(level, "%s: %s: %s", self._name, state, reason)
        return StateChange(state, self.clock(), reason)

    def _frames(self) -> Iterator[Frame]:
        self._abandoned = [left for left in self._abandoned if left.is_alive()]
        if len(self._abandoned) >= N_HUNG_ALLOWED:
            raise LostError(CameraState.OFFLINE, "the driver hangs")
        opening = Opening(
            self.source,
            sample_hz=self.sample_hz,
            open_s=self.timing.open_s,
            stall_s=self.timing.stall_s,
            clock=self.clock,
            counts=self.counts,
        )
        try:
            while not self.stop.is_set():
                frame = opening.take()
                if frame is not None:
                    yield frame
        finally:
            opening.abandon()
            self._abandoned.append(opening)


class FreezeWatch:
    """Notices a camera that repeats one image; real sensors and codecs always change some pixel."""

    def __init__(self, frozen_s: float) -> None:
        self.frozen_s = frozen_s
        self._image: Image | None = None
        self._since: datetime | None = None

    def is_frozen(self, image: Image, captured_at: datetime) -> bool:
        """Say whether every image since `frozen_s` ago was this one."""
        if self._since is None or not np.array_equal(image, self._image):  # type: ignore[arg-type]
            self._image, self._since = image, captured_at
        return (captured_at - self._since).total_seconds() >= self.frozen_s
