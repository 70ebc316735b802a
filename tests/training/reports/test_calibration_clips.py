"""A run says truly on which clips it was calibrated, and whose learning its curves show."""

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from support.bundles.run_builder import write_run
from support.bundles.tiny_config import tiny_config
from support.video.clip_maker import write_dataset

from har_stream.core.errors import InputError
from training import run_folder
from training.fitting.training_run import fit_run
from training.reports import run_report

pytestmark = pytest.mark.usefixtures("eager")

HELD_OUT = {"held_out": ["4"], "validation": 0.34}
VALIDATION = "fitted on validation clips (Guo"
AS_FIRST = "fitted on validation clips, as the first network judged them (Guo"
TEST = "fitted on the test clips themselves, as no validation clips were set aside"
FOLDS = "fitted on the test clips of all folds together"
NO_SECOND_OPINION = "the calibration error on test clips is no second opinion"
DOT = "the dot is the epoch that was taken"
LAST = "these splits have no validation clips, so the last epoch was taken"
ANEW = "the bundle's then learned anew, from the validation clips too, for all epochs"
SENTENCES = {VALIDATION, AS_FIRST, TEST, FOLDS, NO_SECOND_OPINION, DOT, LAST, ANEW}


RUNS: dict[str, tuple[dict[str, Any], str, set[str]]] = {
    "validation": (HELD_OUT, "validation", {VALIDATION, DOT}),
    "refit": (HELD_OUT | {"refit": True}, "validation", {AS_FIRST, DOT, ANEW}),
    "test": (HELD_OUT | {"validation": 0}, "test", {TEST, NO_SECOND_OPINION, LAST}),
    "refit without validation": (
        HELD_OUT | {"validation": 0, "refit": True},
        "test",
        {TEST, NO_SECOND_OPINION, LAST},
    ),
    "folds": ({"by": "folds", "n_folds": 2}, "folds", {FOLDS, NO_SECOND_OPINION, LAST}),
}


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of runs by name, each fitted and reported when it is first asked for."""
    root = tmp_path_factory.mktemp("calibrated")
    clips = write_dataset(root / "clips", n_groups=4, n_cuts=1)

    def find(name: str) -> Path:
        folder = root / name
        if not folder.exists():
            config = tiny_config(split=RUNS[name][0], data={"path": clips})
            fit_run(config, folder=folder, cache_folder=root / "cache", command="train-har fit")
            run_report.write_report(folder)
        return folder

    return find


@pytest.mark.parametrize("name", RUNS)
def test_the_page_says_which_clips_calibrated(run_of: Callable[[str], Path], name: str) -> None:
    run = run_of(name)
    _, calibrated_on, said = RUNS[name]
    assert json.loads((run / "run.json").read_text())["calibrated_on"] == calibrated_on
    page = " ".join(html.unescape((run / "report.html").read_text()).split())
    assert {sentence for sentence in SENTENCES if sentence in page} == said
    found = json.loads((run / "report.json").read_text())
    assert found["calibration"]["fitted_on"] == calibrated_on
    # Where test clips calibrated, their calibration error is the very figure that was fitted.
    same = found["scores"]["ece"] == pytest.approx(found["calibration"]["ece_after"])
    assert same == (NO_SECOND_OPINION in said)


def test_a_refit_shows_the_curves_of_the_network_that_validation_clips_judged(
    run_of: Callable[[str], Path],
) -> None:
    run = run_of("refit")
    first, refit = (np.load(run / own / "checkpoint.npz") for own in ("split-1", "split-1/refit"))
    noted = json.loads(str(first["noted"]))
    (part,) = json.loads((run / "run.json").read_text())["splits"]
    assert part["history"] == noted["history"]
    assert part["best_epoch"] == noted["best_epoch"]
    assert all("val_loss" in row for row in part["history"])
    bundled = keras.saving.load_model(run / "model.keras", compile=False).get_weights()
    for n, weights in enumerate(bundled):
        np.testing.assert_array_equal(weights, refit[f"best_{n}"])
    assert not np.array_equal(bundled[0], first["best_0"])


def test_a_run_that_does_not_say_what_calibrated_it_is_of_another_version(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    path = tmp_path / "run/run.json"
    written = json.loads(path.read_text())
    del written["calibrated_on"]
    path.write_text(json.dumps(written))
    with pytest.raises(InputError, match="of another version of har-stream; run train-har fit"):
        run_folder.read_run(tmp_path / "run")
