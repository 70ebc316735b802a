"""Says a thing once: a lost camera or broker, a malformed message, never one line per frame."""

import logging
from collections.abc import Collection, Hashable

logger = logging.getLogger(__name__)


class LogOnce:
    """Remembers which kinds of news have been said."""

    def __init__(self) -> None:
        self._said: set[Hashable] = set()

    def is_news(self, kind: Hashable) -> bool:
        """Tell whether nothing of this kind has been said yet; from now on it has."""
        is_news = kind not in self._said
        self._said.add(kind)
        return is_news

    def warn(self, kind: Hashable, text: str) -> None:
        """Log a warning, the first time."""
        if self.is_news(kind):
            logger.warning("%s", text)

    def forget(self, kinds: Collection[Hashable]) -> None:
        """Let things of these kinds be news again."""
        self._said.difference_update(kinds)
