"""Reads the small forms of the page, and tells who sent them."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse

from page.days.timeline import local
from page.web.drawing import Reader
from page.words.labels import mark
from page.words.translations import choose_words

MAX_FORM_BYTES = 10_000
THEMES = ("system", "light", "dark")
"""The colours that a reader may choose; the cookie of that name holds the choice."""


async def read_form(request: Request) -> Mapping[str, str]:
    """Read a form's fields, the last of each name.

    Raises:
        HTTPException: It is too large, or no form.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, mark("This form is too large."))
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise HTTPException(400, mark("This is no form of this page.")) from error


def read_instant(form: Mapping[str, str], field: str, *, zone: tzinfo | None) -> datetime:
    """Read a field with a date and time of the home.

    A browser's field knows seconds only; beside it stand the instant that it was filled with, and
    the text of that: where the text is the same, that very instant is meant.

    Raises:
        HTTPException: It is none.
    """
    try:
        typed = datetime.fromisoformat(form.get(field, ""))
        shown = form.get(f"{field}_shown")
        if shown and typed == datetime.fromisoformat(shown):
            exact = datetime.fromisoformat(form.get(f"{field}_exact", ""))
            if exact.tzinfo is not None:
                return exact
        return local(typed.replace(tzinfo=None), zone)
    except ValueError as error:
        raise HTTPException(400, mark("This is no date and time.")) from error


def reader_of(request: Request, *, can_sign_out: bool) -> Reader:
    """Tell in which words, and under which address, somebody reads."""
    theme = request.cookies.get("theme", "")
    return Reader(
        words=choose_words(request.headers.get("accept-language", "")),
        prefix=request.scope["page_prefix"],
        theme=theme if theme in THEMES else THEMES[0],
        can_sign_out=can_sign_out,
    )


def go_to(request: Request, path: str, **query: str) -> RedirectResponse:
    """Send a browser to another page of ours, after a change."""
    asked = f"?{urlencode(query)}" if query else ""
    return RedirectResponse(f"{request.scope['page_prefix']}{path}{asked}", 303)
