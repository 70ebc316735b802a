"""Pages of the cameras: how they are, whether all works, and where what is in their images."""

import json
from dataclasses import dataclass
from http.client import HTTPException as BadAnswer
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request as Question
from urllib.request import urlopen

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from har_stream.config.regions import PLACES, Regions
from har_stream.config.state_dir import pictures_file
from har_stream.core.url import LOOPBACK
from har_stream.mqtt.messages import MessageError
from har_stream.mqtt.requests import BridgeRequest, BridgeResponse
from page.now.home_link import HomeLink
from page.web.drawing import Drawing, Reader
from page.web.forms import go_to, read_form, reader_of
from page.words.labels import mark
from predictor.journal.records import CameraKey

KINDS = (*PLACES, "ignore")
WHOLE = (0.0, 0.0, 1.0, 1.0)
CHECK_S = 45.0
"""So long a check may take."""
PICTURE_S = 4.0
"""So long a picture is waited for."""
MAX_PICTURE_BYTES = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPages:
    """Show each camera, switch it, check its node, and draw its regions.

    Attributes:
        link: The broker.
        drawing: Draws pages.
        state_dir: Where nodes say how to get pictures.
        can_sign_out: Whether a password is asked for.
    """

    link: HomeLink
    drawing: Drawing
    state_dir: Path
    can_sign_out: bool

    def routes(self) -> list[BaseRoute]:
        """Return its routes."""
        return [
            Route("/cameras", self.show),
            Route("/cameras", self.switch, methods=["POST"]),
            Route("/cameras/check", self.show_check),
            Route("/cameras/regions", self.show_regions),
            Route("/cameras/regions", self.save_regions, methods=["POST"]),
            Route("/cameras/skeleton", self.send_skeleton),
            Route("/cameras/picture", self.send_picture),
        ]

    async def show(self, request: Request) -> Response:
        """Show each camera's state, and how its node fares."""
        return HTMLResponse(self.drawing.page("cameras.html", self._reader(request)))

    async def switch(self, request: Request) -> Response:
        """Ask a node to look at a camera, or no longer."""
        form = await read_form(request)
        if not self.link.switch(self._camera(dict(form)), is_on=form.get("switch") == "on"):
            raise HTTPException(502, mark("The broker is away; nobody was told. Try again."))
        return go_to(request, "/cameras")

    async def show_check(self, request: Request) -> Response:
        """Show what `har-stream --check` says of a node at work."""
        node = request.query_params.get("node", "")

        def draw() -> str:
            is_there = self.link.home.nodes.get(node)
            answer = (
                self.link.ask_node(node, "check", BridgeRequest(), wait_s=CHECK_S)
                if is_there
                else None
            )
            return self.drawing.page(
                "check.html", self._reader(request), node=node, results=_read_results(answer)
            )

        return HTMLResponse(await run_in_threadpool(draw))

    async def show_regions(self, request: Request) -> Response:
        """Show a camera's regions, to be drawn anew."""
        camera = self._camera(dict(request.query_params))

        def draw() -> str:
            regions, part, problem = self._regions(camera)
            return self.drawing.page(
                "regions.html",
                self._reader(request),
                camera=camera,
                regions=regions.model_dump_json() if regions else None,
                part=json.dumps(part),
                edges=part,
                has_pictures=pictures_file(self.state_dir, camera[0]).is_file(),
                problem=problem,
                kinds=KINDS,
            )

        return HTMLResponse(await run_in_threadpool(draw))

    async def save_regions(self, request: Request) -> Response:
        """Ask a node to have other regions hold."""
        form = await read_form(request)
        node, name = self._camera(dict(form))
        try:
            regions = json.loads(form.get("regions", ""))
            asked = BridgeRequest.from_fields({"camera": name, "regions": regions})
        except (ValueError, RecursionError, MessageError) as error:
            raise HTTPException(400, mark("These are no regions.")) from error
        answer = await run_in_threadpool(self.link.ask_node, node, "set_regions", asked)
        if answer is None:
            raise HTTPException(502, mark("har-stream does not answer; nothing was changed."))
        if answer.status == "error":
            raise HTTPException(409, f"har-stream: {answer.error}")
        return go_to(request, "/cameras/regions", node=node, camera=name)

    async def send_skeleton(self, request: Request) -> Response:
        """Send where somebody's joints are, as far as the node publishes them."""
        skeleton = self.link.skeleton(self._camera(dict(request.query_params)))
        return JSONResponse({"points": skeleton.points if skeleton else []})

    async def send_picture(self, request: Request) -> Response:
        """Send what a camera sees now, where its node gives pictures."""
        node, name = self._camera(dict(request.query_params))

        def fetch() -> bytes | None:
            try:
                told = json.loads(pictures_file(self.state_dir, node).read_text())
                asked = Question(
                    f"http://{LOOPBACK}:{int(told['port'])}/{quote(name)}",
                    headers={"Authorization": f"Bearer {told['token']}"},
                )
                with urlopen(asked, timeout=PICTURE_S) as answer:  # noqa: S310 -- on loopback
                    content: bytes = answer.read(MAX_PICTURE_BYTES)
            except (OSError, ValueError, KeyError, BadAnswer):
                return None
            return content

        picture = await run_in_threadpool(fetch)
        if picture is None:
            raise HTTPException(404, mark("There is no picture now."))
        return Response(picture, media_type="image/jpeg")

    def _reader(self, request: Request) -> Reader:
        return reader_of(request, can_sign_out=self.can_sign_out)

    def _camera(self, given: dict[str, str]) -> CameraKey:
        """Read which camera is meant.

        Raises:
            HTTPException: There is none of that name.
        """
        camera = given.get("node", ""), given.get("camera", "")
        if camera not in self.link.home.cameras:
            raise HTTPException(400, mark("There is no such camera."))
        return camera

    def _regions(self, camera: CameraKey) -> tuple[Regions | None, tuple[float, ...], str | None]:
        """Ask for a camera's regions, and the part of its image that is looked at."""
        node, name = camera
        is_there = self.link.home.nodes.get(node)
        answer = self.link.ask_node(node, "regions", BridgeRequest()) if is_there else None
        if answer is None or answer.status == "error":
            return None, WHOLE, answer.error if answer else None
        told: Any = answer.data.get(name)
        try:
            regions = Regions.model_validate(told["regions"])
            part = tuple(float(edge) for edge in told["part"] or WHOLE)
        except (ValidationError, KeyError, TypeError, ValueError):
            return None, WHOLE, None
        return regions, part, None


class CheckedThing(BaseModel):
    """What a check found; see `har-stream --check`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    ok: bool
    text: str
    remedy: str


def _read_results(answer: BridgeResponse | None) -> list[CheckedThing] | None:
    """Read the answer to ``check``; none where there is none of use."""
    if answer is None or answer.status == "error":
        return None
    try:
        return TypeAdapter(list[CheckedThing]).validate_python(answer.data.get("results"))
    except ValidationError:
        return None
