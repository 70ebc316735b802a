"""Clips of no label obey the split too: nobody whom it judges by is learned from."""

from pathlib import Path
from typing import Any

import keras
import pytest
from support.bundles.tiny_config import tiny_config
from support.video.clip_maker import write_clip, write_dataset

from har_stream.bundles.bundle import load_bundle
from har_stream.core.errors import InputError
from training.config import DataConfig
from training.evaluation.evaluate_clips import evaluate_bundle
from training.fitting.training_run import Run, fit_run

pytestmark = pytest.mark.usefixtures("eager")

LABELLED = ("Down", "Right")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Groups 1 to 4 do everything, and group 9 only what is no label."""
    root = write_dataset(tmp_path_factory.mktemp("clips") / "data", n_groups=4, n_cuts=1)
    for n in range(1, 6):
        for group in (1, 2, 3, 4, 9):
            path = root / f"Else{n}" / f"v_Else{n}_g{group:02}_c01.avi"
            write_clip(path, seed=100 * n + group, n_frames=12)
    return root


def _fit(clips: Path, tmp_path: Path, *, data: dict[str, Any], **changes: Any) -> Run:
    config = {
        "data": {"path": clips, "classes": LABELLED, "others": ["*"]} | data,
        "split": {"held_out": ["4"], "validation": 0.34},
        "fit": {"epochs": 1, "batch": 8, "others": 0.5},
    }
    run = fit_run(
        tiny_config(**config | changes),
        folder=tmp_path / "run",
        cache_folder=clips.parent / "cache",
        command="train-har fit tiny.yaml",
    )
    keras.backend.clear_session()
    return run


def test_where_groups_span_classes_nobody_who_is_tested_is_trained_on(
    clips: Path, tmp_path: Path
) -> None:
    run = _fit(clips, tmp_path, data={"groups_span_classes": True})
    provenance = load_bundle(run.folder / "bundle").manifest.provenance
    learned_from = set(provenance.trained_on)
    assert "*/9" in learned_from
    assert "*/4" not in learned_from
    assert len(learned_from) == 3, "of groups 1 to 3, one is there to validate by"
    assert provenance.n_train_clips == 2 * 2 + 4 * 3, "one of the five other classes judges"


def test_what_was_trained_on_as_no_label_leaks_into_an_evaluation(
    clips: Path, tmp_path: Path
) -> None:
    made = load_bundle(_fit(clips, tmp_path, data={}).folder / "bundle")
    assert {"Else2/4", "Else5/9"} <= set(made.manifest.provenance.trained_on)
    assert not any(source.startswith("Else1/") for source in made.manifest.provenance.trained_on)
    for other, leaks in (("Else1", False), ("Else2", True)):
        data = DataConfig(path=clips, classes=LABELLED, others=(other,))
        assert evaluate_bundle(made, data, groups=("4",))["leaks"] == leaks


@pytest.mark.parametrize(
    ("n_others", "of_others"),
    [
        (0.5, {f"Else{n}" for n in range(1, 6)}),
        pytest.param(0, set(), marks=pytest.mark.slow),
    ],
)
def test_after_folds_the_network_names_all_that_it_was_trained_on(
    clips: Path, tmp_path: Path, n_others: float, of_others: set[str]
) -> None:
    fit_config = {"epochs": 1, "batch": 8, "others": n_others}
    run = _fit(clips, tmp_path, data={}, split={"by": "folds", "n_folds": 2}, fit=fit_config)
    learned_from = load_bundle(run.folder / "bundle").manifest.provenance.trained_on
    assert {source.split("/")[0] for source in learned_from} == {*LABELLED, *of_others}


def test_pretraining_shows_nobody_whom_a_fold_tests(clips: Path, tmp_path: Path) -> None:
    data = {"groups_span_classes": True, "exclude": {"*": ["9"]}}
    split = {"by": "folds", "n_folds": 2}
    with pytest.raises(InputError, match="footage that no split judges by"):
        _fit(clips, tmp_path, data=data, split=split, pretrain={"epochs": 1})
