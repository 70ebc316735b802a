"""`train-hmm`, run as a person runs it."""

import csv
import json
import sys
from pathlib import Path

import pytest
from support.regular_home import START, home

from predictor.commands import train_hmm
from predictor.commands.train_hmm import main
from predictor.logs.csv_log import write_log
from predictor.models.store import load
from predictor.outlook import Observation


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    write_log(path, home(5))
    with path.open("a") as file:
        file.write("2026-03-20 10:00:00,2026-03-20 09:00:00,relax,here\n")
    return path


def test_a_log_alone_is_fitted(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(log.parent)
    assert main([str(log)]) == 0
    said = capsys.readouterr()
    assert "dbn, learnt from 45 sessions of 7 activities on 5 days" in said.out
    assert f"{log}:47: ends before it starts" in said.err
    forecaster = load(log.parent / "forecaster")
    at = START.replace(month=4).astimezone()
    forecaster.observe(Observation("wake", at))
    likely = forecaster.outlook(at).next
    assert max(likely, key=likely.__getitem__) == "wash"


def test_em_and_drawings(log: Path) -> None:
    folder = log.parent / "home"
    assert main([str(log), "--model", "hmm", "--em", "3", "--out", str(folder)]) == 0
    assert main(["fit", str(log), "--model", "hmm", "--out", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["v000001", "v000002"]
    png, page = log.parent / "home.png", log.parent / "home.html"
    assert main(["show", str(folder), "--out", str(png)]) == 0
    assert main(["show", str(folder), "--out", str(page)]) == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    assert page.read_text().count("data:image/png;base64,") == 2


def test_evaluate_writes_figures_and_a_report_that_needs_nothing_else(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures_path, report = log.parent / "figures.json", log.parent / "report.html"
    arguments = ["--model", "hmm", "--json", str(figures_path), "--html", str(report)]
    assert main(["evaluate", str(log), *arguments]) == 0
    figures = json.loads(figures_path.read_text())
    needed = {"n_test", "log_loss", "brier", "top1", "top3", "ece", "time_mae_min", "coverage80"}
    assert figures["model"] == "hmm"
    assert figures.keys() >= needed
    for name in ("most_frequent", "time_of_day", "markov1"):
        assert figures["baselines"][name].keys() >= needed
        assert figures["log_loss"] < figures["baselines"][name]["log_loss"] + 1e-9
    assert len(figures["skipped"]) == 1
    page = report.read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page
    assert "markov1" in capsys.readouterr().out


def test_evaluate_says_what_would_be_told_as_unusual(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = log.parent / "unusual.json"
    assert main(["evaluate", str(log), "--unusual"]) == 2
    assert "no day is left after 21 to learn from; give fewer" in capsys.readouterr().err
    page = log.parent / "unusual.html"
    words = ["--json", str(figures), "--html", str(page)]
    assert main(["evaluate", str(log), "--unusual", "2", *words]) == 0
    said = capsys.readouterr().out
    assert "false alarms: 0 on 2 days, 0.00 a month (0.00 to 55.33)\n" in said
    assert json.loads(figures.read_text())["false alarms, quiet"].startswith("0 on 2 days")
    assert "<td>false alarms, quiet</td>" in page.read_text()
    assert "Rows left out: 1" in page.read_text()


def test_compare_sets_both_models_beside_every_baseline(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = log.parent / "compared.html"
    words = ["--at", "start", "--raw", "--noise", "0.1", "--html", str(page)]
    assert main(["compare", str(log), *words]) == 0
    said = capsys.readouterr().out
    for name in ("hmm", "dbn", "most_frequent", "time_of_day", "markov1", "gradient_boosting"):
        assert name in said
        assert f"<td>{name}</td>" in page.read_text()
    assert said.splitlines()[-1] == str(page)


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["evaluate", "log.csv", "--model", "hmm", "--json", "-"], "{"),
        (["evaluate", "log.csv", "--model", "hmm", "--html", "-"], "<!doctype html>"),
        (["show", "model", "--out", "-"], "<!doctype html>"),
        (["import", "ordonez", "theirs.txt", "--out", "-"], "start,end,activity\n"),
    ],
)
def test_a_file_may_go_to_standard_output_and_nothing_else_goes_there(
    words: list[str],
    begins: str,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(log.parent)
    Path("theirs.txt").write_text("2011-11-28 02:27:59\t\t2011-11-28 10:18:11\t\tSleeping\t\n")
    assert main([str(log), "--model", "hmm", "--out", "model"]) == 0
    for name in ("-", "/dev/stdout"):
        capfd.readouterr()
        assert main([name if word == "-" else word for word in words]) == 0
        said = capfd.readouterr().out
        assert said.lower().startswith(begins)
        assert said.rstrip().endswith(("}", "</html>", ",Sleeping"))


def test_what_takes_long_says_how_far_it_is_where_there_is_no_terminal(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_hmm, "PROGRESS_S", 0.0)
    assert main(["evaluate", str(log), "--model", "hmm", "--boosting"]) == 0
    said = capsys.readouterr().err
    for name in ("hmm", "gradient_boosting"):
        assert f"{name}: 20 of 45 sessions\n" in said


def test_import_makes_a_log(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("2011-11-28 02:27:59\t\t2011-11-28 10:18:11\t\tSleeping\t\n")
    ours = tmp_path / "ours.csv"
    assert main(["import", "ordonez", str(theirs), "--out", str(ours)]) == 0
    assert list(csv.reader(ours.open())) == [
        ["start", "end", "activity"],
        ["2011-11-28 02:27:59", "2011-11-28 10:18:11", "Sleeping"],
    ]
    before = theirs.read_bytes()
    assert main(["import", "ordonez", str(theirs), "--out", str(theirs)]) == 2
    assert theirs.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["absent.csv"], "absent.csv: cannot be read: No such file or directory"),
        (["evaluate", "absent.csv"], "cannot be read"),
        (["show", "nowhere"], "holds no usable model"),
        (["import", "casas", "absent.txt"], "cannot be read"),
    ],
)
def test_wrong_input_is_one_line_and_status_two(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["log.csv", "--out", "file"],
        ["log.csv", "--out", "file/model"],
        ["show", "model", "--out", "absent/show.html"],
        ["show", "model", "--out", "absent/show.png"],
        ["import", "kasteren", "kasteren.txt", "--out", "file/log.csv"],
    ],
)
def test_what_cannot_be_written_is_one_line_and_status_two(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_log(Path("log.csv"), home(2))
    assert main(["log.csv", "--out", "model"]) == 0
    Path("file").write_text("in the way")
    Path("kasteren.txt").write_text("28-Nov-2011 02:27:59\t28-Nov-2011 10:18:11\t5\n")
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr().err
    assert words[-1] in said
    assert said.count("\n") == 1


def test_a_log_of_one_activity_is_too_little_to_evaluate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.csv"
    path.write_text("start,end,activity\n2026-03-02 09:00:00,2026-03-02 10:00:00,Work\n")
    assert main(["evaluate", str(path)]) == 2
    assert "one activity only: none follows that differs; --raw" in capsys.readouterr().err
    assert main(["evaluate", str(path), "--raw"]) == 2
    assert "too little to evaluate" in capsys.readouterr().err


@pytest.mark.parametrize(("package", "extra"), [("jinja2", "forecast"), ("matplotlib", "train")])
def test_a_missing_package_is_one_line_that_names_its_extra(
    package: str,
    extra: str,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "predictor.evaluation.evaluation_report", raising=False)
    monkeypatch.delitem(sys.modules, f"{package}.figure", raising=False)
    assert main(["evaluate", str(log), "--model", "hmm", "--html", str(log.parent / "a.html")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"train-hmm: {package} is not installed: pip install 'har-stream[{extra}]'"


def test_what_a_log_says_is_escaped_in_the_report(log: Path) -> None:
    named = log.with_name("a&b.csv")
    log.rename(named)
    report = log.parent / "report.html"
    assert main(["evaluate", str(named), "--model", "hmm", "--html", str(report)]) == 0
    page = report.read_text()
    assert "a&amp;b.csv" in page
    assert "a&b.csv" not in page


def test_help_shows_how(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for example in ("train-hmm evaluate", "train-hmm compare", "train-hmm import casas"):
        assert example in said
