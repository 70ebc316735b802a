"""`train-har evaluate-keypoints` judges a network alone, and by the rule that serves."""

import json
from pathlib import Path

import pytest

from har_stream.bundles.bundle import load_bundle
from training.commands.train_har import main

BOXES = Path(__file__).parents[1] / "fitting/keypoints/lying_boxes.csv"
CLIP = "urfd/adl-12-cam0"
"""A dark room, in whose doorway the shipped network sees somebody before there is anybody."""


def test_the_shipped_network_is_judged_with_and_without_the_rule_of_movement(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = tmp_path / "boxes.csv"
    header, *rows = BOXES.read_text().splitlines()
    boxes.write_text("\n".join([header, *(row for row in rows if "fall-04-cam0" in row)][:2]))
    states = tmp_path / "states.csv"
    states.write_text(f"clip,start_s,end_s,state\n{CLIP},0.0,1.4,nobody\n")
    network = load_bundle(Path("har_stream/bundles/home")).file("pose", "litert")
    figures = tmp_path / "figures.json"
    command = ["evaluate-keypoints", str(network), "--data", str(shared / "data")]
    command += ["--boxes", str(boxes), "--empty", str(states), "--threshold", "0.3"]
    assert main([*command, "--json", str(figures)]) == 0
    alone, by_movement = json.loads(figures.read_text())["rows"]
    assert (alone["needs_movement"], by_movement["needs_movement"]) == (False, True)
    assert alone["fired"] == alone["fired_early"] == 1.0
    assert by_movement["fired"] == 0.5, "the second in which somebody comes in"
    assert by_movement["fired_early"] == 0.0
    assert alone["found"] == by_movement["found"] == 1.0
    assert "moves" in capsys.readouterr().out


def test_what_the_command_line_says_otherwise_is_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["fit-keypoints", "configs/keypoints.yaml", "--apart", "(", "--minutes", "0"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "--apart: Input should be a valid regular expression" in error
    assert "--minutes: a number above 0" in error
