"""Fetches a file over HTTP: goes on where it stopped, and keeps it only if it is the right one."""

import logging
import ssl
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from har_stream.bundles.published_weights import Remote
from har_stream.bundles.weights import hash_of
from har_stream.core.errors import InputError

logger = logging.getLogger(__name__)

N_IDLE_ATTEMPTS = 5
"""Attempts in a row that bring not one byte, before it gives up."""
TIMEOUT_S = 30.0
CHUNK_BYTES = 2**20

Advance = Callable[[int, int], object]
"""Called with the bytes that are here, and with all there are."""


def fetch_file(
    remote: Remote, path: Path, *, advance: Advance, n_idle: int = N_IDLE_ATTEMPTS
) -> str:
    """Bring a file, unless it is here; what an interrupted attempt left is gone on with.

    Args:
        remote: What to fetch, and how to tell that it is right.
        path: Where it goes; its folder must exist. A file that lies there is only checked.
        advance: Told how far it is.
        n_idle: Attempts in a row that bring nothing, before it gives up.

    Returns:
        SHA-256 of its content.

    Raises:
        InputError: It cannot be fetched, or is not the published file: then it is thrown away.
    """
    part = path.with_name(f"{path.name}.part")
    if not path.exists():
        try:
            _fetch_all(remote, part, advance, most_idle=n_idle)
        except OSError as error:
            raise InputError(f"{part}: cannot be written: {error.strerror}") from error
    found = path if path.exists() else part
    n_bytes, sha256 = found.stat().st_size, hash_of(found)
    if remote.n_bytes not in (None, n_bytes) or remote.sha256 not in (None, sha256):
        found.unlink()
        raise InputError(
            f"{remote.url}: not the published file, so thrown away: {n_bytes} bytes of SHA-256 "
            f"{sha256}, not {remote.n_bytes} of {remote.sha256 or 'unpublished hash'}; try again"
        )
    found.replace(path)
    return sha256


def _fetch_all(remote: Remote, part: Path, advance: Advance, *, most_idle: int) -> None:
    n_idle, n_bytes, n_total = 0, _size(part), None
    failure = ""
    while n_total is None or n_bytes < n_total:
        try:
            n_total = _attempt(remote, part, n_bytes, advance)
        except (HTTPException, TimeoutError, ConnectionError) as error:
            failure = f" ({error})"
            if most_idle > 1:
                logger.warning("%s: %s", remote.name, error)
        n_before, n_bytes = n_bytes, _size(part)
        n_idle = 0 if n_bytes > n_before else n_idle + 1
        if n_idle == most_idle:
            n_expected = n_total or remote.n_bytes
            of_all = f" of {_megabytes(n_expected)}" if n_expected else ""
            raise InputError(
                f"{remote.url}: stopped at {_megabytes(n_bytes)}{of_all} MB{failure}; "
                f"start again to go on from there, or {_by_hand(part)}"
            )


def check_address(url: str) -> None:
    """Refuse an address that is not the web's.

    Raises:
        InputError: It is none.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise InputError(f"{url}: http and https alone are fetched")


def _attempt(remote: Remote, part: Path, n_bytes: int, advance: Advance) -> int:
    """Ask for what follows the bytes that are here, and append it; returns the full size."""
    headers = {"Range": f"bytes={n_bytes}-", "User-Agent": "har-stream"}
    check_address(remote.url)
    request = Request(remote.url, headers=headers)  # noqa: S310 - checked the line before
    by_hand = f"{_by_hand(part)} and start again"
    try:
        response = urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
    except HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return n_bytes  # nothing follows
        raise InputError(f"{remote.url}: the server says {error.code}; {by_hand}") from error
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise InputError(
                f"{remote.url}: the server's certificate cannot be verified; {by_hand}"
            ) from error
        raise ConnectionError(f"no connection: {error.reason}") from error
    except OSError as error:
        raise ConnectionError(f"no answer: {error}") from error
    with response:
        return _append(response, part, n_bytes, advance)


def _by_hand(part: Path) -> str:
    return f"bring it with a browser, put it at {part.with_suffix('')}"


def _append(response: HTTPResponse, part: Path, n_bytes: int, advance: Advance) -> int:
    """Append what comes, or begin anew where the server sends all of it; returns the full size."""
    goes_on = response.status == HTTPStatus.PARTIAL_CONTENT
    n_here = n_bytes if goes_on else 0
    n_total = n_here + int(response.headers.get("Content-Length", 0))
    with part.open("ab" if goes_on else "wb") as file:
        for chunk in _received(response):
            file.write(chunk)
            n_here += len(chunk)
            advance(n_here, n_total)
    return n_total


def _received(response: HTTPResponse) -> Iterator[bytes]:
    """Read what comes; what the network refuses is no fault of the disk that it is written to."""
    try:
        while chunk := response.read(CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise ConnectionError(f"connection lost: {error}") from error


def _megabytes(n_bytes: int) -> str:
    return f"{round(n_bytes / 1e6, 1):g}"


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
