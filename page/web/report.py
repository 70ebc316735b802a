"""The report card: made in the background once in a while, for it takes minutes."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from har_stream.core.errors import InputError
from page.report_card.card import ReportCard

KEPT = timedelta(hours=6)
"""How long a card is shown before the next one is made."""


class Reports:
    """Keeps the newest report card.

    Args:
        make: Makes one as of an instant; takes long.
    """

    def __init__(self, make: Callable[[datetime], ReportCard]) -> None:
        self._make_card = make
        self._making = threading.Lock()
        self._found: tuple[datetime, ReportCard | InputError] | None = None

    def newest(self, now: datetime) -> ReportCard | InputError | None:
        """Return the newest card, or why there is none; ``None``: one is being made."""
        found = self._found
        if found is None or not now - KEPT <= found[0] <= now:
            if self._making.acquire(blocking=False):
                threading.Thread(target=self._make, args=(now,), daemon=True).start()
            return None if found is None else found[1]
        return found[1]

    def _make(self, now: datetime) -> None:
        try:
            self._found = now, self._make_card(now)
        except InputError as error:
            self._found = now, error
        finally:
            self._making.release()
