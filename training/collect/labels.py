"""Which stretch of which recording shows what: labels with seconds, from CSV files."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from har_stream.core.errors import InputError
from predictor.logs.table import read_table, read_text, split_rows

logger = logging.getLogger(__name__)

MAX_BYTES = 10_000_000
COLUMNS = ("file", "start_s", "end_s", "label")
_HINT = f"the first line names the columns: {','.join(COLUMNS)} and perhaps group"
_STRETCHES = re.compile(r"([A-Za-z ]+?)\s*(?:\([A-Z]+\))?\s*\[([^\[\]]*)")
_TIMES = re.compile(r"([\d.]+)\s*to\s*([\d.]+)")
_SYNONYMS = {"Fall": "Falling"}
"""GMDCSA24 has both names for it."""


@dataclass(frozen=True, slots=True)
class LabelledStretch:
    """A labelled stretch of a recording.

    Attributes:
        path: The recording.
        start_s: Where the stretch begins, in seconds from the recording's start.
        end_s: Where it ends.
        label: What it shows.
        group: What must stay on one side of a split: the recording, or whatever the CSV says.
    """

    path: Path
    start_s: float
    end_s: float
    label: str
    group: str


def read_labels(source: Path) -> list[LabelledStretch]:
    """Read labelled stretches.

    Args:
        source: A CSV with the columns `file,start_s,end_s,label` and perhaps `group`, its files
            relative to it; or the folder of GMDCSA24 (Alam et al. 2024), whose subjects are the
            groups.

    Raises:
        InputError: It cannot be read; the message names the line.
    """
    found = list(_of_gmdcsa(source) if source.is_dir() else _of_csv(source))
    if not found:
        raise InputError(f"{source}: no labelled stretch of a recording in it")
    return found


def _of_csv(path: Path) -> Iterator[LabelledStretch]:
    for where, cells in read_table(_read(path), str(path), needed=COLUMNS, hint=_HINT):
        fields = {name: cell.strip() for name, cell in cells.items()}
        recording = path.parent / fields["file"]
        try:
            start_s, end_s = float(fields["start_s"]), float(fields["end_s"])
        except ValueError as error:
            raise InputError(f"{where}: start_s and end_s are seconds") from error
        if not 0 <= start_s < end_s:
            raise InputError(f"{where}: {start_s:g} to {end_s:g} s is no stretch of time")
        if not fields["label"]:
            raise InputError(f"{where}: no label")
        if not _is_file(recording):
            raise InputError(f"{where}: {fields['file'][:200]}: no such recording")
        group = fields.get("group") or recording.stem
        yield LabelledStretch(recording, start_s, end_s, fields["label"], group)


def _of_gmdcsa(root: Path) -> Iterator[LabelledStretch]:
    """Read `Subject_N/{ADL,Fall}.csv`; listed recordings that are not there are counted."""
    n_absent = 0
    for table in sorted(root.glob("Subject_*/*.csv")):
        rows = split_rows(_read(table), str(table), many_lines=True)
        next(rows, None)  # names of columns
        for line, row in rows:
            path = table.with_suffix("") / row[0].strip() if row else table
            if not _is_file(path) or path == table:
                n_absent += bool(row)
                continue
            for name, times in _STRETCHES.findall(row[-1]):
                label = _SYNONYMS.get(name.strip(), name.strip())
                for start, end in _TIMES.findall(times):
                    try:
                        start_s, end_s = float(start), float(end)
                    except ValueError as error:
                        wrong = f"{start} to {end}: no times in seconds"
                        raise InputError(f"{table}:{line}: {wrong}") from error
                    yield LabelledStretch(path, start_s, end_s, label, table.parent.name)
    if n_absent:
        logger.warning("%s: %d recordings of its lists are not there", root, n_absent)


def _read(path: Path) -> str:
    return read_text(path, max_bytes=MAX_BYTES)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no name that a file may have
        return False
