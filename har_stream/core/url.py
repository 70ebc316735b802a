"""The one parser of every address that a person may give: cameras, brokers, journals.

People write passwords into addresses as they are, with ``?``, ``/``, ``#``, ``@``, ``[`` or a space
in them, and forget the ``://``. So a login is whatever stands before the last ``@``, however odd,
and nothing before that ``@`` ever counts as host, path or query.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

LOOPBACK = "127.0.0.1"
MQTT_PORT = 1883
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_QUERY = re.compile(r"\?|[;#](?=[\w.-]+=)")
_HOST = re.compile(r"(?:\[(?P<literal>[^\]]*)\]|(?P<host>[^:]*))(?::(?P<port>.*))?", re.DOTALL)
_BARE_PERCENT = re.compile(r"%(?![0-9a-f]{2})", re.IGNORECASE)
_WITH_AT_IN_PATH = ("http", "https", "rtsp", "rtsps")
"""Any other scheme may be a user, whose password begins with ``//``."""
_STANDARD = re.compile(r"(?:[^/?#]*@[^/?#@]|[^/?#:@]+(?::\d*)?(?:[/?#]|$))", re.DOTALL)
"""A login and a host, or a host alone, as RFC 3986 has them: what FFmpeg reads unaided."""


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of an address.

    Attributes:
        scheme: In lower case; empty where there is none.
        login: As written, without its ``@``; none where there is none.
        place: Host, port and path, as written.
        query: From the first ``?`` on, or from a ``;name=`` or ``#name=``.
    """

    scheme: str
    login: str | None = field(repr=False)
    place: str
    query: str = field(repr=False)

    @property
    def user(self) -> str | None:
        """The user of the login, percent-decoded."""
        return None if self.login is None else unquote(self.login.partition(":")[0])

    @property
    def password(self) -> str | None:
        """The password of the login, percent-decoded."""
        _, colon, password = (self.login or "").partition(":")
        return unquote(password) if colon else None

    @property
    def host(self) -> str:
        """The host, in lower case, an IPv6 one without its brackets."""
        found = _HOST.match(self.place.partition("/")[0])
        return ((found["literal"] or found["host"] or "") if found else "").lower()

    @property
    def port(self) -> str | None:
        """What stands where a port belongs; after a forgotten ``@`` that is a password."""
        found = _HOST.match(self.place.partition("/")[0])
        return found["port"] if found else None

    @property
    def path(self) -> str:
        """From the first ``/`` behind the host on."""
        _, slash, path = self.place.partition("/")
        return slash + path


def parse_url(text: str) -> Url:
    """Part an address; any text has parts, and what is no address is all `place`."""
    start = _SCHEME.match(text)
    scheme = start[1].lower() if start else ""
    rest = text[start.end() :] if start else text
    before, at, place = rest.rpartition("@")
    login = before if at and _is_login(before, scheme) else None
    if login is None:
        place = rest
    query = _QUERY.search(place)
    place, asked = (place[: query.start()], place[query.start() :]) if query else (place, "")
    return Url(scheme, login, place, asked)


def to_openable(text: str) -> str:
    """Return an address as FFmpeg needs it: an odd login percent-encoded, all else as it is.

    Where the text has a meaning by RFC 3986, it has that one: ``@`` may stand in a path too.
    """
    url = parse_url(text)
    if not url.scheme or url.login is None or _STANDARD.match(text, len(url.scheme) + 3):
        return text
    login = quote(_BARE_PERCENT.sub("%25", url.login), safe="%:!$&'()*+,;=~")
    return f"{url.scheme}://{login}@{url.place}{url.query}"


def _is_login(text: str, scheme: str) -> bool:
    """Tell a login from what stands before the ``@`` of a path: `cam/live?by=me@home`, a file."""
    if scheme in ("sqlite", "file"):
        return False
    if not scheme:
        return ":" in text and not text.startswith(("/", ".", "~"))
    return ":" in text or scheme not in _WITH_AT_IN_PATH or not re.search("[/?#]", text)
