"""What no posture can be told of: a bound that keeps what is right, and shares counted by hand."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError
from support.bundles.random_bundle import random_manifest

from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from har_stream.core.thresholds import Thresholds
from training.config import KeypointConfig
from training.data.clip import VideoClip
from training.evaluation.clip_score import JudgedClip
from training.fitting.postures.judge import JUDGED, Judged
from training.fitting.postures.open_set import (
    fit_bound,
    said_of,
    share_of_negatives,
    share_of_rooms,
)
from training.fitting.postures.settings import Negatives

SURE, UNSURE = 0.9, 0.3
LIES = 4
"""Index of lying on the floor in `POSTURES`."""


def _judged(*decisions: tuple[str, float, float]) -> Judged:
    """Somebody who lies: what is said of every frame, how surely, and its free energy."""
    decided = np.full((len(decisions), len(JUDGED)), 0.1)
    for row, (said, confidence, _) in zip(decided, decisions, strict=True):
        row[JUDGED.index(said)] = confidence
    truth, none = np.full(len(decisions), LIES), np.zeros(0)
    energies = np.array([energy for *_, energy in decisions])
    return Judged("a", none, none, none, none, truth, decided, energies)


def test_the_bound_keeps_so_much_of_what_is_right_and_sure() -> None:
    right = [("lying", SURE, float(energy)) for energy in range(100)]
    foreign = [("lying", UNSURE, -1e3)] * 50 + [("sitting", SURE, -1e3)] * 50
    said = said_of([_judged(*right), _judged(*foreign)], Thresholds())
    bound = fit_bound([said], keep=0.97)
    assert (np.arange(100) <= bound).mean() == 0.97


def test_each_room_is_judged_by_the_bound_of_the_others() -> None:
    strange = [("lying", SURE, 5.0), ("lying", SURE, 1.0), ("sitting", SURE, 5.0)]
    plain = [("lying", SURE, 1.0), ("lying", UNSURE, 0.0), ("sitting", SURE, 0.0)]
    nobody = [("nobody", SURE, -np.inf)]
    rooms = [said_of([_judged(*each)], Thresholds()) for each in (strange, [*plain, *nobody])]
    assert share_of_rooms(rooms, keep=1.0) == {
        "passed": 2 / 4,  # of the first room what is above 1, the other's bound, is rejected
        "passed_without_bound": 3 / 4,
        "wrong_rejected": 1 / 2,
        "wrong_rejected_without_bound": 0.0,
    }


def test_what_is_unsure_strange_or_nobody_is_not_said_of_negatives() -> None:
    manifest = random_manifest(
        "lrcn", ClipSpec(n_frames=4, height_px=64, width_px=64, sample_hz=5.0)
    )
    calibration = manifest.calibration.model_copy(update={"energy_above": 2.0})
    manifest = manifest.model_copy(update={"calibration": calibration})
    rows = np.array([[0.9, 0.1, 0], [0.9, 0.1, 0], [0.4, 0.3, 0.3], [1, 0, 0]])
    clip = VideoClip(Path("a.mp4"), "none", "1")
    judged = JudgedClip(clip, None, rows, np.array([1.0, 3.0, 1.0, -np.inf]))
    assert share_of_negatives([judged], manifest) == {
        "negatives_rejected": 3 / 4,
        "negatives_rejected_without_bound": 2 / 4,
    }


@pytest.mark.parametrize(
    ("clips", "apart", "said"),
    [
        (("*.avi",), "_g2", "no such file; see negatives"),
        (("*.mp4",), "_g9", "of 2 files it names 0"),
        (("*.mp4",), "_g", "of 2 files it names 2"),
    ],
)
def test_some_negatives_teach_and_others_judge(
    tmp_path: Path, clips: tuple[str, ...], apart: str, said: str
) -> None:
    files = [tmp_path / f"a_g{n}_c01.mp4" for n in (1, 2)]
    for file in files:
        file.touch()
    assert Negatives(clips=("*.mp4",), apart="_g2").find(tmp_path) == (files[:1], files[1:])
    with pytest.raises(InputError, match=said):
        Negatives(clips=clips, apart=apart).find(tmp_path)


@pytest.mark.parametrize("settings", [Negatives, KeypointConfig])
def test_what_is_no_expression_is_refused_where_it_is_read(settings: type[BaseModel]) -> None:
    with pytest.raises(ValidationError, match=r"apart\n.*valid regular expression"):
        settings.model_validate({"apart": "_g(1"})
