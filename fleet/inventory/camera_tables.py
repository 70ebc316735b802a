"""Cameras from a CSV file or a table of PostgreSQL: a row each, a column for each setting."""

import csv
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fleet.inventory.fleet_settings import FleetCamera
from har_stream.core.errors import InputError
from har_stream.core.redact import redact

COLUMNS = (
    *("name", "home", "source", "room", "enabled"),
    *("transport", "decode", "decode_on", "motion_gate"),
)
"""What a cell can say; a camera with a region, masks or thresholds stands in the YAML file."""
NEEDED = ("name", "home", "source")
Row = tuple[str, Mapping[str, object]]
"""Where it stands, as an error names it, and its cells; an empty one is left out."""


def read_csv(path: Path) -> Iterator[Row]:
    """Read the rows of a CSV file whose first line names the columns.

    Raises:
        InputError: With file and line; the file cannot be read, or is no such table.
    """
    n_read = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            n_read = 1
            _check_columns(header, f"{path}:1")
            for cells in lines:
                n_read = lines.line_num
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise InputError(
                        f"{path}:{n_read}: {len(header)} cells expected as in line 1, not "
                        f"{len(cells)}"
                    )
                pairs = zip(header, cells, strict=True)
                yield f"{path}:{n_read}", {name: cell for name, cell in pairs if cell}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{path}:{n_read + 1}: not valid CSV: {error}") from error


def read_table(database: str, table: str) -> Iterator[Row]:
    """Read the rows of a table of PostgreSQL, in the order of the cameras' names.

    Args:
        database: Its URL.
        table: Its name, which may have its schema's and a point before it.

    Raises:
        InputError: The database does not answer, or has no such table.
    """
    from sqlalchemy import MetaData, Table, select
    from sqlalchemy.exc import DBAPIError, NoSuchTableError

    from predictor.journal.database import make_engine

    schema, _, name = table.rpartition(".")
    engine = make_engine(database, sqlite={})
    try:
        with engine.connect() as connection:
            found = Table(name, MetaData(), schema=schema or None, autoload_with=connection)
            _check_columns([column.name for column in found.columns], f"table {table}")
            query = select(found).order_by(found.c.name).execution_options(yield_per=1000)
            for row in connection.execute(query).mappings():
                cells = {key: cell for key, cell in row.items() if cell not in (None, "")}
                yield f"table {table}, camera {row['name']!r}", cells
    except NoSuchTableError as error:
        raise InputError(f"{redact(database)}: there is no table {table!r}") from error
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise InputError(f"{redact(database)}: {reason}") from error
    finally:
        engine.dispose()


def _check_columns(columns: Sequence[str], where: str) -> None:
    """Refuse a table that lacks a column, names one twice or has one that means nothing."""
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise InputError(f"{where}: column {missing[0]!r} is missing; {', '.join(NEEDED)} must be")
    for name in columns:
        if name not in COLUMNS or name not in FleetCamera.model_fields:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"valid are {', '.join(COLUMNS)}"
            raise InputError(f"{where}: unknown column {name!r}; {hint}")
        if columns.count(name) > 1:
            raise InputError(f"{where}: column {name!r} is there twice")
