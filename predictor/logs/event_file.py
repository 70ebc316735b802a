"""Files of events, CSV or JSON lines: exports of the journal, and ``har-stream --record-events``.

An export keeps every event whole; reading a file twice adds nothing the second time.
"""

import csv
import json
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from har_stream.core.atomic_file import replacing, writing
from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent, MessageError
from predictor.logs.table import column_names, read_table

logger = logging.getLogger(__name__)

COLUMNS = tuple(
    name for name in ActivityEvent.model_fields if name not in ("schema_version", "signature")
)
"""Columns of an exported CSV file, as on the wire; ``probabilities`` is JSON."""
_NEEDED = {"seq", "event_type"}
_RISKY = re.compile(r"'*([=+\-@\t\r\n]|\Z)")
"""What a spreadsheet would run as a formula, or what stands for no value at all; with apostrophes
before it, so that one more can be put there and taken away again."""


def write_events(events: Iterable[ActivityEvent], path: Path) -> int:
    """Write events to a ``.csv`` or ``.jsonl`` file, atomically; returns how many.

    Raises:
        InputError: Another suffix, the file holds something else, or it cannot be written.
    """
    check_suffix(path)
    _check_holds_nothing_else(path)
    write = _write_csv if path.suffix.lower() == ".csv" else _write_jsonl
    with writing(path), replacing(path) as file:
        return write(events, file)


def check_suffix(path: Path) -> None:
    """See that events can be written to a file of this name.

    Raises:
        InputError: It ends in neither ``.csv`` nor ``.jsonl``.
    """
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise InputError(f"{path}: give a name that ends in .csv or .jsonl")


def _check_holds_nothing_else(path: Path) -> None:
    """See that no journal, log or clip is replaced, whose name was given by mistake."""
    if not path.is_file():
        return
    with writing(path), path.open("rb") as file:
        begins = file.read(1000).decode(errors="replace")
    if begins and not begins.startswith("{") and not set(column_names(begins)) >= _NEEDED:
        raise InputError(f"{path}: holds something else than events; give another name")


def holds_events(path: Path, text: str) -> bool:
    """Tell events from an activity log, by the file's name, or by what it begins with."""
    return _is_jsonl(path, text) or set(column_names(text)) >= _NEEDED


def parse_events(text: str, path: Path) -> Iterator[ActivityEvent]:
    """Read the text of a file of events.

    Raises:
        InputError: A line makes no sense; it is named.
    """
    if _is_jsonl(path, text):
        if text.lstrip().startswith("["):
            raise InputError(f"{path}:1: a JSON list; give one event a line, without brackets")
        for number, line in enumerate(text.split("\n"), 1):  # U+2028 may stand in a room's name
            where = f"{path}:{number}"
            if _is_torn(line):
                logger.warning("left out: %s: half an event, as a power cut leaves it", where)
            elif line.strip():
                event = _decode(line, where)
                _refuse_twins(line, where)
                yield event
        return
    hint = "export a journal with har-forecast --export"
    for where, cells in read_table(
        text, str(path), needed=sorted(_NEEDED), hint=hint, many_lines=True
    ):
        values: dict[str, object] = {
            name: plain(value) for name, value in cells.items() if value and name in COLUMNS
        }
        try:
            values["probabilities"] = json.loads(cells.get("probabilities") or "{}")
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: probabilities: {error}") from error
        yield _decode(json.dumps(values), where)


def _is_torn(line: str) -> bool:
    """Tell the beginning of an event from a line that is whole, right or wrong."""
    if not line.startswith("{") or line.rstrip().endswith("}"):
        return False
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return True
    except RecursionError:
        pass  # whole, and no event
    return False


def _is_jsonl(path: Path, text: str) -> bool:
    """A ``.jsonl`` is one, also gzipped; and so is what begins as JSON does."""
    return ".jsonl" in (suffix.lower() for suffix in path.suffixes[-2:]) or (
        text[:1000].lstrip().startswith(("{", "["))
    )


def _write_csv(events: Iterable[ActivityEvent], file: TextIO) -> int:
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    n_events = 0
    for n_events, event in enumerate(events, 1):  # noqa: B007 -- the last number is the count
        row = event.model_dump(mode="json", include=set(COLUMNS))
        row |= {"probabilities": json.dumps(row["probabilities"])}
        writer.writerow({name: harmless(value) for name, value in row.items()})
    return n_events


def _write_jsonl(events: Iterable[ActivityEvent], file: TextIO) -> int:
    return sum(file.write(event.encode().decode() + "\n") > 0 for event in events)


def harmless(value: object) -> object:
    """Put an apostrophe before what a spreadsheet would run: it shows the text as it is."""
    return f"'{value}" if isinstance(value, str) and _RISKY.match(value) else value


def plain(cell: str) -> str:
    """Take `harmless`'s apostrophe away."""
    return cell[1:] if cell.startswith("'") and _RISKY.match(cell) else cell


def _refuse_twins(line: str, where: str) -> None:
    """Refuse an event in which a name stands twice, of which a reader takes the last."""

    def check(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{where}: {twice!r} is given twice; keep one")

    json.loads(line, object_pairs_hook=check)


def _decode(line: str, where: str) -> ActivityEvent:
    try:
        return ActivityEvent.decode(line)
    except MessageError as error:
        raise InputError(f"{where}: {error}; mend the line or remove it") from error
