"""Files of corrections, CSV, beside an export of the events that they correct.

An export keeps them whole; reading a file twice adds nothing the second time.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from har_stream.core.activity import MAX_NAME_LENGTH, clean_name
from har_stream.core.atomic_file import replacing, writing
from har_stream.core.errors import InputError
from predictor.journal.records import Correction
from predictor.logs.csv_log import instant
from predictor.logs.event_file import harmless, plain
from predictor.logs.table import read_table, read_text

SUFFIX = ".corrections.csv"
_NAMES = ("id", "node", "camera", "activity")
_INSTANTS = ("started_at", "ended_at", "corrected_at")


def beside(path: Path) -> Path:
    """Return the name of the file of corrections beside an export of events."""
    return path.with_name(f"{path.stem}{SUFFIX}")


def holds_corrections(path: Path) -> bool:
    """Tell a file of corrections by its name."""
    return path.name.lower().endswith(SUFFIX)


def write_corrections(corrections: Sequence[Correction], path: Path) -> None:
    """Write corrections, whole or not at all.

    Raises:
        InputError: The file cannot be written.
    """
    with writing(path), replacing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*_NAMES, *_INSTANTS))
        for each in corrections:
            names = (each.id, *each.camera, each.activity)
            at = (each.started_at, each.ended_at, each.corrected_at)
            writer.writerow((*map(harmless, names), *(one.isoformat() for one in at)))


def read_corrections_file(path: Path) -> Iterator[Correction]:
    """Read a file of corrections.

    Raises:
        InputError: It cannot be read, or a line of it makes no sense; it is named.
    """
    hint = "export a journal with har-forecast --export"
    rows = read_table(read_text(path), str(path), needed=sorted((*_NAMES, *_INSTANTS)), hint=hint)
    for where, cells in rows:
        names = [clean_name(plain(cells[name])) for name in _NAMES]
        if not all(0 < len(name) <= MAX_NAME_LENGTH for name in names):
            raise InputError(f"{where}: {', '.join(_NAMES)}: a name is missing, or too long")
        started_at, ended_at, corrected_at = (instant(cells[name], where) for name in _INSTANTS)
        if not started_at < ended_at:
            raise InputError(f"{where}: it ends before it starts")
        name, node, camera, activity = names
        yield Correction(name, (node, camera), activity, started_at, ended_at, corrected_at)
