"""Who does what when: tables of lines `clip,start_s,end_s,state`; no end means until the clip's."""

import csv
from dataclasses import dataclass
from pathlib import Path

from har_stream.core.errors import InputError

COLUMNS = ("clip", "start_s", "end_s", "state")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a clip in which somebody does something.

    Attributes:
        start_s: From the clip's start.
        end_s: Likewise; infinite where the table gives none.
        state: What is done.
        line: Of the table.
    """

    start_s: float
    end_s: float
    state: str
    line: int


def read_states(table: Path) -> dict[str, list[Stretch]]:
    """Read a table, by clip.

    Raises:
        InputError: It cannot be read, or a line is none of these.
    """
    stretches: dict[str, list[Stretch]] = {}
    try:
        with table.open(newline="") as file:
            reader = csv.DictReader(file)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise InputError(f"{table}:1: expected the columns {','.join(COLUMNS)}")
            for line, row in enumerate(reader, 2):
                try:
                    start_s, end_s = float(row["start_s"]), float(row["end_s"] or "inf")
                except (ValueError, TypeError) as error:
                    raise InputError(f"{table}:{line}: {error}; write seconds") from error
                found = Stretch(start_s, end_s, row["state"], line)
                stretches.setdefault(row["clip"], []).append(found)
    except OSError as error:
        raise InputError(f"{table}: cannot be read: {error.strerror}") from error
    return stretches
