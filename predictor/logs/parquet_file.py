"""Events in Parquet (https://parquet.apache.org), as `har-stream --archive` writes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent, MessageError

_ROWS = 10_000
"""Rows that are held in memory at once."""


def is_parquet(path: Path) -> bool:
    """Tell a Parquet file by its name."""
    return path.suffix.lower() == ".parquet"


def read_parquet(path: Path) -> Iterator[ActivityEvent]:
    """Read the events of a file, with their times in this machine's zone.

    Raises:
        InputError: It cannot be read, or a row is no event; its number is named.
        ModuleNotFoundError: pyarrow is not installed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(_ROWS):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    number += 1
                    yield _event(row, path, number)
    except (OSError, ValueError, LookupError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: cannot be read as Parquet: {reason}") from error


def _event(row: dict[str, Any], path: Path, number: int) -> ActivityEvent:
    for name in ("started_at", "ended_at"):
        if hasattr(row.get(name), "astimezone"):
            row[name] = row[name].astimezone()
    try:
        return ActivityEvent.from_fields(row)
    except MessageError as error:
        raise InputError(f"{path}: row {number}: {error}") from error
