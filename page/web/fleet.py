"""The page of a fleet: its machines with their lots, its homes by state, and a search."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from fleet.cluster.overview import (
    HOME_STATES,
    LOT_STATES,
    N_HOMES,
    N_MACHINES,
    FleetReader,
    NothingToldError,
    Overview,
)
from har_stream.core.errors import InputError
from page.web.drawing import Drawing, Reader
from page.web.forms import reader_of
from page.web.sign_in import SignInForm
from page.web.updates import Updates
from page.words.labels import mark

LOOK_S = 5.0
"""So often open pages are brought up to date; all that show the same share one look."""
MAX_SOUGHT = 100
MAX_PAGE = 10_000
MAX_KEPT = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see; pages count from 1."""

    sought: str = ""
    machines: int = 1
    homes: int = 1

    def address(self, **changed: int) -> str:
        """Return the query of this, or of another page of it."""
        pages = {"machines": self.machines, "homes": self.homes} | changed
        return urlencode({"q": self.sought, **pages})


class FleetPage:
    """Shows a fleet as its database tells of it.

    Args:
        reader: Reads the database.
        drawing: Draws pages.
        sign_in: Who may see it.
        monotonic: Seconds that nobody can set.
    """

    def __init__(
        self,
        reader: FleetReader,
        drawing: Drawing,
        sign_in: SignInForm,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._drawing = drawing
        self._sign_in = sign_in
        self._monotonic = monotonic
        self._updates = Updates()
        self._kept: dict[Asked, tuple[float, Overview | InputError]] = {}
        self._reading = threading.Lock()

    def routes(self) -> list[BaseRoute]:
        """Return its routes."""
        return [Route("/fleet", self.show), Route("/fleet/events", self.send_events)]

    async def watch(self) -> None:
        """Wake open pages once in a while, until this is cancelled."""
        self._updates.begin()
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                self._updates.tell("fleet")
        finally:
            await run_in_threadpool(self._reader.close)

    async def show(self, request: Request) -> Response:
        """Show machines, lots and homes, or what was sought of them."""
        asked, reader = _asked(request), self._reader_of(request)
        parts = await run_in_threadpool(self._draw, asked, reader)
        return HTMLResponse(
            self._drawing.page("fleet.html", reader, asked=asked, parts=parts, max=MAX_SOUGHT)
        )

    async def send_events(self, request: Request) -> Response:
        """Keep an open page up to date."""
        asked, reader = _asked(request), self._reader_of(request)
        events = self._updates.stream(
            lambda: self._draw(asked, reader), may_go_on=lambda: self._sign_in.is_open(request)
        )
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    def _draw(self, asked: Asked, reader: Reader) -> dict[str, str]:
        """Return the parts that change, by name; where nothing can be read they show nothing."""
        found = self._look(asked)
        problem = None
        if isinstance(found, NothingToldError):
            problem = mark("No har-fleet run has said anything in this database yet.")
        elif isinstance(found, InputError):
            problem = mark("The fleet's database does not answer; nothing is known of now.")
        values = {
            "asked": asked,
            "problem": problem and reader.words.say(problem),
            "detail": str(found) if problem else "",
            "fleet": None if problem else found,
            "lot_states": LOT_STATES,
            "home_states": HOME_STATES,
            "n_on_page": {"machines": N_MACHINES, "homes": N_HOMES},
        }
        return {
            name: self._drawing.page(f"parts/{name}.html", reader, **values)
            for name in ("fleet", "machines", "homes")
        }

    def _look(self, asked: Asked) -> Overview | InputError:
        """Read the database, unless somebody who asked the same has just done so."""
        with self._reading:
            now_s = self._monotonic()
            kept = self._kept.get(asked)
            if kept is not None and now_s - kept[0] < LOOK_S / 2:
                return kept[1]
            found: Overview | InputError
            try:
                found = self._reader.read(
                    asked.sought, machines_page=asked.machines - 1, homes_page=asked.homes - 1
                )
            except InputError as error:
                found = error
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[asked] = now_s, found
            return found

    def _reader_of(self, request: Request) -> Reader:
        return reader_of(request, can_sign_out=self._sign_in.is_needed)


def _asked(request: Request) -> Asked:
    given = request.query_params
    try:
        pages = [int(given.get(name) or 1) for name in ("machines", "homes")]
    except ValueError as error:
        raise HTTPException(400, mark("There is no such page.")) from error
    if not all(1 <= page <= MAX_PAGE for page in pages):
        raise HTTPException(400, mark("There is no such page."))
    sought = given.get("q", "").strip().replace("\0", "")[:MAX_SOUGHT]
    return Asked(sought, *pages)
