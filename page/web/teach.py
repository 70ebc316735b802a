"""The page on which a home teaches its own activities; who keeps the clips is asked for changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from har_stream.config.ids import is_id
from har_stream.config.state_dir import clips_dir
from har_stream.core.activity import UNKNOWN
from har_stream.mqtt.messages import MessageError
from har_stream.mqtt.requests import BridgeRequest, BridgeResponse
from page.now.home_link import HomeLink
from page.teaching.learning import Learning
from page.teaching.lessons import Answered, Bundles, Kept, count_wanted, within
from page.web.drawing import Drawing
from page.web.forms import go_to, read_form, reader_of
from page.words.labels import mark
from predictor.journal.records import CameraKey

USE_S = 30.0
"""So long a node may take to change its bundle."""
N_SHOWN = 12
"""Clips on one page: a browser holds no more films at once."""
SECONDS = (15, 30, 60, 120, 300)
"""How long a recording may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachPage:
    """Shows the clips, and asks for what a person does with them.

    Attributes:
        link: The broker.
        drawing: Draws pages.
        learning: Runs `train-har teach`.
        state_dir: Below which clips and bundles lie.
        can_sign_out: Whether a password is asked for.
    """

    link: HomeLink
    drawing: Drawing
    learning: Learning
    state_dir: Path
    can_sign_out: bool

    def routes(self) -> list[BaseRoute]:
        """Return its routes."""
        return [
            Route("/teach", self.show),
            Route("/teach/film", self.show_film),
            Route("/teach/label", self.label, methods=["POST"]),
            Route("/teach/delete", self.delete, methods=["POST"]),
            Route("/teach/record", self.record, methods=["POST"]),
            Route("/teach/learn", self.learn, methods=["POST"]),
            Route("/teach/use", self.use, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Show the clips, what is wanted, and how good what was learned is."""
        asked = request.query_params
        node = asked.get("node") or self._first_node()
        first = int(asked["from"]) if asked.get("from", "").isdecimal() else 0

        def draw() -> str:
            kept: Answered[Kept] = self._kept(node) if node else Answered()
            bundles: Answered[Bundles] = self._bundles(node) if node else Answered()
            clips = kept.told.clips if kept.told else []
            clips = sorted(clips, key=lambda clip: clip.place != "unlabelled")
            shown = clips[first : first + N_SHOWN] if first < len(clips) else clips[:N_SHOWN]
            return self.drawing.page(
                "teach.html",
                reader_of(request, can_sign_out=self.can_sign_out),
                node=node,
                kept=kept,
                bundles=bundles,
                wanted=count_wanted(clips),
                clips=shown,
                n_clips=len(clips),
                first=clips.index(shown[0]) if shown else 0,
                n_shown=N_SHOWN,
                folder=clips_dir(self.state_dir, node) if node else None,
                is_here=bool(node) and clips_dir(self.state_dir, node or "").is_dir(),
                progress=self.learning.progress,
                seconds=SECONDS,
            )

        return HTMLResponse(await run_in_threadpool(draw))

    async def show_film(self, request: Request) -> Response:
        """Send a clip; a browser asks for parts of it."""
        asked = request.query_params
        node, name = asked.get("node", ""), asked.get("clip", "")

        def find() -> Path | None:
            told = self._kept(node).told if is_id(node) else None
            file = (
                next((clip.file for clip in told.clips if clip.clip == name), None)
                if told
                else None
            )
            return None if file is None else clips_dir(self.state_dir, node) / file

        path = await run_in_threadpool(find)
        if path is None or not path.is_file() or ".." in path.parts:
            raise HTTPException(404, mark("There is no such clip; it may have been deleted."))
        return FileResponse(path, media_type="video/mp4")

    async def label(self, request: Request) -> Response:
        """Say what a clip shows."""
        form = await read_form(request)
        label = form.get("other", "").strip() or form.get("label", "")
        if not label:
            raise HTTPException(400, mark("Choose what it shows."))
        asked = _request(clip=form.get("clip"), label=label)
        await self._ask(form, "label_clip", asked)
        return self._back(request, form)

    async def delete(self, request: Request) -> Response:
        """Delete a clip, or all of them."""
        form = await read_form(request)
        if form.get("clip"):
            await self._ask(form, "delete_clip", _request(clip=form["clip"]))
        elif form.get("all") == "yes":
            await self._ask(form, "delete_clips", BridgeRequest())
        else:
            raise HTTPException(400, mark("Tick that all clips are to be deleted."))
        return self._back(request, form)

    async def record(self, request: Request) -> Response:
        """Record what somebody does now, or end that."""
        form = await read_form(request)
        if form.get("stop"):
            await self._ask(form, "record_clips", BridgeRequest(seconds=0))
            return self._back(request, form)
        if form.get("agreed") != "yes":
            raise HTTPException(400, mark("Everybody whom the camera sees has to agree first."))
        label = form.get("label", "").strip() or UNKNOWN
        seconds = form.get("seconds", "")
        asked = _request(
            camera=form.get("camera"),
            label=label,
            seconds=float(seconds) if seconds.isdecimal() and len(seconds) < 5 else 60.0,
        )
        await self._ask(form, "record_clips", asked)
        return self._back(request, form)

    async def learn(self, request: Request) -> Response:
        """Begin to learn from the clips."""
        form = await read_form(request)
        node = form.get("node", "")
        bundles = (await run_in_threadpool(self._bundles, node)).told if is_id(node) else None
        base = bundles.base if bundles else None
        if bundles is None or base is None:
            raise HTTPException(409, mark("No bundle there can be taught; --bundle home can."))
        self.learning.start(
            base.path,
            clips_dir(self.state_dir, node),
            beside=bundles.bundles.get(bundles.bundle, base).path,
            when_done=lambda: self.link.tell("home"),
        )
        return self._back(request, form)

    async def use(self, request: Request) -> Response:
        """Have a node change its bundle."""
        form = await read_form(request)
        asked = _request(bundle=form.get("bundle"))
        await self._ask(form, "use_bundle", asked, wait_s=USE_S)
        return self._back(request, form)

    def label_corrected(
        self, camera: CameraKey, activity: str, start: datetime, end: datetime
    ) -> None:
        """Label the clips of a stretch as it was corrected; where none are kept, nothing is."""
        node, name = camera
        if not clips_dir(self.state_dir, node).is_dir():
            return
        kept = self._kept(node).told
        for clip in within(kept.clips if kept else (), name, start, end):
            asked = BridgeRequest(clip=clip.clip, label=activity)
            self.link.ask_node(node, "label_clip", asked)

    def close(self) -> None:
        """End what runs."""
        self.learning.close()

    def _kept(self, node: str) -> Answered[Kept]:
        return Answered.read(Kept, self._ask_if_there(node, "clips"))

    def _bundles(self, node: str) -> Answered[Bundles]:
        return Answered.read(Bundles, self._ask_if_there(node, "bundles"))

    def _ask_if_there(self, node: str, name: str) -> BridgeResponse | None:
        if not self.link.home.nodes.get(node):
            return None  # nobody waits for who is away
        return self.link.ask_node(node, name, BridgeRequest())

    def _first_node(self) -> str | None:
        """Return a node that is there, and has a camera of this home."""
        nodes = sorted({node for node, _ in self.link.home.cameras})
        return next((node for node in nodes if self.link.home.nodes.get(node)), None)

    async def _ask(
        self, form: Mapping[str, str], name: str, asked: BridgeRequest, *, wait_s: float = 5.0
    ) -> BridgeResponse:
        """Ask a node for a change, and wait for it.

        Raises:
            HTTPException: There is no such node, it refused, or nobody answered.
        """
        node = form.get("node", "")
        if node not in self.link.home.nodes:
            raise HTTPException(400, mark("There is no such camera."))
        answer = await run_in_threadpool(self.link.ask_node, node, name, asked, wait_s=wait_s)
        if answer is None:
            raise HTTPException(502, mark("har-stream does not answer; nothing was changed."))
        if answer.status == "error":
            raise HTTPException(409, f"har-stream: {answer.error}")
        return answer

    def _back(self, request: Request, form: Mapping[str, str]) -> Response:
        return go_to(request, "/teach", node=form.get("node", ""))


def _request(**fields: object) -> BridgeRequest:
    """Make a request of what a form says.

    Raises:
        HTTPException: It says something else.
    """
    try:
        return BridgeRequest.from_fields(fields)
    except MessageError as error:
        raise HTTPException(400, mark("This is no form of this page.")) from error
