"""Tables as spreadsheets write them are read; what cannot be told apart is refused by its line."""

import bz2
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.event_builder import living

from har_stream.core.activity import clean_name
from har_stream.core.errors import InputError
from predictor.logs.event_file import write_events
from predictor.logs.read_logs import read_events, read_logs
from predictor.logs.table import column_names, read_table, read_text

ROWS = (
    "start,end,activity,room\n"
    "2026-03-01 07:04:00,2026-03-01 07:22:00,showering,bath\n"
    "2026-03-01 07:48:00,2026-03-01 08:18:00,breakfast,\n"
)
SESSIONS = [("showering", "bath"), ("breakfast", None)]
LINE = "2026-03-01 07:04:00,2026-03-01 07:22:00"


def _write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _refusal(path: Path) -> str:
    """What every program says of a file; they read through one door."""
    told = set()
    readers: list[Callable[[], object]] = [
        lambda: read_logs([str(path)]),
        lambda: list(read_events(path)),
    ]
    for read in readers:
        with pytest.raises(InputError) as raised:
            read()
        told.add(str(raised.value))
    (line,) = told
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        ROWS.replace(",", ";"),
        ROWS.replace(",", "\t"),
        ROWS.replace(",", "|"),
        "sep=;\r\n" + ROWS.replace(",", ";").replace("\n", "\r\n"),
        "\ufeff" + ROWS,
        "\n\n" + ROWS + "\n,,,\n",
        ROWS.replace("start,end,activity,room", ' "Start" , "END","activity" ,"Room"'),
        ROWS.replace(",", ", "),
        ROWS.replace("showering", '"showering"').replace(",", ", "),
        "\ufeff\ufeff" + ROWS,
        ROWS.replace("start,", '"note, if any",start,').replace("\n20", "\n,20"),
        ROWS.encode("utf-16"),
        ROWS.replace(",", "\t").encode("utf-16"),
        gzip.compress(ROWS.encode(), mtime=0),
        gzip.compress(ROWS.encode("utf-16"), mtime=0),
    ],
)
@pytest.mark.parametrize("name", ["log.csv", "LOG.CSV", "log.txt", "log.csv.gz"])
def test_what_spreadsheets_write_is_read(tmp_path: Path, content: str | bytes, name: str) -> None:
    path = _write(tmp_path / name, content)
    sessions = read_logs([str(path)]).sessions
    assert [(each.activity, each.room) for each in sessions] == SESSIONS
    assert {event.camera for event in read_events(path)} == {"log"}


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", ";", "'"])
def test_a_room_may_hold_what_ends_a_line_elsewhere(tmp_path: Path, odd: str) -> None:
    path = _write(tmp_path / "log.csv", f"start,end,activity,room\n{LINE},rest,a{odd}b\n")
    assert [each.room for each in read_logs([str(path)]).sessions] == [clean_name(f"a{odd}b")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            f'start,end,activity\n{LINE},rest\n{LINE},"watching tv\n{LINE},rest\n',
            ":3: a quote opens",
        ),
        (
            f'start,end,activity\n{LINE},"tv\n{LINE},rest\n{LINE},"rest"\n',
            ":2: a quote opens here and is not closed",
        ),
        (f'start,end,activity\n{LINE},"{"x" * 200_000}\n', ":2: a quote opens"),
        (f'start,end,activity\n{LINE},"{"x" * 200_000}"\n', ":2: a name of more than 256"),
        (f'start,end,activity\n{LINE},"tv"x\n', ":2: a quote ends before its value does"),
        (f"start,end,activity\n{LINE},cooking, eating\n", ":2: 4 values under 3 columns"),
        ("start,end,activity,start\n", ":1: two columns are named start"),
        ("start;end;Activity;activity\n", ":1: two columns are named activity"),
        ("begin;end;activity\n", "no column start (its columns are parted by semicolons)"),
        ("start,end,activity\n0001-01-01,0001-01-02,x\n", ":2: '0001-01-01' "),
        ("start,end,activity\n2026-01-01,9999-01-02,x\n", ":2: '9999-01-02' lies not between"),
        (b"PK\x03\x04....", "a spreadsheet or a zip archive; save the sheet as CSV"),
        (bz2.compress(b"x"), "compressed; unpack it first"),
        (b"SQLite format 3\x00", "a database; give its address, sqlite://"),
        (b"PAR1", "Parquet; give it a name that ends in .parquet"),
        (
            ROWS.encode("utf-16-le"),
            "is full of zero bytes: no text, or UTF-16 without its mark; save",
        ),
        (ROWS.replace("bath", "B\xe4d").encode("latin-1"), ":2: is not UTF-8 text"),
        (gzip.compress(ROWS.encode(), mtime=0)[:-9], "cannot be read"),
        (gzip.compress(b"x", mtime=0)[:4] + b"\xff" * 20, "cannot be read"),
        ('[{"id": 1}]', ":1: a JSON list; give one event a line"),
        (f"start,end,activity\n{LINE},idle\n", "no activity in it"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_by_its_line(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    assert says in _refusal(_write(tmp_path / "log.csv", content))


def test_rows_of_which_too_much_would_go_are_refused(tmp_path: Path) -> None:
    good, bad = f"{LINE},rest\n", "2026-03-01 07:22:00,2026-03-01 07:04:00,"
    path = tmp_path / "log.csv"
    _write(path, f"start,end,activity\n{good * 9}{bad}tv\n{bad}tv\n")
    assert len(read_logs([str(path)]).skipped) == 2
    _write(path, f"start,end,activity\n{good * 9}{bad}tv\n{bad}tv\n{bad}tv\n")
    assert "all 3 rows of 'tv' would be left out" in _refusal(path)
    _write(path, f"start,end,activity\n{good * 3}{bad}rest\n{bad}rest\n{bad}rest\n{bad}rest\n")
    assert "4 of 7 rows would be left out" in _refusal(path)


def test_cells_of_many_lines_keep_their_first_line_number() -> None:
    text = 'a,b\n"1\n2\n",x\n3,"y\n'
    rows = read_table(text, "t", needed={"a"}, hint="", many_lines=True)
    assert next(rows) == ("t:2", {"a": "1\n2\n", "b": "x"})
    with pytest.raises(InputError, match="t:5: a quote opens"):
        next(rows)


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    for content in (ROWS.encode(), gzip.compress(ROWS.encode(), mtime=0)):
        read_end, write_end = os.pipe()
        os.write(write_end, content)
        os.close(write_end)
        assert read_text(Path(f"/dev/fd/{read_end}")) == ROWS
        os.close(read_end)


@pytest.mark.parametrize("name", ["e.jsonl", "E.JSONL", "e.jsonl.gz", "e.txt", "e.csv", "e.CSV.gz"])
def test_events_are_read_whatever_their_file_is_called(tmp_path: Path, name: str) -> None:
    events = list(living(days=1))
    kind = "csv" if "csv" in name.lower() else "jsonl"
    write_events(events, tmp_path / f"export.{kind}")
    content = (tmp_path / f"export.{kind}").read_bytes()
    path = _write(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
    assert list(read_events(path)) == events


def test_a_text_that_is_no_table_has_no_columns_that_mean_anything() -> None:
    assert column_names("") == [""]
    assert column_names("seq;Event_Type\n1;2") == ["seq", "event_type"]
