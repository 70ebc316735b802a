"""Stands before every route: what is not allowed here reaches none of them.

- On loopback, without a password: a foreign host name is refused, so that no site can make a
  browser ask in its name (DNS rebinding).
- With a password: whoever has not signed in reaches `PUBLIC` alone.
- A change is refused unless it comes from this very site.
- Every answer forbids scripts, styles and frames from elsewhere.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from har_stream.core.url import LOOPBACK
from page.guard.prefix import is_prefix
from page.guard.sign_ins import SignIns

COOKIE = "har_page"
"""Holds the token of a sign-in."""
PUBLIC = ("/sign-in", "/static/")
"""What everybody may see: the form to sign in, and its looks."""
LOCAL_HOSTS = frozenset({"localhost", LOOPBACK, "[::1]"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # without it a form of ours would name no origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """Who may pass.

    Attributes:
        hosts: Host names that count as this machine's; ``None``: any, for a password is asked.
        sign_ins: Who has signed in; ``None``: nobody has to.
        prefix: Path under which a proxy shows the page, such as ``/har``.
    """

    hosts: frozenset[str] | None
    sign_ins: SignIns | None
    prefix: str = ""


class Gate:
    """ASGI middleware that lets pass what `GateRules` allow.

    Args:
        app: The routes.
        rules: Who may pass.
        monotonic: Seconds that nobody can set.
    """

    def __init__(
        self, app: ASGIApp, rules: GateRules, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._rules = rules
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it pass."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope["page_prefix"] = prefix = self._prefix(headers)
        if prefix and scope["path"].startswith(f"{prefix}/"):
            scope["path"] = scope["path"].removeprefix(prefix)
        refusal = self._refuse(scope, headers)
        if refusal is None and prefix and scope["path"] == prefix:
            refusal = RedirectResponse(f"{prefix}/", 308)  # what the page asks for lies below it

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    answered[name] = value
                if not scope["path"].startswith("/static/"):
                    answered["Cache-Control"] = "no-store"
            await send(message)

        await (refusal or self._app)(scope, receive, send_guarded)

    def _prefix(self, headers: Headers) -> str:
        """Home Assistant's ingress takes its prefix off the path, and names it beside."""
        told = headers.get("x-ingress-path", "").rstrip("/")
        return told if told and is_prefix(told) else self._rules.prefix

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if self._rules.hosts is not None and _name_of(host) not in self._rules.hosts:
            return PlainTextResponse(
                "Without a password the page is for this machine alone: 127.0.0.1.", 400
            )
        if not self._is_known(scope["path"], headers):
            if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
                return RedirectResponse(f"{scope['page_prefix']}/sign-in", 303)
            return PlainTextResponse("Sign in first.", 401)
        if scope["method"] not in ("GET", "HEAD") and not _is_same_site(headers):
            return PlainTextResponse("A change has to come from this page itself.", 403)
        return None

    def _is_known(self, path: str, headers: Headers) -> bool:
        if self._rules.sign_ins is None or path == PUBLIC[0] or path.startswith(PUBLIC[1]):
            return True
        return self._rules.sign_ins.holds(token_of(headers), self._monotonic())


def token_of(headers: Headers) -> str:
    """Return the token of a sign-in that a browser sends; empty where it sends none."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _name_of(host: str) -> str:
    """Return a Host header's name, without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def _is_same_site(headers: Headers) -> bool:
    """Tell whether a browser says that a form or script of this page has sent the request.

    A proxy may have another host name towards us than towards the browser; no other site can make
    a browser send ``X-Forwarded-Host``.
    """
    origin = urlsplit(headers.get("origin", "")).netloc.lower()
    ours = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()} - {""}
    return bool(origin) and origin in ours
