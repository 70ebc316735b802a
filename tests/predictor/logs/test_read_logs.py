"""Logs: dirty rows are named and left out, other people's formats become ours."""

import csv
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.event_builder import event, living
from support.files.mutations import mutate

from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent
from predictor.evaluation.prequential import cases, first_test_day
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.logs.csv_log import write_log
from predictor.logs.event_file import write_events
from predictor.logs.other_formats import KINDS, read_other_format
from predictor.logs.read_logs import read_events, read_logs
from predictor.sessions import Session, merge

LOCAL = datetime(2026, 3, 2, 8, 0).astimezone()


def _session(activity: str, begin_min: float, end_min: float) -> Session:
    return Session(
        activity, LOCAL + timedelta(minutes=begin_min), LOCAL + timedelta(minutes=end_min)
    )


def _write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_dirty_rows_are_named_and_overlaps_kept_in_order(tmp_path: Path) -> None:
    source = _write(
        tmp_path / "log.csv",
        "start,end,activity,room\n"
        "2026-03-02 09:00:00,2026-03-02 10:00:00,Work,study\n"
        "2026-03-02 08:00:00,2026-03-02 09:30:00,Eat,\n"
        "2026-03-02 11:00:00,2026-03-02 10:00:00,Nap,\n"
        "2026-03-02 11:00:00,2026-03-02 12:00:00,unknown,\n",
    )
    log = read_logs([source])
    assert [(each.activity, each.room) for each in log.sessions] == [
        ("Eat", None),
        ("Work", "study"),
    ]
    assert len(log.skipped) == 2
    assert log.skipped[0].startswith(f"{source}:4: ends before it starts")
    assert log.skipped[1] == f"{source}:5: 'unknown' is no activity"


def test_times_may_carry_a_zone(tmp_path: Path) -> None:
    source = _write(
        tmp_path / "log.csv",
        "start,end,activity\n2026-03-02T09:00:00+01:00,2026-03-02T10:00:00+02:00,Work\n",
    )
    session = read_logs([source]).sessions[0]
    assert session.started_at == session.ended_at


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ":1: no column activity, end, start"),
        ("start,end,activity\n", "no activity in it"),
        ("start,end,activity\n2026-03-02 09:00:00,soon,Work\n", ":2: 'soon' is no time"),
        ("start,end,activity\n2026-03-02 09:00:00,2026-03-02 09:01:00,\n", ":2: no activity"),
        ("begin,end,activity\n", ":1: no column start"),
    ],
)
def test_what_makes_no_sense_is_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError) as raised:
        read_logs([_write(tmp_path / "log.csv", text)])
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_recorded_events_and_a_journal_say_the_same(tmp_path: Path) -> None:
    changes = (("cook", "activity_started"), ("eat", "activity_changed"), ("eat", "activity_ended"))
    events = [
        ActivityEvent(
            id=f"00000000-0000-4000-8000-00000000000{number}",
            seq=number + 1,
            event_type=kind,
            activity=activity,
            room="kitchen",
            confidence=1.0,
            started_at=LOCAL + timedelta(minutes=10 * (activity == "eat")),
            ended_at=LOCAL + timedelta(minutes=30) if kind == "activity_ended" else None,
            camera="cam",
            node="node",
        )
        for number, (activity, kind) in enumerate(changes)
    ]
    lines = [event.encode().decode() for event in events]
    recorded = _write(tmp_path / "events.jsonl", "\n".join([*lines, lines[0]]) + "\n")
    url = f"sqlite:///{tmp_path}/journal.db"
    with Journal(url) as journal:
        journal.record_all(events, received_at=LOCAL)
    for source in (recorded, url):
        sessions = read_logs([source]).sessions
        assert [(each.activity, each.started_at, each.ended_at) for each in sessions] == [
            ("cook", LOCAL, LOCAL + timedelta(minutes=10)),
            ("eat", LOCAL + timedelta(minutes=10), LOCAL + timedelta(minutes=30)),
        ]
    with pytest.raises(InputError, match="no such journal"):
        read_logs([f"sqlite:///{tmp_path}/absent.db"])


def test_merging_is_a_view_with_the_next_different_activity_as_target() -> None:
    raw = [
        _session("eat", 0, 10),
        _session("eat", 20, 30),
        _session("eat", 90, 95),
        _session("work", 100, 200),
        _session("eat", 200, 210),
    ]
    merged = merge(raw)
    assert [(each.activity, each.ended_at) for each in merged] == [
        ("eat", raw[1].ended_at),
        ("eat", raw[2].ended_at),
        ("work", raw[3].ended_at),
        ("eat", raw[4].ended_at),
    ]
    assert [(each.current, each.target) for each in cases(merged, repeats=False)] == [
        (0, 2),
        (1, 2),
        (2, 3),
    ]
    assert len(cases(raw, repeats=True)) == 4


def test_the_test_days_are_the_last_thirty_percent() -> None:
    days = [_session("eat", 1440 * day, 1440 * day + 10) for day in range(10)]
    assert first_test_day(days) == days[7].started_at.date()


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 5000), st.integers(0, 90)),
        min_size=1,
        max_size=30,
    )
)
def test_writing_and_reading_give_the_sessions_back(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, int, int]]
) -> None:
    sessions = sorted(
        (_session(activity, begin, begin + length) for activity, begin, length in told),
        key=lambda session: session.started_at,
    )
    path = tmp_path_factory.getbasetemp() / "round-trip.csv"
    assert write_log(path, sessions) == len(sessions)
    assert list(read_logs([str(path)]).sessions) == sessions
    assert len(merge(sessions)) <= len(sessions)


def test_the_hour_that_comes_twice_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asleep from half past two of summer time until ten past two of winter time."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        begin = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        sessions = [Session("Sleeping", begin, begin + timedelta(minutes=40))]
        write_log(tmp_path / "log.csv", sessions)
        assert list(read_logs([str(tmp_path / "log.csv")]).sessions) == sessions
        assert "02:30:00,2026-10-25 02:10:00+01:00" in (tmp_path / "log.csv").read_text()
    finally:
        monkeypatch.undo()
        time.tzset()


FOREIGN = {
    "casas": (
        "2011-06-15 00:06:32.834414 M021 ON Sleep begin\n"
        "2011-06-15 00:06:33.988964 M021 OFF\n"
        "2011-06-15 03:38:28.212060 M021 OFF Sleep end\n"
        "2011-06-15 03:39:00.0 M020 ON Bed_Toilet_Transition begin\n"
        "2011-06-15 03:41:00.0 M020 OFF Bed_Toilet_Transition end\n"
        "2011-06-15 03:42:00.0 M020 OFF Cook end\n",
        ["Sleep", "Bed_Toilet_Transition"],
        ":6: Cook ends but never began",
    ),
    "ordonez": (
        "Start time             \tEnd time               \tActivity\n"
        "--------------------\t--------------------\t-------------\n"
        "2011-11-28 02:27:59\t\t2011-11-28 10:18:11\t\tSleeping\t\n"
        "2011-12-01 19:28:51\t\t2011-12-01 16:29:59\t\tSpare_Time/TV\n",
        ["Sleeping"],
        ":4: ends before it starts",
    ),
    "kasteren": (
        "% 10: go to bed\n"
        "Start time\tEnd time\tID\n"
        "25-Feb-2008 00:22:46\t25-Feb-2008 09:34:12\t10\n"
        "25-Feb-2008 09:37:17\t25-Feb-2008 09:38:02\t4\n"
        "25-Feb-2008 09:40:00\n",
        ["go_to_bed", "activity_4"],
        ":5: start, end and activity expected",
    ),
    "home-assistant": (
        "entity_id,state,last_changed\n"
        "sensor.cam_activity,cooking,2026-03-02T17:00:00.000Z\n"
        "sensor.cam_activity,idle,2026-03-02T17:30:00.000Z\n"
        "sensor.cam_activity,unavailable,2026-03-02T18:00:00.000Z\n"
        "binary_sensor.bed,on,2026-03-02T22:00:00.000Z\n"
        "binary_sensor.bed,off,2026-03-03T06:00:00.000Z\n"
        ",on,2026-03-03T07:00:00.000Z\n",
        ["cooking", "bed"],
        ":7: entity_id, state and last_changed expected",
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_log_becomes_ours(kind: str, tmp_path: Path) -> None:
    text, activities, left_out = FOREIGN[kind]
    log = read_other_format(Path(_write(tmp_path / "theirs.txt", text)), kind)
    assert [session.activity for session in log.sessions] == activities
    assert any(left_out in line for line in log.skipped), log.skipped


def test_kasteren_comes_as_a_table_too(tmp_path: Path) -> None:
    text = "start_time,end_time,activity\n2008-02-25 00:22:46,2008-02-25 09:34:12,go to bed\n"
    log = read_other_format(Path(_write(tmp_path / "theirs.csv", text)), "kasteren")
    assert [session.activity for session in log.sessions] == ["go_to_bed"]


KASTEREN_TABLE = (
    "start_time,end_time,activity\n"
    "2008-02-25 00:22:46,2008-02-25 09:34:12,go to bed\n"
    "2008-02-25 10:22:46,2008-02-25 11:34:12\n"
)


def test_a_short_row_of_kasterens_table_is_left_out(tmp_path: Path) -> None:
    log = read_other_format(Path(_write(tmp_path / "theirs.csv", KASTEREN_TABLE)), "kasteren")
    assert len(log.sessions) == 1
    assert log.skipped == [f"{tmp_path / 'theirs.csv'}:3: start, end and activity expected"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [*((kind, text) for kind, (text, _, _) in FOREIGN.items()), ("kasteren", KASTEREN_TABLE)],
)
def test_mutations_of_a_foreign_log(tmp_path: Path, kind: str, text: str) -> None:
    path = tmp_path / "theirs.txt"
    for seed in range(100):
        path.write_bytes(mutate(text.encode(), seed))
        try:
            read_other_format(path, kind)
        except InputError as error:
            assert "\n" not in str(error)


@given(kind=st.sampled_from(sorted(KINDS)), text=st.text(max_size=200))
def test_any_text_is_read_or_refused_in_one_line(
    kind: str, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.txt"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read_other_format(path, kind)
    assert "\n" not in str(raised.value)


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
        f"left out: {path}:5: ends before it starts (2011-11-28 10:40:00 to 2011-11-28 10:39:00)",
        "left out: 1 in all, as named above",
    ]


def test_bouts_of_the_journal_are_the_rows_of_the_log(tmp_path: Path, shared: Path) -> None:
    path = shared / "data" / "logs" / "casas_al_hh.csv"
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        for _ in range(2):  # the second time adds nothing
            journal.record_all(read_events(path), received_at=LOCAL)
        bouts = [(bout.started_at.isoformat(" ")[:19], bout.activity) for bout in journal.bouts()]
    with path.open() as file:
        rows = sorted((row["start"], row["activity"]) for row in csv.DictReader(file))
    assert len(bouts) == len(rows)
    assert sorted(bouts) == rows


def test_an_event_that_ends_before_it_starts_is_named(tmp_path: Path) -> None:
    odd = event(seq=99, event_type="activity_ended", activity="nap", minute=9, ended_minute=5)
    write_events([*living(days=1), odd], tmp_path / "events.jsonl")
    log = read_logs([str(tmp_path / "events.jsonl")])
    assert log.skipped == [f"{tmp_path}/events.jsonl: event {odd.id}: nap ends before it starts"]
    assert "nap" not in {session.activity for session in log.sessions}
