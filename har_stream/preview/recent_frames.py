"""A camera's newest frames, kept until something happens that they are to show."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import cv2
import numpy as np

from har_stream.core.frame import Frame, Image

MAX_BYTES = 32_000_000
"""Of one camera's, as they are kept: JPEG. 8 s at 30 frames a second take half of it."""
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 95)


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A frame as JPEG.

    Attributes:
        at: When it was captured.
        n_ticks: Sampling instants that it answers.
        encoded: Its image.
    """

    at: datetime
    n_ticks: int
    encoded: Image = field(repr=False)


class RecentFrames:
    """The frames of the last seconds, in `MAX_BYTES` at most.

    Args:
        seconds: How far back they reach.

    Attributes:
        size_px: Width and height of their images.
    """

    def __init__(self, seconds: float) -> None:
        self._reach = timedelta(seconds=seconds)
        self._frames: deque[KeptFrame] = deque()
        self._n_bytes = 0
        self.size_px = (0, 0)

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def begins_at(self) -> datetime:
        """Capture time of the oldest frame."""
        return self._frames[0].at

    @property
    def ends_at(self) -> datetime:
        """Capture time of the newest frame."""
        return self._frames[-1].at

    def add(self, frame: Frame, image: Image) -> bool:
        """Keep a frame; true where it does not follow the older ones, which go then.

        It does not where the clock was set back, or the camera's image has another size.

        Args:
            frame: When it was captured.
            image: What to keep of it, shape (height, width, 3), BGR.
        """
        size_px = (image.shape[1], image.shape[0])
        begins_anew = bool(self._frames) and (
            frame.captured_at < self.ends_at or size_px != self.size_px
        )
        if begins_anew:
            self.clear()
        self.size_px = size_px
        encoded: Image = cv2.imencode(".jpg", image, _QUALITY)[1]
        self._frames.append(KeptFrame(frame.captured_at, frame.n_ticks, encoded))
        self._n_bytes += encoded.nbytes
        oldest = frame.captured_at - self._reach
        while self.begins_at < oldest or self._n_bytes > MAX_BYTES:
            self._n_bytes -= self._frames.popleft().encoded.nbytes
        return begins_anew

    def taken(self) -> Sequence[KeptFrame]:
        """Return the frames, the oldest first; they stay."""
        return tuple(self._frames)

    def clear(self) -> None:
        """Forget them."""
        self._frames.clear()
        self._n_bytes = 0


def images_of(frames: Iterable[KeptFrame]) -> Iterator[tuple[Image, int]]:
    """Yield each frame's image and ticks."""
    for frame in frames:
        yield np.asarray(cv2.imdecode(frame.encoded, cv2.IMREAD_COLOR), np.uint8), frame.n_ticks
