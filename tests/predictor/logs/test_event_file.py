"""The journal as CSV or JSON lines and back; what makes no sense is named."""

from pathlib import Path

import pytest
from support.event_builder import event, living

from har_stream.core.errors import InputError
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
