"""The report card: judged in the background once in a while, for it takes minutes."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from har_stream.core.errors import InputError
from page.report_card.forecasts import JudgedForecasts

KEPT = timedelta(hours=6)
"""How long a judgement is shown before the next one is made."""


class Reports:
    """Keeps the newest judgement of the forecasts.

    Args:
        judge: Judges as of an instant; takes long.
    """

    def __init__(self, judge: Callable[[datetime], JudgedForecasts]) -> None:
        self._judge = judge
        self._judging = threading.Lock()
        self._found: tuple[datetime, JudgedForecasts | InputError] | None = None

    def newest(self, now: datetime) -> JudgedForecasts | InputError | None:
        """Return the newest judgement, or why there is none; ``None``: one is being made."""
        found = self._found
        if found is None or not now - KEPT <= found[0] <= now:
            if self._judging.acquire(blocking=False):
                threading.Thread(target=self._make, args=(now,), daemon=True).start()
            return None if found is None else found[1]
        return found[1]

    def _make(self, now: datetime) -> None:
        try:
            self._found = now, self._judge(now)
        except InputError as error:
            self._found = now, error
        finally:
            self._judging.release()
