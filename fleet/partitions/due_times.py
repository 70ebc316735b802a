"""Who is due next of thousands: a heap of instants, of which each name has one that counts.

Also when in its refresh, or in the night, a name's turn comes: spread evenly, and the same in every
process, so that whoever takes over knows who is due first without having been told.
"""

import heapq
import math
from hashlib import blake2b


class DueTimes:
    """When each name is due, in seconds of any clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._due_s: dict[str, float] = {}

    @property
    def next_s(self) -> float:
        """When the first one is due; infinite where there is none."""
        heap = self._heap
        while heap and self._due_s.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)  # it was given another time since
        return heap[0][0] if heap else math.inf

    def set(self, name: str, due_s: float) -> None:
        """Say when a name is due; what was said of it before counts no longer."""
        self._due_s[name] = due_s
        heapq.heappush(self._heap, (due_s, name))

    def hasten(self, name: str, due_s: float) -> None:
        """Have a name due by then, unless it is before."""
        if due_s < self._due_s.get(name, math.inf):
            self.set(name, due_s)

    def pop(self, until_s: float) -> tuple[str, float] | None:
        """Take the first one out, with its time, if it is due by then."""
        due_s = self.next_s
        if due_s > until_s or math.isinf(due_s):
            return None
        _, name = heapq.heappop(self._heap)
        del self._due_s[name]
        return name, due_s


def share_of(name: str) -> float:
    """Return a number in [0, 1) that is a name's for good; those of many names lie evenly."""
    return int.from_bytes(blake2b(name.encode(), digest_size=6).digest(), "big") / 2.0**48


def next_turn_s(name: str, *, every_s: float, after_s: float) -> float:
    """Return the first instant after another at which it is a name's turn.

    Args:
        name: Whose.
        every_s: So often it comes.
        after_s: Since 1970.
    """
    return after_s + (share_of(name) * every_s - after_s) % every_s
