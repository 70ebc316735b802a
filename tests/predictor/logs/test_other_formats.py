"""What an importer cannot use is named and counted; what would lose most of a log is refused."""

from pathlib import Path

import pytest

from har_stream.core.errors import InputError
from predictor.commands.train_hmm import main
from predictor.logs.csv_log import Log
from predictor.logs.other_formats import read_other_format


def _read(tmp_path: Path, kind: str, text: str) -> Log:
    path = tmp_path / "theirs.txt"
    path.write_text(text)
    return read_other_format(path, kind)


def _told(log: Log, tmp_path: Path) -> list[str]:
    return [line.removeprefix(f"{tmp_path}/theirs.txt") for line in log.skipped]


def test_casas_marks_without_a_value_are_taken(tmp_path: Path) -> None:
    log = _read(
        tmp_path,
        "casas",
        "2010-11-04 00:03:50.2 M003 Sleeping begin\n"
        "2010-11-04 00:03:57.3 M003 OFF\n"
        "2010-11-04 05:40:43.6 M003 Sleeping end\n"
        "2010-11-04 05:40:51.3 M004 ON Bed to Toilet begin\n"
        "2010-11-04 05:43:30.2 T001 21.5 Bed to Toilet end\n"
        "2010-11-04 06:00:00.0 M003 ON begin\n"
        "2010-11-04 06:00:00.0 M003 ON Cook\n"
        "2010-11-04 07:00:00.0 M003 ON Rest begin\n"
        "2010-11-04 08:00:00.0 M003\n",
    )
    assert [session.activity for session in log.sessions] == ["Sleeping", "Bed_to_Toilet"]
    assert [line.partition(" at ")[0] for line in _told(log, tmp_path)] == [
        ":6: no activity before its begin",
        ":9: date, time, sensor and value expected",
        ":7: Cook without begin or end",
        ":8: Rest begins",
    ]


def test_casas_labels_of_every_event_are_refused(tmp_path: Path) -> None:
    lines = [f"2012-07-18 12:5{n}:45.1 D00{n} CLOSE Step_Out" for n in range(9)]
    with pytest.raises(InputError, match=r":1: label Step_Out without begin or end, as on 9 lines"):
        _read(tmp_path, "casas", "\n".join(lines))


def test_kasteren_rows_that_lack_something_are_named(tmp_path: Path) -> None:
    good = "2008-02-25 00:22:46,2008-02-25 09:34:12,go to bed\n"
    header = "Start_time; END_TIME ;activity\n".replace(";", ",")
    log = _read(
        tmp_path, "kasteren", f"{header}{good}2008-02-25 10:22:46,,\n,,\n\n{good * 2},,shower\n"
    )
    assert len(log.sessions) == 3
    assert _told(log, tmp_path) == [f":{line}: start, end and activity expected" for line in (3, 8)]
    with pytest.raises(InputError, match=r"4 of 5 rows would be left out"):
        _read(tmp_path, "kasteren", header + good + ",,shower\n" * 4)
    original = "25-Feb-2008 00:22:46\t25-Feb-2008 09:34:12\t10\n"
    log = _read(tmp_path, "kasteren", f"{original}25-Feb-2008 00:22:46\n2008 0:2 x\n10: bed\n")
    assert [session.activity for session in log.sessions] == ["bed"]
    assert len(log.skipped) == 2


HISTORY = (
    "entity_id,state,last_changed\n"
    "sensor.cam1_activity,idle,2026-11-20T06:00:00.000Z\n"
    "sensor.cam1_activity,cooking,2026-11-20T07:00:00.000Z\n"
    "sensor.cam1_activity,eating,2026-11-20T07:30:00.000Z\n"
    "sensor.cam1_activity,unknown,2026-11-20T08:00:00.000Z\n"
    "sensor.cam1_activity,sleeping,2026-11-20T21:00:00.000Z\n"
)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("sensor.cam1_confidence,{},{}", "2 of 3 states are numbers or times"),
        ("sensor.thermometer,{},{}", "2 of 3 states are numbers or times"),
        ("sensor.home_next_start,{},{}", "tells no activity: 3 rows"),
        ("sensor.home1_next_activity,{},{}", "tells no activity: 3 rows"),
        ("binary_sensor.cam1_camera,on,{1}", "tells no activity: 3 rows"),
        ("binary_sensor.home_eating_likely_within_60min,on,{1}", "tells no activity: 3 rows"),
        ("switch.cam1_recognition,on,{1}", "tells no activity: 3 rows"),
        ("person.anna,not_home,{1}", "tells no activity: 3 rows"),
        ("event.cam1_event,{1},{1}", "tells no activity: 3 rows"),
        ("light.kitchen,on,{1}", "tells no activity: 3 rows"),
    ],
)
def test_only_activities_are_taken_from_home_assistant(
    tmp_path: Path, rows: str, says: str
) -> None:
    values = ("90.1", "2026-11-20T08:00:00+00:00", "unknown")
    others = "".join(
        rows.format(value, f"2026-11-20T0{hour}:10:00.000Z") + "\n"
        for hour, value in enumerate(values, 7)
    )
    log = _read(tmp_path, "home-assistant", HISTORY + others)
    assert [session.activity for session in log.sessions] == ["cooking", "eating"]
    running, other = sorted(_told(log, tmp_path))[:2]
    assert says in other + running
    assert any(" is sleeping since " in line and "without an end" in line for line in log.skipped)


def test_history_with_two_states_a_row_is_refused(tmp_path: Path) -> None:
    text = HISTORY.replace("\n", ",attr\n").replace("changed,attr", "changed,state")
    with pytest.raises(InputError, match="two columns are named state"):
        _read(tmp_path, "home-assistant", text)


def test_what_is_left_out_is_said_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "theirs.csv"
    theirs.write_text(HISTORY)
    assert main(["import", "home-assistant", str(theirs), "--out", str(tmp_path / "o.csv")]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines()[0].startswith(f"left out: {theirs}:6: sensor.cam1_activity is ")
    assert told.err.splitlines()[1] == "left out: 1 in all, as named above"
    assert "2 sessions" in told.out


def test_casas_words_after_the_sensor_are_a_value_only_where_they_are_one(tmp_path: Path) -> None:
    log = _read(
        tmp_path,
        "casas",
        "2010-11-04 00:00:00 M003 Bed to Toilet begin\n"
        "2010-11-04 00:10:00 M003 Bed to Toilet end\n"
        "2010-11-04 01:00:00 D001 AJAR\n"
        "2010-11-04 01:00:00 D001 AJAR Leave begin\n"
        "2010-11-04 02:00:00 D001 AJAR Leave end\n"
        '",",\n',
    )
    assert [session.activity for session in log.sessions] == ["Bed_to_Toilet", "Leave"]
    assert _told(log, tmp_path) == [":6: date, time, sensor and value expected"]


@pytest.mark.parametrize("told", ["Cook begin", "Cook end", "Cook"])
def test_casas_marks_that_lose_an_activity_are_refused(tmp_path: Path, told: str) -> None:
    sleep = "2010-11-04 0{}:00:00 M003 ON Sleep {}\n"
    text = "".join(sleep.format(n, mark) for n in range(4) for mark in ("begin", "end"))
    text += "".join(f"2010-11-04 1{n}:00:00 M003 ON {told}\n" for n in range(4))
    with pytest.raises(InputError, match=r"all \d rows of 'Cook' would be left out"):
        _read(tmp_path, "casas", text)


def test_kasteren_lines_of_another_date_are_named(tmp_path: Path) -> None:
    good = "25-Feb-2008 00:22:46\t25-Feb-2008 09:34:12\t10\n"
    log = _read(tmp_path, "kasteren", f"{good}2008-02-26 00:22:46\t2008-02-26 09:34:12\t10\n")
    assert _told(log, tmp_path) == [":2: start, end and activity expected"]


@pytest.mark.parametrize(
    "rows",
    [
        ("sensor.kitchen,21.6 °C", "sensor.kitchen,21.7 °C"),
        ("sensor.power,1 234 W", "sensor.power,55 %"),
        ("sensor.up,0:05:12", "sensor.up,1:00"),
        ("sensor.bin,20.11.2026", "sensor.bin,21.11.2026"),
        ("sensor.hub,192.168.0.7", "sensor.hub,2026.11.2"),
        ("sensor.plug,ON", "sensor.plug,off"),
        ("sensor.phone,not_home", "sensor.phone,home"),
        ("select.fan,auto", "select.fan,eco"),
        ("binary_sensor.hall_motion,on", "binary_sensor.hall_motion,off"),
        ("binary_sensor.cam1_connectivity_2,on", "binary_sensor.cam1_connectivity_2,off"),
    ],
)
def test_what_things_say_is_no_activity(tmp_path: Path, rows: tuple[str, str]) -> None:
    others = "".join(f"{row},2026-11-20T0{n}:10:00Z\n" for n, row in enumerate(rows, 7))
    log = _read(tmp_path, "home-assistant", HISTORY + others)
    assert [session.activity for session in log.sessions] == ["cooking", "eating"]
    assert any(rows[0].partition(",")[0] in line for line in log.skipped)


def test_a_binary_sensor_is_the_activity_of_its_name_while_it_is_on(tmp_path: Path) -> None:
    told = ("on", "off", "True", "false", "open", "closed")
    rows = [f"binary_sensor.bed,{state},2026-11-20T0{n}:00:00Z\n" for n, state in enumerate(told)]
    log = _read(tmp_path, "home-assistant", HISTORY.partition("sensor")[0] + "".join(rows))
    assert [(each.activity, each.started_at.minute) for each in log.sessions] == [("bed", 0)] * 3


def test_kasteren_quotes_and_numbers_with_two_names(tmp_path: Path) -> None:
    row = "25-Feb-2008 00:22:46\t25-Feb-2008 09:34:12\t"
    log = _read(tmp_path, "kasteren", f'{row}"go to bed"\n{row}"toilet\n')
    assert [session.activity for session in log.sessions] == ["go_to_bed"]
    assert _told(log, tmp_path) == [":2: a quote is not closed"]
    with pytest.raises(InputError, match="number 1 is 'leave' and 'brush teeth'; keep one"):
        _read(tmp_path, "kasteren", f"1: leave\n{row}1\n1: brush teeth\n")


def test_the_sensors_of_ordonez_are_no_activities(tmp_path: Path) -> None:
    row = "2011-11-28 02:27:59\t2011-11-28 10:18:11\t"
    header = "Start time\tEnd time\t"
    log = _read(tmp_path, "ordonez", f"{header}Activity\tPlace\n{row}Sleeping\tBedroom\n")
    assert [session.activity for session in log.sessions] == ["Sleeping"]
    with pytest.raises(InputError, match=":1: no column Activity; give the file of activities"):
        _read(tmp_path, "ordonez", f"{header}Location\tType\tPlace\n{row}Bed\tPressure\tBedroom\n")
