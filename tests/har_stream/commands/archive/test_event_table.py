"""Both kinds of an archive's output hold the same events, and the journal takes either, once."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.event_builder import EIGHT, living

from har_stream.commands.archive.event_table import write_table
from har_stream.core.errors import InputError
from predictor.journal.journal import Journal
from predictor.logs.read_logs import read_events, read_logs

EVENTS = list(living(days=3))
DONE = EVENTS[0].model_copy(
    update={"event_type": "activity_ended", "ended_at": EIGHT, "room": None, "id": "end", "seq": 99}
)
ROWS = [(event, "a/b.mp4") for event in (*EVENTS, DONE)]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "PARQUET", "JsonL"])
def test_every_event_comes_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"events.{suffix}"
    assert write_table(ROWS, path) == len(ROWS)
    assert list(read_events(path)) == [event for event, _ in ROWS]
    with Journal(f"sqlite:///{tmp_path}/journal.db") as journal:
        now = datetime.now(UTC)
        assert journal.record_all(read_events(path), received_at=now) == len(ROWS)
        assert journal.record_all(read_events(path), received_at=now) == 0
    assert read_logs([str(path)]).sessions


def test_the_schema_is_the_documented_one(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "events.parquet"
    write_table(ROWS, path)
    schema = pq.read_schema(path)
    documented = (Path(__file__).parents[4] / "docs" / "archives.md").read_text()
    for field in schema:
        kind = str(field.type).split(" (")[0].partition("<")[0]
        assert f"| `{field.name}` | {kind}" in documented, field
    assert pq.read_table(path)["clip"].to_pylist() == ["a/b.mp4"] * len(ROWS)


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "events.parquet"
    write_table(ROWS, path)
    whole = path.read_bytes()
    for n_left in (0, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:n_left])
        with pytest.raises(InputError, match=r"^[^\n]*cannot be read as Parquet[^\n]*$"):
            list(read_events(path))
    pq.write_table(pa.table({"id": ["a"], "seq": [0]}), path)
    with pytest.raises(InputError, match=r"row 1: ActivityEvent: seq: "):
        list(read_events(path))
