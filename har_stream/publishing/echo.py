"""Whether our own events come back to us: all that shows a forbidden topic in MQTT 3.1.1.

With MQTT 5 a broker refuses aloud. With 3.1.1 it has no word for it: it answers as if it had taken
the message, and delivers it to nobody.
"""

from collections import deque

ECHO_S = 10.0
"""What the broker took comes back within milliseconds; what has not after this long never will."""
N_REMEMBERED = 200
"""An echo may come before the broker's answer; so many are remembered until that has come too."""


class Echo:
    """Events that the broker took and that should come back; ``now_s`` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._awaited: dict[str, float] = {}
        self._early: deque[str] = deque(maxlen=N_REMEMBERED)

    def taken(self, event_id: str, now_s: float) -> None:
        """Take in that the broker took an event."""
        if event_id in self._early:
            self._early.remove(event_id)
        else:
            self._awaited[event_id] = now_s

    def heard(self, event_id: str) -> None:
        """Take in that an event came back."""
        if self._awaited.pop(event_id, None) is None:
            self._early.append(event_id)

    def is_missing(self, now_s: float) -> bool:
        """Tell whether an event should have come back by now; then none is waited for any more."""
        is_missing = any(now_s - taken_s > ECHO_S for taken_s in self._awaited.values())
        if is_missing:
            self._awaited.clear()
        return is_missing

    def reconnected(self) -> None:
        """Wait for nothing that an earlier connection may have lost."""
        self._awaited.clear()
        self._early.clear()
