"""Several residents of one log: what rooms show, and how well each is followed in them."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from support.event_builder import EIGHT

from predictor.commands.train_hmm import main
from predictor.evaluation.residents import RoomScores, Shown, judge_log, reported, shown
from predictor.logs.csv_log import write_log
from predictor.sessions import Session


def _session(activity: str, room: str, begins_h: float, ends_h: float, day: int = 0) -> Session:
    begin = EIGHT.replace(hour=0) + timedelta(days=day)
    start, end = (begin + timedelta(hours=hour) for hour in (begins_h, ends_h))
    return Session(activity, start, end, room)


def _together(n_days: int) -> list[Session]:
    """One cooks, eats and works while the other sleeps and reads."""
    sessions = [
        _session(activity, room, begins_h, ends_h, day)
        for day in range(n_days)
        for activity, room, begins_h, ends_h in (
            ("sleeping", "bedroom", 0, 10),
            ("sleeping", "bedroom_2", 0, 6.9),
            ("cooking", "kitchen", 7, 7.5),
            ("eating", "kitchen", 7.5, 8),
            ("working", "office", 8.1, 18),
            ("reading", "lounge", 10.1, 23),
            ("cooking", "kitchen", 18.1, 19),
            ("eating", "kitchen", 19, 23.5),
        )
    ]
    return sorted(sessions, key=lambda session: session.started_at)


def test_a_room_shows_who_came_last_and_whoever_stays_once_they_have_left() -> None:
    seen = shown([_session("reading", "lounge", 8, 12), _session("sitting", "lounge", 9, 10)])
    hours = [(each.at - EIGHT) / timedelta(hours=1) + 8 for each in seen]
    told = [each.activity for each in seen]
    assert (hours, told) == ([8, 9, 10, 12], ["reading", "sitting", "reading", "idle"])


def test_cameras_report_late_in_order_and_err_as_often_as_they_say() -> None:
    seen = shown(_together(40))
    reports = reported(seen, 0.25, np.random.default_rng(1))
    assert [report.at for report in reports] == sorted(report.at for report in reports)
    begun = [report for report in reports if report.true != "idle"]
    assert np.mean([report.event.activity != report.true for report in begun]) == pytest.approx(
        0.25, abs=0.05
    )
    assert {report.event.confidence for report in begun} == {0.75}
    kitchen = [report.event for report in reports if report.event.camera == "kitchen"]
    assert [event.seq for event in kitchen] == list(range(1, len(kitchen) + 1))
    assert kitchen[1].event_type == "activity_changed"
    assert kitchen[1].previous == kitchen[0].activity
    assert Shown(seen[0].at, "bedroom", "sleeping") in seen


def test_both_are_known_where_two_are_supposed_and_one_where_one_is() -> None:
    log = _together(10)
    one, two = (judge_log(log, number, model="hmm") for number in (1, 2))
    assert two.figures()["occupied_rooms"] > 0.97
    assert two.figures()["empty_rooms"] > 0.97
    assert one.figures()["occupied_rooms"] < 0.7
    assert one.n_occupied == two.n_occupied
    assert (one + two).n_next == 2 * two.n_next
    assert RoomScores().figures()["log_loss"] == 0.0


def test_evaluate_tells_of_residents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, page, figures = (tmp_path / name for name in ("log.csv", "page.html", "figures.json"))
    write_log(log, _together(6))
    words = ["evaluate", str(log), "--model", "hmm", "--residents", "2"]
    assert main([*words, "--html", str(page), "--json", str(figures)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said[:2]] == ["1 supposed", "2 supposed"]
    assert said[2:] == [str(figures), str(page)]
    assert json.loads(figures.read_text())["2 supposed"]["occupied_rooms"] > 0.9
    assert "<td>2 supposed</td>" in page.read_text()
    assert main([*words, "--boosting"]) == 2
    assert main([*words, "--unusual"]) == 2
    assert capsys.readouterr().err.count("answers a question of its own") == 2


@pytest.mark.parametrize(
    ("sessions", "said"),
    [
        ([Session("a", EIGHT, EIGHT + timedelta(hours=1))], "rows without a room"),
        ([_session("a", "hall", 8, 9)], "a log of several days is needed"),
    ],
)
def test_a_log_that_cannot_tell_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sessions: list[Session], said: str
) -> None:
    write_log(tmp_path / "log.csv", sessions)
    assert main(["evaluate", str(tmp_path / "log.csv"), "--residents", "2"]) == 2
    assert said in capsys.readouterr().err
