"""Other people's activity logs, read line by line into sessions."""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from har_stream.core.errors import InputError
from predictor.logs.csv_log import LeftOut, Log, instant, tell_future
from predictor.logs.table import column_names, read_table, read_text
from predictor.sessions import Session

_NOBODY = frozenset({"", "unknown", "unavailable", "idle", "none"})
"""States of an entity that are no activity."""
_ON = frozenset({"on", "true", "open"})
"""States of a binary sensor in which it is the activity of its own name."""
_SWITCHED = _ON | {"off", "false", "closed", "home", "not_home", "online", "offline"}
"""What a sensor says of a device: no activity."""
_TELLING = frozenset({"sensor", "binary_sensor", "input_select"})
"""Kinds of entities whose states may be activities; lights, switches and persons tell none."""
_OWN = re.compile(r".*(_camera|(^|_)next_activity|(^|_)next_start|(^|_)likely_.*)(_\d+)?")
"""Entities of ours that tell something else, see `har_stream.homeassistant.entities`."""
_OF_DEVICES = re.compile(
    r"(.*_)?(battery|charging|connectivity|door|light|lock|moisture|motion|opening|plug|power"
    r"|problem|smoke|tamper|update|vibration|window)(_\d+)?"
)
"""Binary sensors, by the names that Home Assistant gives them, which tell of things."""
_VALUES = re.compile(r"on|off|open|closed?|present|absent|true|false|[-+]?[\d.,]+", re.IGNORECASE)
"""What CASAS sensors say."""


def read_other_format(path: Path, kind: str, *, now: datetime | None = None) -> Log:
    """Read a log of another format.

    Args:
        path: The file.
        kind: One of `KINDS`.
        now: What is dated later is left out; none: this machine's clock.

    Raises:
        InputError: There is no such format, the file cannot be read, nothing is in it, or most of
            it, or all of an activity, is of no use.
    """
    if kind not in KINDS:
        raise InputError(f"no format {kind!r}: choose one of {', '.join(KINDS)}")
    now = now or datetime.now(UTC)
    left_out = LeftOut()
    sessions = []
    for where, session in KINDS[kind](read_text(path), str(path), left_out):
        if session.ended_at < session.started_at:
            left_out.add(f"{where}: ends before it starts", session.activity)
        elif told := tell_future(session.started_at, session.ended_at, now=now):
            left_out.add(f"{where}: {session.activity} {told}")
        else:
            sessions.append(session)
    if not sessions:
        hint = f"; the first line left out is {left_out.lines[0]}" if left_out.lines else ""
        raise InputError(f"{path}: no activity found in it as {kind}{hint}")
    left_out.check(str(path), sessions)
    return Log(str(path), sorted(sessions, key=lambda each: each.started_at), left_out.lines)


Reader = Callable[[str, str, LeftOut], Iterator[tuple[str, Session]]]


def _lines(text: str, source: str) -> Iterator[tuple[str, str]]:
    """Yield each line that says something, with its file and number; U+2028 ends none."""
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if line.strip():
            yield f"{source}:{number}", line.rstrip("\n")


def _casas(text: str, source: str, left_out: LeftOut) -> Iterator[tuple[str, Session]]:
    """CASAS: ``date time sensor [value] [activity begin|end]``, also ``activity="begin"``."""
    running: dict[str, tuple[str, datetime]] = {}
    marks, unmarked = _casas_labels(text, source, left_out)
    if unmarked and not marks:
        where, label = unmarked[0]
        raise InputError(
            f"{where}: label {label} without begin or end, as on {len(unmarked)} lines: this "
            "release labels every event; take one whose activities have begin and end marks"
        )
    for where, at, activity, mark in marks:
        lost = ""
        if mark == "end" and activity in running:
            yield where, Session(activity, running.pop(activity)[1], at)
        elif mark == "end":
            lost = "ends but never began"
        else:
            lost = "begins again before its end" if activity in running else ""
            running[activity] = where, at
        if lost:
            left_out.add(f"{where}: {activity} {lost}", activity, is_session=False)
    for where, label in unmarked:
        left_out.add(f"{where}: {label} without begin or end", label, is_session=False)
    for activity, (where, at) in running.items():
        left_out.add(
            f"{where}: {activity} begins at {at} but never ends", activity, is_session=False
        )


def _casas_labels(
    text: str, source: str, left_out: LeftOut
) -> tuple[list[tuple[str, datetime, str, str]], list[tuple[str, str]]]:
    """Find activities with their marks (line, time, activity, begin or end), and those without."""
    lines = [
        (where, line.replace('="', " ").replace('"', " ").replace(",", " ").split())
        for where, line in _lines(text, source)
    ]
    values = {words[3] for _, words in lines if len(words) == 4}
    marks, unmarked = [], []
    for where, words in lines:
        if len(words) < 4:
            left_out.add(f"{where}: date, time, sensor and value expected")
            continue
        mark = words[-1].lower()
        has_value = words[3] in values or _VALUES.fullmatch(words[3])
        told = words[4:] if has_value else words[3:]
        if mark not in {"begin", "end"}:
            if len(words) > 4:
                unmarked.append((where, "_".join(told)))
        elif activity := "_".join(told[:-1]):
            marks.append((where, instant(f"{words[0]} {words[1]}", where), activity, mark))
        else:
            left_out.add(f"{where}: no activity before its {mark}")
    return marks, unmarked


_INSTANT = r"\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\s+"
_ORDONEZ = re.compile(f"{_INSTANT}{_INSTANT}(.+)")


def _ordonez(text: str, source: str, left_out: LeftOut) -> Iterator[tuple[str, Session]]:
    """UCI ADL: columns ``Start time``, ``End time``, ``Activity`` between tabs, below a header."""
    for where, line in _lines(text, source):
        found = _ORDONEZ.fullmatch(line.rstrip())
        if found:
            start, end, told = found.groups()
            activity = told.strip().split("\t")[0].strip()  # before its place
            yield where, Session(activity, instant(start, where), instant(end, where))
        elif line.startswith("Start time"):
            if "activity" not in line.lower():
                raise InputError(f"{where}: no column Activity; give the file of activities, _ADLs")
        elif not line.startswith("-"):
            left_out.add(f"{where}: start, end and activity expected")


_KASTEREN = re.compile(r"\s*(\d+-\w{3}-\d{4} [\d:]+)\s+(\d+-\w{3}-\d{4} [\d:]+)\s+(\S.*)")
_KASTEREN_COLUMNS = {"start_time", "end_time", "activity"}
_HISTORY = "download the history as CSV in Home Assistant: entity_id,state,last_changed"
_KASTEREN_LEGEND = re.compile(r"\s*[%#]?\s*(\d+)\s*[:=]\s*'?([A-Za-z][\w \-]*)'?\s*")


def _kasteren(text: str, source: str, left_out: LeftOut) -> Iterator[tuple[str, Session]]:
    """Kasteren: a table with ``start_time,end_time,activity``, or the original's text.

    The original has lines ``25-Feb-2008 00:22:46  25-Feb-2008 09:34:12  10``; lines ``10: go to
    bed`` name the numbers, wherever they stand.
    """
    if set(column_names(text)) >= _KASTEREN_COLUMNS:
        for where, cells in read_table(text, source, needed=_KASTEREN_COLUMNS, hint=""):
            start, end, activity = cells["start_time"], cells["end_time"], cells["activity"]
            if not (start.strip() and end.strip() and activity.strip()):
                left_out.add(f"{where}: start, end and activity expected")
                continue
            session = Session(_as_label(activity), instant(start, where), instant(end, where))
            yield where, session
        return
    lines = list(_lines(text, source))
    legend = _kasteren_legend(lines)
    for where, line in lines:
        found = _KASTEREN.fullmatch(line.rstrip())
        if line.count('"') % 2:
            left_out.add(f"{where}: a quote is not closed")
        elif found is not None:
            name = legend.get(found[3].strip(), found[3]).strip()
            name = f"activity_{name}" if name.isdigit() else name
            started_at, ended_at = _day_first(found[1], where), _day_first(found[2], where)
            yield where, Session(_as_label(name), started_at, ended_at)
        elif not _KASTEREN_LEGEND.fullmatch(line) and re.search(r"\d{4} \d|\d:\d\d", line):
            left_out.add(f"{where}: start, end and activity expected")


def _kasteren_legend(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    legend: dict[str, str] = {}
    for where, line in lines:
        named = _KASTEREN_LEGEND.fullmatch(line)
        if named and legend.setdefault(named[1], named[2]) != named[2]:
            told = f"number {named[1]} is {legend[named[1]]!r} and {named[2]!r}"
            raise InputError(f"{where}: {told}; keep one")
    return legend


def _home_assistant(text: str, source: str, left_out: LeftOut) -> Iterator[tuple[str, Session]]:
    """Home Assistant's history export: ``entity_id,state,last_changed``.

    A sensor's states are activities, unless they are numbers or times; a binary sensor that is on
    is the activity of its own name. Other entities tell none; they are named and counted.
    """
    needed = ("entity_id", "state", "last_changed")
    changes: dict[str, list[tuple[datetime, str, str]]] = {}
    for where, cells in read_table(text, source, needed=needed, hint=_HISTORY):
        if not cells["entity_id"] or not cells["last_changed"]:
            left_out.add(f"{where}: entity_id, state and last_changed expected")
            continue
        at = instant(cells["last_changed"], where)
        changes.setdefault(cells["entity_id"], []).append((at, cells["state"].strip(), where))
    for entity, told in changes.items():
        kind, _, name = entity.partition(".")
        tells_of_things = kind == "binary_sensor" and _OF_DEVICES.fullmatch(name)
        if kind not in _TELLING or _OWN.fullmatch(name) or tells_of_things:
            left_out.lines.append(f"{told[0][2]}: {entity} tells no activity: {len(told)} rows")
            continue
        told.sort(key=lambda change: change[0])
        is_binary = kind == "binary_sensor"
        n_values = 0 if is_binary else sum(_is_value(state) for _, state, _ in told)
        if n_values:
            left_out.lines.append(
                f"{told[0][2]}: {entity}: {n_values} of {len(told)} states are numbers or times, "
                "or of a switch"
            )
        for (at, state, where), (next_at, *_) in pairwise(told):
            activity = _activity_of(state, name if is_binary else None)
            if activity and next_at > at:
                yield where, Session(activity, at, next_at)
        at, state, where = told[-1]
        if _activity_of(state, name if is_binary else None):
            left_out.lines.append(f"{where}: {entity} is {state} since {at}, without an end")


def _activity_of(state: str, binary: str | None) -> str | None:
    """The activity that a state is, if it is one; of a binary sensor its name."""
    if binary is not None:
        return binary if state.lower() in _ON else None
    return None if state.lower() in _NOBODY or _is_value(state) else state


def _is_value(state: str) -> bool:
    """Tell a measurement, a time, an address, a version, or how a thing is switched.

    An activity's name begins with a letter.
    """
    if state.lower() in _SWITCHED or state.lower() in ("nan", "inf"):
        return True
    return bool(state) and not state[0].isalpha()


def _as_label(activity: str) -> str:
    return activity.strip().strip("\"'").strip().replace(" ", "_")


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
