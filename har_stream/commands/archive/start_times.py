"""When a recording began: read from its name, or from what its container says.

A pattern is the end of a path: codes of `strptime` (https://docs.python.org/3/library/datetime.html),
``*`` for anything within a folder's or file's name, and ``{camera}``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from har_stream.config.ids import as_id
from har_stream.core.errors import InputError

_PARTS = {
    "%Y": r"(?P<Y>\d{4})",
    "%m": r"(?P<m>\d\d)",
    "%d": r"(?P<d>\d\d)",
    "%H": r"(?P<H>\d\d)",
    "%M": r"(?P<M>\d\d)",
    "%S": r"(?P<S>\d\d)",
    "%f": r"(?P<f>\d{1,6})",
    "%z": r"(?P<z>Z|[+-]\d\d:?\d\d)",
    "%s": r"(?P<s>\d{9,10}(?:\.\d{1,6})?)",
    "%%": "%",
    "*": "[^/]*?",
    "{camera}": "(?P<camera>[^/]+?)",
}
_USUAL = re.compile(
    r"(?<!\d)(?P<Y>(?:19|20)\d\d)[-_.]?(?P<m>\d\d)[-_.]?(?P<d>\d\d)[-_.T /]{0,3}"
    r"(?P<H>\d\d)[-_.:hH]?(?P<M>\d\d)[-_.:mM]?(?P<S>\d\d)s?"
    r"(?:[.,_]?(?P<f>\d{3}|\d{6}))?(?P<z>Z|[+-]\d\d:?\d\d)?(?!\d)"
)
"""``2026-11-22_18-02-11``, ``20261122T180211Z``, ``20261122180211`` and their like."""
_UNSET_BEFORE = datetime(1971, 1, 1, tzinfo=UTC)
"""Containers count from 1904 or 1970; an instant near it was never set."""


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What a clip's name says: when it began, timezone-aware, and its camera; none: nothing."""

    started_at: datetime | None
    camera: str | None = None


def name_reader(pattern: str | None) -> Callable[[str], NameFacts]:
    """Return what reads a clip's start and camera from its name, a path with ``/``.

    Args:
        pattern: The end of a path, without its suffix; none: a date and a time in the file's name,
            or else in its path. A time without a zone is local, the earlier one where an hour comes
            twice.

    Raises:
        InputError: The pattern has codes that are not known, or no whole date and time.
    """
    if pattern is None:
        return _read_usual
    compiled = _compile(pattern)

    def read(name: str) -> NameFacts:
        found = compiled.search(str(PurePosixPath(name).with_suffix("")))
        if found is None:
            return NameFacts(None)
        camera = found.groupdict().get("camera")
        return NameFacts(_instant(found), as_id(camera) if camera else None)

    return read


def container_time(tags: dict[str, str]) -> datetime | None:
    """Read when a container says that it was recorded; none where it says nothing believable.

    Args:
        tags: Its metadata, as FFmpeg names them.
    """
    for key in ("com.apple.quicktime.creationdate", "creation_time", "DATE_RECORDED", "date"):
        try:
            told = datetime.fromisoformat(tags.get(key, "").strip())
        except ValueError:
            continue
        if ":" not in tags[key]:
            continue  # a day or a year alone
        made_at = told.astimezone() if told.tzinfo is None else told
        if made_at >= _UNSET_BEFORE:
            return made_at
    return None


def _read_usual(name: str) -> NameFacts:
    path = PurePosixPath(name)
    for text in (path.stem, str(path.with_suffix(""))):
        for found in _USUAL.finditer(text):
            if (started_at := _instant(found)) is not None:
                return NameFacts(started_at)
    return NameFacts(None)


def _compile(pattern: str) -> re.Pattern[str]:
    expression, known = "", "|".join(map(re.escape, _PARTS))
    for part in re.split(f"({known})", pattern):
        if part not in _PARTS and re.search(r"%|[{}]", part):
            raise InputError(
                f"--clip-names {pattern!r}: {part!r} is no part of a pattern; known are "
                f"{' '.join(_PARTS)}"
            )
        expression += _PARTS.get(part, re.escape(part))
    try:
        compiled = re.compile(f"(?:^|(?<=[^\\d])){expression}$")
    except re.error as error:
        raise InputError(f"--clip-names {pattern!r}: each code may stand once ({error})") from error
    codes = set(compiled.groupindex)
    if not codes >= set("YmdHM") and "s" not in codes:
        raise InputError(
            f"--clip-names {pattern!r}: a date and a time are needed, at least %Y %m %d %H %M, or "
            "%s (seconds since 1970)"
        )
    return compiled


def _instant(found: re.Match[str]) -> datetime | None:
    told = {key: value for key, value in found.groupdict().items() if value}
    try:
        if "s" in told:
            return datetime.fromtimestamp(float(told["s"]), UTC).astimezone()
        year, month, day, hour, minute = (int(told[key]) for key in ("Y", "m", "d", "H", "M"))
        local = datetime(year, month, day, hour, minute, int(told.get("S", 0)))
        local += timedelta(microseconds=int(told.get("f", "0").ljust(6, "0")))
        if "z" in told:
            return datetime.strptime(f"{local.isoformat()}{told['z']}", f"{_format(local)}%z")
        return local.astimezone()
    except (ValueError, OverflowError, OSError):
        return None  # 99 is no month


def _format(local: datetime) -> str:
    return "%Y-%m-%dT%H:%M:%S.%f" if local.microsecond else "%Y-%m-%dT%H:%M:%S"
