"""Signing in and out; wrong attempts have to wait."""

import asyncio
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from page.guard.gate import COOKIE, token_of
from page.guard.passwords import Password
from page.guard.sign_ins import LASTS_S, Attempts, SignIns
from page.web.drawing import Drawing
from page.web.forms import go_to, read_form, reader_of


class SignInForm:
    """The form to sign in, and what comes of it.

    Args:
        drawing: Draws it.
        password: What is asked for; ``None``: nothing is.
        sign_ins: Who has signed in.
        monotonic: Seconds that nobody can set.
    """

    def __init__(
        self,
        drawing: Drawing,
        password: Password | None,
        sign_ins: SignIns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._drawing = drawing
        self._password = password
        self._sign_ins = sign_ins
        self._monotonic = monotonic
        self._attempts = Attempts()
        self._checking = asyncio.Lock()  # a check takes 19 MiB, and a flood of them one's patience

    @property
    def is_needed(self) -> bool:
        """Whether somebody has to sign in."""
        return self._password is not None

    def is_open(self, request: Request) -> bool:
        """Tell whether who asks may go on seeing the page."""
        token = token_of(request.headers)
        return not self.is_needed or self._sign_ins.holds(token, self._monotonic())

    async def show(self, request: Request) -> Response:
        """Show the form."""
        return self._form(request, wait_s=0.0, is_wrong=False)

    async def sign_in(self, request: Request) -> Response:
        """Check a password, unless its address has to wait."""
        form = await read_form(request)
        if self._password is None:
            return go_to(request, "/")
        address = request.client.host if request.client else ""
        async with self._checking:
            wait_s = self._attempts.wait_s(address, self._monotonic())
            if wait_s > 0:
                return self._form(request, wait_s=wait_s, is_wrong=False)
            is_right = await run_in_threadpool(self._password.is_right, form.get("password", ""))
            if not is_right:
                self._attempts.note_wrong(address, self._monotonic())
                return self._form(request, wait_s=0.0, is_wrong=True)
            self._attempts.note_right(address)
        answer = go_to(request, "/")
        answer.set_cookie(
            COOKIE,
            self._sign_ins.begin(self._monotonic()),
            max_age=int(LASTS_S),
            path=request.scope["page_prefix"] or "/",
            secure=_is_encrypted(request),
            httponly=True,
            samesite="strict",
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End a sign-in."""
        self._sign_ins.end(token_of(request.headers))
        answer = go_to(request, "/sign-in")
        answer.delete_cookie(COOKIE, path=request.scope["page_prefix"] or "/")
        return answer

    def _form(self, request: Request, *, wait_s: float, is_wrong: bool) -> Response:
        reader = reader_of(request, can_sign_out=False)
        html = self._drawing.page("sign_in.html", reader, wait_s=wait_s, is_wrong=is_wrong)
        if wait_s > 0:
            return HTMLResponse(html, 429, {"Retry-After": str(int(wait_s) + 1)})
        return HTMLResponse(html, 403 if is_wrong else 200)


def _is_encrypted(request: Request) -> bool:
    """Tell whether the browser speaks TLS, to us or to a proxy before us."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "").lower())
