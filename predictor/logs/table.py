"""Tables in text files, as spreadsheets, databases and people write them: read whole, or refused.

Commas, semicolons, tabs or bars part the columns; the first line names them, perhaps after Excel's
``sep=;``. Files may be gzipped, and UTF-8 or, with their mark, UTF-16.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from har_stream.core.errors import InputError

MAX_BYTES = 100_000_000
"""Of one log, unpacked; some hundred thousand events."""
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_GZIP = b"\x1f\x8b"
_NO_TEXT = {
    b"PK\x03\x04": "a spreadsheet or a zip archive; save the sheet as CSV, or unpack the archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet; save it as CSV",
    b"BZh": "compressed; unpack it first, or use gzip",
    b"\xfd7zXZ\x00": "compressed; unpack it first, or use gzip",
    b"\x28\xb5\x2f\xfd": "compressed; unpack it first, or use gzip",
    b"SQLite format 3\x00": "a database; give its address, sqlite:///path/to/journal.db",
    b"PAR1": "Parquet; give it a name that ends in .parquet",
}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_STATED = re.compile(f"sep=([{''.join(SEPARATORS)}])", re.IGNORECASE)
_UNCLOSED = "a quote opens here and is not closed on this line; close it, or take it away"
csv.field_size_limit(MAX_BYTES)  # the bound is `read_text`'s


class TableRow(NamedTuple):
    """A row.

    Attributes:
        where: Its file and line.
        cells: By column; a column that the row lacks is empty.
    """

    where: str
    cells: dict[str, str]


def read_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Read a text file, gzipped or not.

    Raises:
        InputError: It cannot be read, or is no text; it says what to do.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
        for magic, what in _NO_TEXT.items():
            if raw.startswith(magic):
                raise InputError(f"{path}: is no text but {what}")
        if raw.startswith(_GZIP):
            raw = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from error
    if len(raw) > max_bytes:
        raise InputError(f"{path}: more than {max_bytes // 1_000_000} MB; split it")
    try:
        text = raw.decode("utf-16" if raw.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: is not UTF-8 text; save it as UTF-8") from error
    text = text.lstrip("\ufeff")
    begins = text[:1000]
    if begins.count("\0") > len(begins) / 4:
        raise InputError(
            f"{path}: is full of zero bytes: no text, or UTF-16 without its mark; save it as UTF-8"
        )
    return text


def column_names(text: str) -> list[str]:
    """Name the columns of a table, in lower case; those of a text that is none mean nothing."""
    return _Layout.of(text, ()).names


def read_table(
    text: str, source: str, *, needed: Collection[str], hint: str, many_lines: bool = False
) -> Iterator[TableRow]:
    """Read the rows of a table; empty ones say nothing.

    Args:
        text: Of the file.
        source: Its name, for errors.
        needed: Columns without which it is of no use.
        hint: What it should look like, for whoever lacks one of them.
        many_lines: Whether a cell may hold a line's end. In logs that people write none does, and a
            quote that is never closed is named where it opens, not where the next one stands.

    Raises:
        InputError: A column is missing, or there twice, or a row cannot be told apart; its line is
            named.
    """
    layout = _Layout.of(text, needed)
    names, parting = layout.names, SEPARATORS[layout.separator]
    missing = [name for name in needed if name not in names]
    if missing:
        parted = f" (its columns are parted by {parting})" if len(names) > 1 else ""
        raise InputError(f"{source}:{layout.line}: no column {', '.join(missing)}{parted}; {hint}")
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise InputError(
            f"{source}:{layout.line}: two columns are named {twice[0]}; keep one, and rename the "
            "other"
        )
    rows = split_rows(
        text[layout.n_characters :],
        source,
        separator=layout.separator,
        is_spaced=layout.is_spaced,
        many_lines=many_lines,
        first_line=layout.line + 1,
    )
    for line, cells in rows:
        if not any(map(str.strip, cells)):
            continue
        if any(map(str.strip, cells[len(names) :])):
            raise InputError(
                f"{source}:{line}: {len(cells)} values under {len(names)} columns; put quotes "
                f"around a value that holds one of the {parting}"
            )
        cells += [""] * (len(names) - len(cells))
        yield TableRow(f"{source}:{line}", dict(zip(names, cells, strict=False)))


def split_rows(
    text: str,
    source: str,
    *,
    separator: str = ",",
    is_spaced: bool = False,
    many_lines: bool = False,
    first_line: int = 1,
) -> Iterator[tuple[int, list[str]]]:
    """Split a text into rows of cells, each with the line on which it begins.

    Raises:
        InputError: A quote is not closed, or closes before its cell ends; its line is named.
    """
    rows = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=is_spaced, strict=True
    )
    line = first_line
    try:
        for cells in rows:
            if rows.line_num + first_line - 1 > line and not many_lines:
                raise InputError(f"{source}:{line}: {_UNCLOSED}")
            yield line, cells
            line = rows.line_num + first_line
    except csv.Error as error:
        if rows.line_num + first_line - 1 > line or "end of data" in str(error):
            raise InputError(f"{source}:{line}: {_UNCLOSED}") from error
        raise InputError(
            f"{source}:{line}: a quote ends before its value does; double a quote that belongs to "
            "the value, and leave nothing between the last quote and the separator"
        ) from error


class _Layout(NamedTuple):
    """How a table is written.

    Attributes:
        separator: What parts its columns.
        is_spaced: Whether spaces follow it.
        names: Of the columns.
        line: The one that names them.
        n_characters: Up to that line's end.
    """

    separator: str
    is_spaced: bool
    names: list[str]
    line: int
    n_characters: int

    @classmethod
    def of(cls, text: str, needed: Collection[str]) -> "_Layout":
        """Find it out by the line of names: with which separator does it have what is needed?"""
        lines = io.StringIO(text, newline="")
        number, stated = 1, ""
        named = lines.readline()
        if (found := _STATED.fullmatch(named.strip("\r\n"))) is not None:
            stated = found[1]
            number, named = 2, lines.readline()
        while named and not named.strip():
            number, named = number + 1, lines.readline()
        layouts = [
            cls(separator, f"{separator} " in named, _names(named, separator), number, lines.tell())
            for separator in (stated or SEPARATORS)
        ]
        return max(layouts, key=lambda each: (len(set(needed) & set(each.names)), len(each.names)))


def _names(line: str, separator: str) -> list[str]:
    line = line.strip("\r\n")
    try:
        names = next(csv.reader([line], delimiter=separator, skipinitialspace=True)) or [""]
    except csv.Error:
        names = line.split(separator)
    return [name.strip().strip("\"'").strip().lower() for name in names]
