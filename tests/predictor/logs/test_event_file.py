"""The journal as CSV or JSON lines and back; logs made elsewhere become events."""

import csv
import logging
from pathlib import Path

import pytest
from support.event_builder import event, living

from har_stream.core.errors import InputError
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.logs.event_file import write_events
from predictor.logs.read_logs import read_events

EVENTS = [
    *living(days=2),
    event(seq=90, event_type="activity_ended", activity='odd, "quoted"\nöß', ended_minute=9),
]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_nothing_is_lost_on_the_way_out_and_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"journal{suffix}"
    assert write_events(EVENTS, path) == len(EVENTS)
    assert list(read_events(path)) == EVENTS
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_an_interrupted_export_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_events(EVENTS, path)

    def torn() -> object:
        yield EVENTS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_events(torn(), path)  # type: ignore[arg-type]  # a generator of events all the same
    assert list(read_events(path)) == EVENTS
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


LOG = """start,end,activity,room
2011-11-28 02:27:59,2011-11-28 10:18:11,Sleeping,bedroom
2011-11-28 10:21:24,2011-11-28 10:23:36,Toileting,bathroom
2011-11-28 10:23:36,2011-11-28 10:33:00,Showering,bathroom
2011-11-28 10:40:00,2011-11-28 10:39:00,Breakfast,kitchen
2011-11-28 10:50:00,2011-11-28 11:39:00,Leaving,
"""


def test_a_log_becomes_events(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "ordonez.csv"
    path.write_text(LOG)
    with caplog.at_level(logging.WARNING):
        events = list(read_events(path))
    told = [(one.event_type.removeprefix("activity_"), one.activity) for one in events]
    assert told == [
        ("started", "Sleeping"),
        ("ended", "Sleeping"),
        ("started", "Toileting"),
        ("changed", "Showering"),
        ("ended", "Showering"),
        ("started", "Leaving"),
        ("ended", "Leaving"),
    ]
    assert [one.seq for one in events] == list(range(1, 8))
    assert events[3].previous == "Toileting"
    assert events[0].room == "bedroom"
    assert events[5].room is None
    assert [record.message for record in caplog.records] == [
        f"{path}:5: ends before it starts (2011-11-28 10:40:00 to 2011-11-28 10:39:00); skipped"
    ]


def test_bouts_of_the_journal_are_the_rows_of_the_log(tmp_path: Path, shared: Path) -> None:
    path = shared / "data" / "logs" / "casas_al_hh.csv"
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        for _ in range(2):  # the second time adds nothing
            journal.record_all(read_events(path), received_at=EVENTS[0].started_at)
        bouts = [(bout.started_at.isoformat(" ")[:19], bout.activity) for bout in journal.bouts()]
    with path.open() as file:
        rows = sorted((row["start"], row["activity"]) for row in csv.DictReader(file))
    assert len(bouts) == len(rows)
    assert sorted(bouts) == rows


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "when,what\n1,2\n", "a.csv:1: no column activity, end, start"),
        ("a.csv", "start,end,activity\nyesterday,now,Eating\n", "a.csv:2: "),
        ("a.csv", "start,end,activity\n2011-11-28,2011-11-29,\n", "a.csv:2: no activity"),
        ("a.csv", "start,end,activity\n2011-11-28\n", "a.csv:2: "),
        ("a.csv", "id,seq,event_type,probabilities\n1,1,x,{\n", "a.csv:2: probabilities"),
        ("a.csv", "id,seq,event_type\n1,1,x\n", "a.csv:2: ActivityEvent"),
        ("a.csv", "SEQ, Event_Type\n1,x\n", "a.csv:2: ActivityEvent"),
        ("a.jsonl", "{}\n", "a.jsonl:1: ActivityEvent"),
        ("a.jsonl", '\n{"id"', "a.jsonl:2: ActivityEvent"),
        ("a.csv", "", "a.csv:1: no column"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, name: str, content: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError) as raised:
        list(read_events(path))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "binary.csv", tmp_path / "absent.csv"):
        with pytest.raises(InputError, match=r"cannot be read|not UTF-8"):
            list(read_events(path))
    with pytest.raises(InputError, match=r"\.csv or \.jsonl"):
        write_events([], tmp_path / "journal.xml")
    with pytest.raises(InputError, match="cannot be written"):
        write_events([], tmp_path / "absent" / "journal.csv")
