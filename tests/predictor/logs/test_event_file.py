"""The journal as CSV or JSON lines and back; what makes no sense is named."""

import csv
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.event_builder import event, living
from support.files.mutations import mutate
from support.processes.measured import run_python

from har_stream.core.errors import InputError
from predictor.logs.csv_log import write_log
from predictor.logs.event_file import write_events
from predictor.logs.read_logs import read_events, read_logs
from predictor.sessions import Session

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


TWICE = EVENTS[0].encode().decode().replace('"activity":', '"activity":"x","activity":')


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
        ("a.jsonl", '\n{"id"}', "a.jsonl:2: ActivityEvent"),
        ("a.csv", "", "a.csv:1: no column"),
        ("a.jsonl", TWICE, "a.jsonl:1: 'activity' is given twice; keep one"),
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


def test_half_an_event_is_named_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.jsonl"
    first, torn, last = (each.encode().decode() for each in EVENTS[:3])
    path.write_text(f"{first}\n{torn[:90]}\n{last}\n")
    assert list(read_events(path)) == [EVENTS[0], EVENTS[2]]
    assert f"left out: {path}:2: half an event" in caplog.text


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", b"start,end,activity\n"), ("a.jsonl", b"SQLite format 3\0\xff")]
)
def test_an_export_replaces_no_other_file(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match="holds something else than events; give another name"):
        write_events(EVENTS, path)
    assert path.read_bytes() == content


TEXT = st.text("=+-@\t\r\n' ,;\"ab\u2028\x85", max_size=6) | st.text(max_size=6)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(activity=TEXT, room=st.none() | TEXT, camera=TEXT, label=TEXT)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_any_text_comes_back(
    tmp_path: Path, suffix: str, activity: str, room: str | None, camera: str, label: str
) -> None:
    path = tmp_path / f"journal{suffix}"
    odd = event(activity=activity, room=room, camera=camera, probabilities={label: 0.5})
    write_events([odd], path)
    assert list(read_events(path)) == [odd]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "'="])
def test_no_spreadsheet_runs_a_cell(tmp_path: Path, start: str) -> None:
    path = tmp_path / "journal.csv"
    wicked = f'{start}HYPERLINK("http://evil","click")'
    write_events([event(activity=wicked, room=wicked, camera=wicked, previous=wicked)], path)
    with path.open(newline="") as file:
        _, row = csv.reader(file)
    assert not [cell for cell in row if cell.startswith(tuple("=+-@\t\r\n"))]
    assert row.count(f"'{wicked}") == 4


@pytest.mark.parametrize(
    "n", [pytest.param(30, id="short"), pytest.param(300, id="long", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", ["events.csv", "events.jsonl", "log.csv"])
def test_mutations_of_a_valid_log(tmp_path: Path, name: str, n: int) -> None:
    path = tmp_path / name
    if name == "log.csv":
        rows = [Session(e.activity, e.started_at, e.started_at, e.room) for e in EVENTS]
        write_log(path, rows)
    else:
        write_events(EVENTS, path)
    valid = path.read_bytes()
    counts = {"read": 0, "refused": 0}
    longest_s = 0.0
    for seed in range(n):
        path.write_bytes(mutate(valid, seed))
        began_s = time.process_time()
        for read in (lambda: list(read_events(path)), lambda: read_logs([str(path)])):
            try:
                read()
                counts["read"] += 1
            except InputError as error:
                assert "\n" not in str(error)
                counts["refused"] += 1
        longest_s = max(longest_s, time.process_time() - began_s)
    print(f"{name}: {n} mutations, {counts}, longest {longest_s:.2f} s, 0 tracebacks")
    assert longest_s < 2.0
    assert counts["refused"] > n / 4


def test_an_endless_log_is_refused() -> None:
    run = run_python(
        "import pathlib\n"
        "from har_stream.core.errors import InputError\n"
        "from predictor.logs.table import read_text\n"
        "try: read_text(pathlib.Path('/dev/zero'))\n"
        "except InputError as error: print(error)"
    )
    assert run.output == "/dev/zero: more than 100 MB; split it\n"
    assert run.peak_mb < 500
