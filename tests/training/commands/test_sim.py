"""har-sim: what it records agrees with itself, and the shipped bundle understands unseen homes."""

import csv
import json
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import pytest
from support.limits import files_of_at_most
from support.repository import ROOT

from har_stream.bundles.bundle import SHIPPED, find_bundle, load_bundle
from har_stream.recognition.recogniser import Recogniser
from har_stream.simulation.routine import ACTIVITIES
from har_stream.simulation.simulated_camera import SimulatedSource, read_frames
from har_stream.simulation.truth import truth
from training.commands import sim
from training.evaluation.simulated_home import score_labels, watch

START_AT = sim.START_AT.replace(hour=6)


def test_a_recording_holds_every_burst_and_its_log_the_truth(tmp_path: Path) -> None:
    video, log = tmp_path / "home.mp4", tmp_path / "home.csv"
    given = ["--start-at", "2026-01-05T07:00:00+00:00", "--days", "0.05", "--every", "300"]
    status = sim.main(["record", "5", "--video", str(video), "--log", str(log), *given])
    assert status == 0
    read = cv2.VideoCapture(str(video))
    assert int(read.get(cv2.CAP_PROP_FRAME_COUNT)) == 15 * 20
    assert read.get(cv2.CAP_PROP_FPS) == sim.RECORD_HZ
    assert read.read()[1].shape == (216, 384, 3)
    with log.open() as file:
        rows = list(csv.DictReader(file))
    stays = truth(5, start_at=datetime.fromisoformat(given[1]), days=0.05)
    assert [row["activity"] for row in rows] == [stay.activity for stay in stays]
    assert rows[0]["start"] == "2026-01-05 07:00:00"
    assert rows[-1]["end"] == "2026-01-05 08:12:00"


@pytest.mark.parametrize(
    "arguments", [["record", "5", "--start-at", "2026-01-05"], ["score", "--bundle", "nothing"]]
)
def test_wrong_input_is_one_line_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sim.main(arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


SHORT = ("--days", "0.00001")
BURST = ("--days", "0.0001", "--every", "0")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["record", "7"], "nothing to record: give --video FILE.mp4, --log FILE.csv or both"),
        (["record", "7", *BURST, "--video", "file/x.mp4"], "cannot be written: File exists"),
        (["record", "7", *BURST, "--video", "folder.mp4"], "cannot be written: Is a directory"),
        (["record", "7", *BURST, "--log", "file/x.csv"], "cannot be written: File exists"),
        (["record", "7", *BURST, "--log", "."], "cannot be written: Is a directory"),
        (["record", "7", *SHORT, "--video", "x.mp4"], "x.mp4: no frame to record; give more"),
        (["score", *SHORT], "--days 1e-05: over before the first decision; give more"),
        (["score", *BURST, "--json", "."], "cannot be written: Is a directory"),
        (["score", "--bundle", "nothing", "--json", "gone/x.json"], "there is no folder gone"),
    ],
)
def test_what_cannot_be_recorded_or_scored_is_told_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    before = sorted(tmp_path.iterdir())
    assert sim.main(arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("har-sim: ")
    assert said in line
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (["score", "--seed", "-1"], "'-1' is no whole number from 0 on"),
        (["score", "--history", "-2"], "'-2' is no whole number from 0 on"),
        (["record", "x"], "'x' is no whole number from 0 on"),
        (["record", "7", "--days", "0"], "'0' is no positive number"),
        (["record", "7", "--size", "0x9"], "'0x9' is no size; width x height expected"),
        (["record", "7", "--size", "9x99999"], "'9x99999': 7680 pixels at most a side"),
        (["record", "7", "--size", "9"], "'9' is no size; width x height expected"),
    ],
)
def test_a_flag_that_cannot_be_is_named(
    capsys: pytest.CaptureFixture[str], flag: list[str], said: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        sim.main(flag)
    assert said in capsys.readouterr().err


def test_ctrl_c_ends_in_one_line_and_leaves_no_part_of_a_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sim.ClipFile, "write", lambda *_: signal.raise_signal(signal.SIGINT))
    assert sim.main(["record", "7", *BURST, "--video", str(tmp_path / "home.mp4")]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "har-sim: interrupted"
    assert not list(tmp_path.iterdir())


def test_a_video_that_does_not_reach_the_disk_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with files_of_at_most(200):
        status = sim.main(["record", "7", *BURST, "--video", str(tmp_path / "home.mp4")])
    assert status == 2
    assert "is the disk full" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_bundle_of_ones_own_is_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim, "default_state_dir", lambda: tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/mine").symlink_to(SHIPPED / "sim-home")
    (score,) = _scored(tmp_path, "--bundle", "mine", *BURST)
    assert score["n_decisions"] >= 1


def test_the_shipped_bundle_has_seen_no_home_of_a_camera() -> None:
    manifest = load_bundle(find_bundle("sim-home")).manifest
    assert manifest.labels == ACTIVITIES
    assert manifest.deciding.urgent == ("fallen",)
    assert "simulated" in manifest.provenance.dataset
    assert not manifest.provenance.leaks


def _scored(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    figures = folder / "figures.json"
    assert sim.main(["score", *arguments, "--json", str(figures)]) == 0
    scores: list[dict[str, Any]] = json.loads(figures.read_text())
    return scores


@pytest.mark.slow  # the simulated day in tests/end_to_end shows it through the real processes
def test_the_shipped_bundle_understands_half_a_day_in_an_unseen_home(tmp_path: Path) -> None:
    half_a_day = ("--start-at", START_AT.isoformat(), "--days", "0.5", "--every", "120")
    (score,) = _scored(tmp_path, "--seed", "101", *half_a_day)
    assert score["n_decisions"] == 360
    assert score["recognition_accuracy"] >= 0.95
    assert score["current_activity_accuracy"] >= 0.9
    assert score["events"]["recall"] >= 0.9
    assert score["forecast"]["n"] > 8


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_shipped_bundle_understands_whole_days_in_unseen_homes(tmp_path: Path) -> None:
    for score in _scored(tmp_path, "--seed", "101", "102", "103", "104", "--days", "1"):
        assert score["current_activity_accuracy"] >= 0.9, score["seed"]
        assert score["events"]["recall"] >= 0.9, score["seed"]


@pytest.mark.slow
def test_watching_without_a_pause_recognises_as_well() -> None:
    recogniser = Recogniser(load_bundle(find_bundle("sim-home")))
    source = SimulatedSource(102, days=0.01, every=0.0)
    watched = watch(read_frames(source, sample_hz=5.0, start_at=START_AT), recogniser)
    stays = truth(102, start_at=START_AT, days=0.01)
    assert len(watched.labels) > 800
    accuracy, _ = score_labels(stays, watched.labels)
    assert accuracy >= 0.85


def test_without_an_engine_the_extra_that_brings_one_is_named() -> None:
    """No other package of an extra is needed: there is a traceback of none."""
    lacking = (
        "import sys; sys.modules.update(dict.fromkeys(['ai_edge_litert', 'hmmlearn', 'jinja2', "
        "'keras', 'matplotlib', 'rarfile', 'scipy', 'sklearn', 'sqlalchemy', 'tensorflow']))"
    )
    call = "from training.commands.sim import main; sys.exit(main(['score', '--days', '0.01']))"
    command = [sys.executable, "-c", f"{lacking}; {call}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stderr.splitlines() == [
        "har-sim: the LiteRT engine is not installed: pip install 'har-stream[litert]'"
    ]
    assert run.returncode == 2


def test_rooms_of_two_residents_are_scored_from_rendered_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, log = tmp_path / "figures.json", tmp_path / "home.csv"
    given = ["--days", "0.02", "--every", "300", "--start-at", "2026-01-05T02:00:00+00:00"]
    words = ["score", "--residents", "2", "--history", "1", "--json", str(figures), *given]
    assert sim.main(words) == 0
    assert "2 supposed" in capsys.readouterr().out
    (score,) = json.loads(figures.read_text())
    assert score["residents"]["2 supposed"]["occupied_rooms"] > 0.5
    assert sim.main(["record", "7", "--residents", "2", "--log", str(log), *given]) == 0
    with log.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["start"] for row in rows] == sorted(row["start"] for row in rows)
    assert sim.main(["record", "7", "--room", "attic", "--log", str(log)]) == 2
