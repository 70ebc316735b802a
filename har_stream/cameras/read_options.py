"""How cameras are read: one value, the same for all cameras of a run."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from har_stream.core.backoff import backoff_s
from har_stream.core.frame import SampleRate, WantedPicture


def now() -> datetime:
    """Wall clock with the local zone: what a live frame is captured at."""
    return datetime.now().astimezone()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What the caller chooses.

    Attributes:
        sample_hz: Sampled frames per second of stream time; it may change while cameras are read.
        picture: How large an image the recogniser wants; likewise.
        shows: Whether frames carry the whole image too, for people to look at.
        start_at: Capture time of the first frame of a source that is not live; none: now.
        realtime: Whether such a source plays at its own speed instead of as fast as it is read.
        fail_fast: Whether a live source that cannot be opened at first is an error; otherwise it is
            said once and tried again for ever.
        timing: When a live source is late and how it is tried again.
        clock: Says now.
        n_threads: Decoding threads of a file.
    """

    sample_hz: SampleRate
    picture: WantedPicture = None
    shows: bool = False
    start_at: datetime | None = None
    realtime: bool = False
    fail_fast: bool = False
    timing: LiveTiming = LiveTiming()
    clock: Callable[[], datetime] = now
    n_threads: int = 1
