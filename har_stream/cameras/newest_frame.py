"""One place for live frames between two threads: the newest wins.

It stands twice on a frame's way: between a driver, whose calls may hang, and the reader that
watches it; and between that reader and the pipeline.
"""

from collections import deque
from typing import TypeVar

from har_stream.cameras.capture import SourceCounts
from har_stream.core.frame import Frame, supersede

Other = TypeVar("Other")


class NewestFrame(deque[tuple[Frame | Other, float]]):
    """A queue in which a frame that nobody took makes room for a newer one; all else is kept.

    The newer frame answers for the older one's ticks. Each item goes with the time at which it
    arrived, by `time.monotonic`. The queue's owner guards it with a lock.

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
