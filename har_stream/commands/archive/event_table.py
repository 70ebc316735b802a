"""The output of an archive: one file of events, Parquet or JSON lines, written whole or not at all.

A line or row is an event as it travels on MQTT, and the clip that it was seen in; see
docs/archives.md.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from har_stream.core.atomic_file import replacing_file, writing
from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent

SUFFIXES = (".parquet", ".jsonl")
_NOT_OF_ARCHIVES = {"signature", "lot_epoch"}
_LEFT_OUT = {"schema_version"} | _NOT_OF_ARCHIVES
_FIELDS = {
    name: field for name, field in ActivityEvent.model_fields.items() if name not in _LEFT_OUT
}
_MAY_LACK = {name for name, field in _FIELDS.items() if field.default is None}
_ROWS = 10_000
"""Rows of a group: what is held in memory at once."""


def check_out(path: Path) -> None:
    """See that a file of this name can be written, before any work.

    Raises:
        InputError: It has another suffix, or its folder is not there.
        ModuleNotFoundError: It is to be Parquet, and pyarrow is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out {path}: give a name that ends in {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise InputError(f"--out {path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise InputError(f"--out {path}: is a folder; give the name of a file")
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet  # noqa: F401 -- is it there?


def write_table(events: Iterable[tuple[ActivityEvent, str]], path: Path) -> int:
    """Write events, each with the name of its clip; returns how many.

    Raises:
        InputError: The file cannot be written.
    """
    write = _write_parquet if path.suffix.lower() == ".parquet" else _write_jsonl
    with writing(path), replacing_file(path) as partial:
        return write(events, partial)


def _write_jsonl(events: Iterable[tuple[ActivityEvent, str]], path: Path) -> int:
    n_events = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for event, clip in events:
            row = event.model_dump(mode="json", exclude=_NOT_OF_ARCHIVES) | {"clip": clip}
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
            n_events += 1
    return n_events


def _write_parquet(events: Iterable[tuple[ActivityEvent, str]], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    instant = pa.timestamp("ms", tz="UTC")
    types = {
        "seq": pa.int64(),
        "confidence": pa.float64(),
        "probabilities": pa.map_(pa.string(), pa.float64()),
        "started_at": instant,
        "ended_at": instant,
    }
    schema = pa.schema(
        [
            pa.field(name, types.get(name, pa.string()), nullable=name in _MAY_LACK)
            for name in (*_FIELDS, "clip")
        ]
    )
    rows = (_row(event, clip) for event, clip in events)
    n_events = 0
    with pq.ParquetWriter(path, schema, write_page_checksum=True) as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema))
            n_events += len(group)
    return n_events


def _row(event: ActivityEvent, clip: str) -> dict[str, Any]:
    row = event.model_dump(exclude=_LEFT_OUT)
    return row | {"probabilities": list(event.probabilities.items()), "clip": clip}


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(rows, _ROWS)):
        yield group
