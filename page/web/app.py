"""Every route of the page. Changes are asked of those who keep what is changed."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from har_stream.config.settings import Settings
from har_stream.core.errors import InputError
from har_stream.mqtt.messages import MessageError
from har_stream.mqtt.requests import AcknowledgeRequest, CorrectionRequest, UndoRequest
from har_stream.mqtt.signing import sign
from page.guard.gate import Gate, GateRules
from page.now.home_link import Change, HomeLink
from page.web.cameras import CameraPages
from page.web.drawing import Drawing, Reader, SharedParts
from page.web.forms import THEMES, go_to, read_form, read_instant, reader_of
from page.web.report import Reports
from page.web.sign_in import SignInForm
from page.web.teach import TeachPage
from page.web.updates import Updates
from page.words.labels import mark
from predictor.journal.reader import JournalReader, NoJournalError

if TYPE_CHECKING:
    from page.web.fleet import FleetPage  # who shows no fleet imports nothing of it

LOOK_S = 0.5
"""So often the page looks whether the broker is still there."""
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(2199, 12, 30)
"""Between which events lie."""
ZOOMS = (24, 6, 1)
"""Hours that a day's page may show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the routes work with.

    Attributes:
        settings: Of the home.
        link: The broker.
        journal: What is remembered.
        drawing: Draws pages.
        parts: The parts of the first page, as they are now.
        updates: Wakes open pages.
        reports: The newest report card.
        teach: Teaching of activities.
        cameras: The pages of the cameras.
        sign_in: Who may see it.
        key: Signs requests; ``None``: they are unsigned.
        zone: The home's; ``None`` stands for this machine's.
        fleet: The page of a fleet; ``None``: none is shown.
    """

    settings: Settings
    link: HomeLink
    journal: JournalReader
    drawing: Drawing
    parts: SharedParts
    updates: Updates
    reports: Reports
    teach: TeachPage
    cameras: CameraPages
    sign_in: SignInForm
    key: bytes | None
    zone: tzinfo | None
    fleet: "FleetPage | None" = None

    def routes(self) -> list[BaseRoute]:
        """Return every route there is."""
        return [
            Route("/", self.show_home),
            Route("/events", self.send_events),
            Route("/day", self.show_day),
            Route("/correct", self.show_correction),
            Route("/correct", self.correct, methods=["POST"]),
            Route("/undo", self.undo, methods=["POST"]),
            Route("/fall/ack", self.acknowledge_fall, methods=["POST"]),
            Route("/unusual/ack", self.acknowledge_unusual, methods=["POST"]),
            *self.teach.routes(),
            *self.cameras.routes(),
            *(self.fleet.routes() if self.fleet else ()),
            Route("/report", self.show_report),
            Route("/theme", self.choose_theme, methods=["POST"]),
            Route("/sign-in", self.sign_in.show),
            Route("/sign-in", self.sign_in.sign_in, methods=["POST"]),
            Route("/sign-out", self.sign_in.sign_out, methods=["POST"]),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ]

    async def show_home(self, request: Request) -> Response:
        """Show what goes on, what comes next, and the last days."""
        reader = self._reader(request)
        parts = await run_in_threadpool(self.parts.draw, reader)
        return HTMLResponse(await run_in_threadpool(self.drawing.home, reader, parts))

    async def send_events(self, request: Request) -> Response:
        """Keep an open page up to date."""
        reader = self._reader(request)
        events = self.updates.stream(
            lambda: self.parts.draw(reader), may_go_on=lambda: self.sign_in.is_open(request)
        )
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    async def show_day(self, request: Request) -> Response:
        """Show a day, or some hours of it."""
        asked = request.query_params
        try:
            day = date.fromisoformat(asked.get("date") or f"{self.drawing.now():%Y-%m-%d}")
            hour, n_hours = int(asked.get("hour", 0)), int(asked.get("hours", 24))
            if not (FIRST_DAY <= day <= LAST_DAY and 0 <= hour < 24):
                raise ValueError("not a day of ours")
        except ValueError as error:
            raise HTTPException(400, mark("There is no such day.")) from error
        n_hours = n_hours if n_hours in ZOOMS else ZOOMS[0]
        hour = min(hour, 24 - n_hours)
        draw = self.drawing.day
        return HTMLResponse(
            await run_in_threadpool(draw, self._reader(request), day, hour=hour, n_hours=n_hours)
        )

    async def show_correction(self, request: Request) -> Response:
        """Ask what really happened."""
        asked = request.query_params
        camera = asked.get("node", ""), asked.get("camera", "")
        start, end = self._instants(asked.get("start", ""), asked.get("end", ""))
        end = min(end, self.drawing.now())

        def draw() -> str:
            return self.drawing.page(
                "correct.html",
                self._reader(request),
                camera=camera,
                cameras=self.journal.cameras(),
                start=start,
                end=end,
                said=self.drawing.said(camera, start, end),
                activities=self.drawing.known_activities(),
            )

        return HTMLResponse(await run_in_threadpool(draw))

    async def correct(self, request: Request) -> Response:
        """Ask `har-forecast` to keep a correction."""
        form = await read_form(request)
        start, end = (read_instant(form, edge, zone=self.zone) for edge in ("start", "end"))
        node, _, camera = form.get("whose", "").partition("/")
        try:
            asked = CorrectionRequest.from_fields(
                {
                    "id": str(uuid.uuid4()),
                    "node": node,
                    "camera": camera,
                    "activity": form.get("other", "").strip() or form.get("activity", ""),
                    "started_at": start,
                    "ended_at": min(end, self.drawing.now()),
                    "signer": self.settings.node if self.key else None,
                }
            )
        except MessageError as error:
            raise HTTPException(400, mark("Choose what it was.")) from error
        await self._ask("correct", sign(asked, self.key, node=node, camera=camera))
        answer = go_to(request, "/day", date=f"{start.astimezone(self.zone):%Y-%m-%d}")
        answer.background = BackgroundTask(
            self.teach.label_corrected,
            (node, camera),
            asked.activity,
            asked.started_at,
            asked.ended_at,
        )
        return answer

    async def undo(self, request: Request) -> Response:
        """Ask `har-forecast` to take a correction back."""
        form = await read_form(request)
        try:
            asked = UndoRequest.from_fields(
                {
                    "id": form.get("id"),
                    "node": form.get("node"),
                    "camera": form.get("camera"),
                    "signer": self.settings.node if self.key else None,
                }
            )
        except MessageError as error:
            raise HTTPException(400, mark("There is no such correction.")) from error
        signed = sign(asked, self.key, node=asked.node, camera=asked.camera)
        await self._ask("undo", signed)
        return go_to(request, "/day", date=form.get("date", ""))

    async def acknowledge_fall(self, request: Request) -> Response:
        """Tell a node that somebody knows of a fall."""
        form = await read_form(request)
        camera = form.get("node", ""), form.get("camera", "")
        if camera not in self.link.home.cameras:
            raise HTTPException(400, mark("There is no such camera."))
        if not self.link.acknowledge_fall(camera):
            raise HTTPException(502, mark("The broker is away; nobody was told. Try again."))
        return go_to(request, "/")

    async def acknowledge_unusual(self, request: Request) -> Response:
        """Tell `har-forecast` that somebody knows of something unusual."""
        form = await read_form(request)
        try:
            asked = AcknowledgeRequest.from_fields(
                {name: form.get(name) for name in ("kind", "activity", "since")}
            )
        except MessageError as error:
            raise HTTPException(400, mark("This is no form of this page.")) from error
        await self._ask("acknowledge", asked)
        return go_to(request, "/")

    async def show_report(self, request: Request) -> Response:
        """Show how good the forecasts were, and how the days were spent."""
        card = self.reports.newest(self.drawing.now())
        problem = str(card) if isinstance(card, InputError) else None
        html = self.drawing.page(
            "report.html", self._reader(request), card=None if problem else card, problem=problem
        )
        return HTMLResponse(html)

    async def choose_theme(self, request: Request) -> Response:
        """Remember the colours that a reader has chosen, in the browser."""
        form = await read_form(request)
        answer = go_to(request, "/")
        if form.get("theme") in THEMES:
            answer.set_cookie(
                "theme",
                form["theme"],
                max_age=365 * 24 * 3600,
                path=request.scope["page_prefix"] or "/",
                httponly=True,
                samesite="strict",
            )
        return answer

    async def _ask(
        self, name: Change, request: AcknowledgeRequest | CorrectionRequest | UndoRequest
    ) -> None:
        """Ask for a change, and wait for it.

        Raises:
            HTTPException: It was refused, or nobody answered.
        """
        answer = await run_in_threadpool(self.link.ask, name, request)
        if answer is None:
            raise HTTPException(502, mark("har-forecast does not answer; nothing was changed."))
        if answer.status == "error":
            raise HTTPException(409, f"har-forecast: {answer.error}")

    def _reader(self, request: Request) -> Reader:
        return reader_of(request, can_sign_out=self.sign_in.is_needed)

    def _instants(self, start: str, end: str) -> tuple[datetime, datetime]:
        now = self.drawing.now()
        try:
            started_at = datetime.fromisoformat(start) if start else now - timedelta(hours=1)
            ended_at = datetime.fromisoformat(end) if end else now
        except ValueError as error:
            raise HTTPException(400, mark("This is no date and time.")) from error
        for at in (started_at, ended_at):
            if at.tzinfo is None or not FIRST_DAY <= at.date() <= LAST_DAY:
                raise HTTPException(400, mark("This is no date and time with its zone."))
        return started_at, ended_at


def make_app(site: Site, rules: GateRules) -> Starlette:
    """Return the application, behind its gate.

    Args:
        site: What the routes work with.
        rules: Who may pass the gate.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        site.updates.begin()
        await run_in_threadpool(site.link.start)
        looking = [asyncio.create_task(_watch_broker(site))]
        if site.fleet:
            looking.append(asyncio.create_task(site.fleet.watch()))
        try:
            yield
        finally:
            for each in looking:
                each.cancel()
            await asyncio.wait(looking)
            await run_in_threadpool(site.link.close)
            await run_in_threadpool(site.teach.close)
            site.journal.close()

    async def explain(request: Request, error: Exception) -> Response:
        """Say in one line what is wrong, on a page that leads back."""
        status, said = 503, str(error)
        if isinstance(error, NoJournalError):
            said = mark("Nothing is remembered yet: har-forecast begins when it first runs.")
        elif isinstance(error, HTTPException):
            status, said = error.status_code, error.detail
        reader = reader_of(request, can_sign_out=False)
        html = site.drawing.page("error.html", reader, said=reader.words.say(said), status=status)
        return HTMLResponse(html, status)

    return Starlette(
        routes=site.routes(),
        middleware=[Middleware(Gate, rules)],
        exception_handlers={HTTPException: explain, InputError: explain},
        lifespan=lifespan,
    )


async def _watch_broker(site: Site) -> None:
    """Tell open pages that the broker is lost, or back."""
    was_there = None
    while True:
        if site.link.is_connected != was_there:
            was_there = site.link.is_connected
            site.updates.tell("home")
            site.updates.tell("journal")
        await asyncio.sleep(LOOK_S)
