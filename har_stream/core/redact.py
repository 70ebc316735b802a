"""Keeps credentials out of every log line, error and message."""

import re

from har_stream.core.url import parse_url

_SECRET = re.compile(
    r"([?&;#](?:p|u|sid|sig|pin"
    r"|[^=&;#]*(?:pass|pwd|pw|token|key|auth|secret|user|login|session|signature|credential)"
    r"[^=&;#]*)=)"
    r"(?:(?![&;#][\w.-]+=).)*",  # a value that holds `&` itself is blanked whole
    re.IGNORECASE | re.DOTALL,
)

_WORDS = re.compile(r"[^:@]*\s(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
"""What may stand before an address; a login that lacks its scheme has a ``:`` by then."""


def redact(text: str) -> str:
    """Blank the login of an address, and the values of its secret-looking parameters.

    What cannot be shown, as a line's end in a file's name, is escaped.

    A password may itself hold ``@``, ``/`` or anything else, so everything up to the last ``@`` is
    blanked, and what stands where a port belongs and is none.

    Args:
        text: The address, perhaps with words before and after it.
    """
    words = _WORDS.match(text)
    before = words[0] if words else ""
    url = parse_url(text[len(before) :])
    start = f"{url.scheme}://" if url.scheme else ""
    login = "" if url.login is None else "***@"
    place = url.place
    if url.scheme and url.port and not re.match(r"\d+\b", url.port):
        place = place.replace(f":{url.port}", ":***", 1)
    query = _SECRET.sub(r"\1***", url.query)
    shown = f"{before}{start}{login}{place}{query}"
    return shown if shown.isprintable() else "".join(map(_escape, shown))


def _escape(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]
