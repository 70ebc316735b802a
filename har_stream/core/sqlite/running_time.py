"""How long a store's program has run, over all its runs: the one clock that nobody can set.

A clock on the wall may be wrong by years, and is set right in one jump. So what a store keeps
leaves by age only where this clock says as well that it is old, and never much of it at once.
"""

import time
from collections.abc import Callable, Iterable

MAX_RUNNING_S = 1e10
"""Some 300 years; a stored number beyond comes from a damaged file."""


class RunningTime:
    """Seconds that a store's program has run, this run and all before.

    A store stamps its rows with it, so most of it is kept with every commit; it keeps the rest now
    and then. What a run adds after that is lost at a crash, and rows seem younger than they are.

    Args:
        kept_s: What was kept of earlier runs; the largest sound number counts.
        monotonic: Seconds since some instant; nobody can set them.
    """

    def __init__(
        self, kept_s: Iterable[object], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        sound_s = [
            float(each)
            for each in kept_s
            if isinstance(each, int | float) and 0 <= each <= MAX_RUNNING_S
        ]
        self._monotonic = monotonic
        self._zero_s = monotonic() - max(sound_s, default=0.0)

    def now_s(self) -> float:
        """All the seconds until now."""
        return self._monotonic() - self._zero_s


def most_at_once(n_rows: int) -> int:
    """How many of so many rows may leave by age in one step.

    A tenth: with an hour between steps a person can heed the log and stop a mistake, and what is
    rightly old is gone within two days. At least 100, or a small store would take for ever.
    """
    return max(100, n_rows // 10)
