"""A plan comes back as it was kept; what is none is refused by its line."""

from pathlib import Path

import pytest

from fleet.planning.plan import Plan
from fleet.planning.plan_file import read_plan, write_plan
from har_stream.core.errors import InputError

PLAN = Plan({"a": "city-00001", "b": "city-00001"}, {"h": "city-homes-00001"}, {"city-00001": "m"})
TEXT = "kind,name,in\ncamera,a,city-00001\nlot,city-00001,m\n"


def test_a_plan_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    assert read_plan(path) == Plan()
    write_plan(path, PLAN)
    assert read_plan(path) == PLAN
    assert path.read_text().splitlines()[:2] == ["kind,name,in", "camera,a,city-00001"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n", "plan.csv:1: kind,name,in expected"),
        ("kind,name,in\ncamera,a\n", "plan.csv:2: camera, home or lot"),
        ("kind,name,in\nlot,a,m\nflat,a,b\n", "plan.csv:3: camera, home or lot"),
        ("kind,name,in\ncamera,a,city-00001\n", "lot city-00001 has no line of its own"),
        ('kind,name,in\n"', "this is no plan"),
        ("kind,name,in\ncamera,a,k\nlot,k,m\nlot,city-00001,m\n", "lot city-00001 has no camera"),
        ("kind,name,in\ncamera,a,l\ncamera,a,k\n", "plan.csv:3: camera a is there twice"),
        ("kind,name,in\n", "no camera is in this plan"),
        (f"{TEXT}home,i,../../city\n", r"'../../city' is no valid id"),
        (f'{TEXT}home,i,"a\ntopic readwrite #"\n', r"'a\\ntopic readwrite #' is no valid id"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Planned anew instead, every camera might change its lot."""
    path = tmp_path / "plan.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_plan(path)


def test_a_plan_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    """Taken as it is, cameras and homes of the lines that are gone would change their places."""
    path = tmp_path / "plan.csv"
    write_plan(path, PLAN)
    lines = path.read_text().splitlines(keepends=True)
    for n_lines in range(1, len(lines)):
        path.write_text("".join(lines[:n_lines]))
        with pytest.raises(InputError, match="restore the file"):
            read_plan(path)


def test_a_plan_that_a_spreadsheet_has_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    write_plan(path, PLAN)
    path.write_text("\ufeff" + path.read_text().replace("\n", "\r\n"))
    assert read_plan(path) == PLAN


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none/plan.csv: cannot be written: No such file"):
        write_plan(tmp_path / "none" / "plan.csv", PLAN)
