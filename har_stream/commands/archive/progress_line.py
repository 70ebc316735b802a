"""How far an archive is, and how long the rest will take, on standard error."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

SAY_EVERY_S = 30.0
"""Where nobody watches a terminal, a line now and then goes to the log."""


class ProgressLine:
    """A bar on a terminal, otherwise a line every half minute; a context manager.

    Args:
        n_clips: How many there are.
        n_bytes: Their size, by which the rest of the time is reckoned.
        console: Where it is written.
        clock: Steady seconds.
    """

    def __init__(
        self,
        n_clips: int,
        n_bytes: int,
        *,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._n_clips, self._n_bytes = n_clips, n_bytes
        self._n_done = self._bytes_done = 0
        self._clock = clock
        self._began_s = self._said_s = clock()
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("recordings"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=n_clips)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        """Say something about a recording."""
        self._console.print(line, markup=False)

    def advance(self, n_bytes: int) -> None:
        """Count a recording of so many bytes."""
        self._n_done += 1
        self._bytes_done += n_bytes
        now_s = self._clock()
        share = self._bytes_done / max(self._n_bytes, 1)
        rest = f"{_duration((now_s - self._began_s) * (1 - share) / share)} left" if share else ""
        self._bar.update(self._task, advance=1, description=rest)
        if not self._console.is_terminal and now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            self.say(f"{self._n_done} of {self._n_clips} recordings ({share:.0%}), {rest}")


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
