"""har-sim: what it records agrees with itself, and the shipped bundle understands unseen homes."""

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import pytest

from har_stream import bundle
from har_stream.recogniser import Recogniser
from har_stream.simulation.camera import SimulatedSource, read_frames
from har_stream.simulation.routine import ACTIVITIES
from har_stream.simulation.truth import truth
from training import sim_cli

START_AT = sim_cli.START_AT.replace(hour=6)


def test_a_recording_holds_every_burst_and_its_log_the_truth(tmp_path: Path) -> None:
    video, log = tmp_path / "home.mp4", tmp_path / "home.csv"
    given = ["--start-at", "2026-01-05T07:00:00+00:00", "--days", "0.05", "--every", "300"]
    status = sim_cli.main(["record", "5", "--video", str(video), "--log", str(log), *given])
    assert status == 0
    read = cv2.VideoCapture(str(video))
    assert int(read.get(cv2.CAP_PROP_FRAME_COUNT)) == 15 * 20
    assert read.get(cv2.CAP_PROP_FPS) == sim_cli.RECORD_HZ
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
    assert sim_cli.main(arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_shipped_bundle_has_seen_no_home_of_a_camera() -> None:
    manifest = bundle.load(bundle.find("sim-home")).manifest
    assert manifest.labels == ACTIVITIES
    assert manifest.deciding.urgent == ("fallen",)
    assert "simulated" in manifest.provenance.dataset
    assert not manifest.provenance.leaks


def _scored(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    figures = folder / "figures.json"
    assert sim_cli.main(["score", *arguments, "--json", str(figures)]) == 0
    scores: list[dict[str, Any]] = json.loads(figures.read_text())
    return scores


def test_the_shipped_bundle_understands_half_a_day_in_an_unseen_home(tmp_path: Path) -> None:
    half_a_day = ("--start-at", START_AT.isoformat(), "--days", "0.5", "--every", "60")
    (score,) = _scored(tmp_path, "--seed", "101", *half_a_day)
    assert score["n_decisions"] == 720
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


def test_watching_without_a_pause_recognises_as_well() -> None:
    recogniser = Recogniser(bundle.load(bundle.find("sim-home")))
    source = SimulatedSource(102, days=0.01, every=0.0)
    watched = sim_cli.watch(read_frames(source, sample_hz=5.0, start_at=START_AT), recogniser)
    stays = truth(102, start_at=START_AT, days=0.01)
    assert len(watched.labels) > 800
    accuracy, _ = sim_cli.score_labels(stays, watched.labels)
    assert accuracy >= 0.85
