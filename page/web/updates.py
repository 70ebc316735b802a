"""What has changed goes to every open page at once.

As server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from zlib import crc32

from page.now.home_link import News

PAUSE_S = 0.1
"""Between two messages to one page: what comes meanwhile goes together."""
PING_S = 15.0
"""A silent connection says that it lives; a proxy would close it otherwise."""


class Updates:
    """Wakes every open page when something has changed; made for one event loop.

    Attributes:
        numbers: How often each kind of news has come.
    """

    def __init__(self) -> None:
        self.numbers: dict[News, int] = {"home": 0, "journal": 0, "fleet": 0}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Event] = set()

    def begin(self) -> None:
        """Take the running event loop."""
        self._loop = asyncio.get_running_loop()

    def tell(self, news: News) -> None:
        """Say that something has changed; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, news)

    def _wake(self, news: News) -> None:
        self.numbers[news] += 1
        for each in self._waiting:
            each.set()

    async def stream(
        self, render: Callable[[], Mapping[str, str]], *, may_go_on: Callable[[], bool]
    ) -> AsyncIterator[str]:
        """Yield events until the reader leaves.

        Args:
            render: Draws the parts of the page, by their names.
            may_go_on: Whether the reader may still see them.
        """
        news = asyncio.Event()
        news.set()
        self._waiting.add(news)
        sent: Mapping[str, str] = {}
        try:
            while may_go_on():
                try:
                    await asyncio.wait_for(news.wait(), PING_S)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                news.clear()
                parts = await asyncio.to_thread(render)
                changed = {
                    name: {"html": html, "version": version_of(html)}
                    for name, html in parts.items()
                    if sent.get(name) != html
                }
                if changed:
                    yield f"data: {json.dumps(changed)}\n\n"
                sent = parts
                await asyncio.sleep(PAUSE_S)
        finally:
            self._waiting.discard(news)


def version_of(html: str) -> str:
    """Name what a part of the page shows, so that an open page knows whether it has it."""
    return f"{crc32(html.encode()):08x}"
