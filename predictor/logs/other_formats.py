"""Other people's activity logs, read line by line into sessions."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from har_stream.core.errors import InputError
from predictor.logs.csv_log import Log, instant, read_text
from predictor.sessions import Session

_NOBODY = frozenset({"", "unknown", "unavailable", "idle", "none", "off"})
"""States of an entity that are no activity."""


def read_other_format(path: Path, kind: str) -> Log:
    """Read a log of another format.

    Args:
        path: The file.
        kind: One of `KINDS`.

    Raises:
        InputError: There is no such format, the file cannot be read, or nothing is in it.
    """
    if kind not in KINDS:
        raise InputError(f"no format {kind!r}: choose one of {', '.join(KINDS)}")
    skipped: list[str] = []
    sessions = []
    try:
        for where, session in KINDS[kind](read_text(path), str(path), skipped):
            if session.ended_at < session.started_at:
                skipped.append(f"{where}: ends before it starts")
            else:
                sessions.append(session)
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from error
    if not sessions:
        hint = f"; the first line left out is {skipped[0]}" if skipped else ""
        raise InputError(f"{path}: no activity found in it as {kind}{hint}")
    return Log(str(path), sorted(sessions, key=lambda each: each.started_at), skipped)


Reader = Callable[[str, str, list[str]], Iterator[tuple[str, Session]]]


def _casas(text: str, source: str, skipped: list[str]) -> Iterator[tuple[str, Session]]:
    """CASAS: ``date time sensor value [activity begin|end]``, also ``activity="begin"``."""
    running: dict[str, datetime] = {}
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{source}:{number}"
        words = line.replace('="', " ").replace('"', " ").replace(",", " ").split()
        if len(words) < 6 or words[-1].lower() not in {"begin", "end"}:
            if words and len(words) < 4:
                skipped.append(f"{where}: date, time, sensor and value expected")
            continue
        at, activity = instant(f"{words[0]} {words[1]}", where), "_".join(words[4:-1])
        if words[-1].lower() == "begin":
            if activity in running:
                skipped.append(f"{where}: {activity} begins again before its end")
            running[activity] = at
        elif activity in running:
            yield where, Session(activity, running.pop(activity), at)
        else:
            skipped.append(f"{where}: {activity} ends but never began")
    skipped += [
        f"{source}: {activity} begins at {at} but never ends" for activity, at in running.items()
    ]


_INSTANT = r"\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\s+"
_ORDONEZ = re.compile(f"{_INSTANT}{_INSTANT}(.+)")


def _ordonez(text: str, source: str, skipped: list[str]) -> Iterator[tuple[str, Session]]:
    """UCI ADL: columns ``Start time``, ``End time``, ``Activity`` between tabs, below a header."""
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{source}:{number}"
        found = _ORDONEZ.fullmatch(line.rstrip())
        if found:
            start, end, activity = found.groups()
            yield where, Session(activity.strip(), instant(start, where), instant(end, where))
        elif line.strip() and not line.startswith(("Start time", "-")):
            skipped.append(f"{where}: start, end and activity expected")


_KASTEREN = re.compile(r"\s*(\d+-\w{3}-\d{4} [\d:]+)\s+(\d+-\w{3}-\d{4} [\d:]+)\s+(\S.*)")
_KASTEREN_LEGEND = re.compile(r"\s*[%#]?\s*(\d+)\s*[:=]\s*'?([A-Za-z][\w \-]*)'?\s*")


def _kasteren(text: str, source: str, skipped: list[str]) -> Iterator[tuple[str, Session]]:
    """Kasteren: a table with ``start_time,end_time,activity``, or the original's text.

    The original has lines ``25-Feb-2008 00:22:46  25-Feb-2008 09:34:12  10``; lines ``10: go to
    bed`` name the numbers, wherever they stand.
    """
    if text.lower().startswith("start_time,end_time,activity"):
        rows = csv.reader(io.StringIO(text, newline=""))
        next(rows)
        for row in filter(None, rows):
            where = f"{source}:{rows.line_num}"
            if len(row) < 3:
                skipped.append(f"{where}: start, end and activity expected")
                continue
            start, end, activity, *_ = row
            session = Session(_as_label(activity), instant(start, where), instant(end, where))
            yield where, session
        return
    lines = text.splitlines()
    legend: dict[str, str] = {}
    for line in lines:
        named = _KASTEREN_LEGEND.fullmatch(line)
        if named is not None:
            legend[named[1]] = named[2]
    for number, line in enumerate(lines, 1):
        where = f"{source}:{number}"
        found = _KASTEREN.fullmatch(line.rstrip())
        if found is None:
            if re.match(r"\s*\d+-\w{3}-", line):
                skipped.append(f"{where}: start, end and activity expected")
            continue
        name = legend.get(found[3].strip(), found[3])
        if name.strip().isdigit():
            name = f"activity_{name.strip()}"
        started_at, ended_at = _day_first(found[1], where), _day_first(found[2], where)
        yield where, Session(_as_label(name), started_at, ended_at)


def _home_assistant(text: str, source: str, skipped: list[str]) -> Iterator[tuple[str, Session]]:
    """Home Assistant's history export: ``entity_id,state,last_changed``.

    A sensor's states are activities; a binary sensor that is on is the activity of its own name.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if not {"entity_id", "state", "last_changed"} <= set(rows.fieldnames or ()):
        raise InputError(f"{source}:1: columns entity_id,state,last_changed expected")
    changes: dict[str, list[tuple[datetime, str, str]]] = {}
    for row in rows:
        where = f"{source}:{rows.line_num}"
        if not row["entity_id"] or row["state"] is None:
            skipped.append(f"{where}: entity_id, state and last_changed expected")
            continue
        at = instant(row["last_changed"], where).astimezone()
        changes.setdefault(row["entity_id"], []).append((at, row["state"], where))
    for entity, told in changes.items():
        told.sort(key=lambda change: change[0])
        own_name = entity.partition(".")[2] or entity
        for (at, state, where), (next_at, *_) in pairwise(told):
            if state.lower() not in _NOBODY and next_at > at:
                yield where, Session(own_name if state == "on" else state, at, next_at)


def _as_label(activity: str) -> str:
    return activity.strip().replace(" ", "_")


def _day_first(text: str, where: str) -> datetime:
    try:
        return datetime.strptime(text, "%d-%b-%Y %H:%M:%S").astimezone()
    except ValueError as error:
        raise InputError(f"{where}: {text!r} is no time like 25-Feb-2008 00:22:46") from error


KINDS: Mapping[str, Reader] = {
    "casas": _casas,
    "kasteren": _kasteren,
    "ordonez": _ordonez,
    "home-assistant": _home_assistant,
}
"""Formats by name."""
