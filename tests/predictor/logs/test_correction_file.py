"""An export carries corrections beside the events, and an import brings them back."""

from datetime import timedelta
from pathlib import Path

import pytest
from support.event_builder import EIGHT, started

from har_stream.core.errors import InputError
from predictor.commands.forecast import main
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.journal.records import Correction
from predictor.logs.correction_file import read_corrections_file, write_corrections

ODD = Correction(
    '=1+1,"c"',
    ("n1", "cam1"),
    "'washing\U0001f600",
    EIGHT,
    EIGHT + timedelta(minutes=20, milliseconds=1),
    corrected_at=EIGHT + timedelta(hours=1),
)
HEAD = "id,node,camera,activity,started_at,ended_at,corrected_at\n"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.corrections.csv"
    write_corrections([ODD], path)
    assert list(read_corrections_file(path)) == [ODD]
    assert "\n'=1" in path.read_text().replace('"', "")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("c1,n1,cam1,,2026-01-05T08:00,2026-01-05T09:00,2026-01-05T10:00", "missing"),
        ("c1,n1,cam1,a,2026-01-05T09:00,2026-01-05T09:00,2026-01-05T10:00", "before it starts"),
        ("c1,n1,cam1,a,soon,2026-01-05T09:00,2026-01-05T10:00", "soon"),
    ],
)
def test_a_row_that_makes_no_sense_is_named(row: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.corrections.csv"
    path.write_text(HEAD + row + "\n")
    with pytest.raises(InputError, match=says) as refused:
        list(read_corrections_file(path))
    assert f"{path}:2" in str(refused.value)


def test_export_and_import_carry_both_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = (tmp_path / name for name in ("one", "other"))
    with Journal(sqlite_url(one / "journal.db")) as journal:
        journal.record(started("cooking", minute=0, seq=1), received_at=EIGHT)
        journal.corrections.record(ODD)
    assert main(["--state-dir", str(one), "--export", str(tmp_path / "j.csv")]) == 0
    assert "j.corrections.csv: 1 corrections of them" in capsys.readouterr().out
    for name in ("j.csv", "j.corrections.csv", "j.corrections.csv"):
        assert main(["--state-dir", str(other), "--import", str(tmp_path / name)]) == 0
    with Journal(sqlite_url(other / "journal.db")) as journal:
        assert [entry.event.activity for entry in journal.entries()] == ["cooking"]
        assert journal.corrections.since() == [ODD]
