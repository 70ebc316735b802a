"""Clips that cannot be read are no part of a run: not of its splits, its counts, its exports."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.bundles.tiny_config import tiny_config
from support.video.clip_maker import write_dataset

from har_stream.bundles.bundle import load_bundle
from har_stream.core.errors import InputError
from training import run_folder
from training.config import DataConfig, SplitConfig
from training.data import splits
from training.data.dataset import read_dataset
from training.export import all_formats
from training.fitting.training_run import Run, fit_run

pytestmark = pytest.mark.usefixtures("eager")

HELD_OUT = {"held_out": ["4"], "validation": 0}


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return _clips(tmp_path)


def _clips(root: Path) -> Path:
    return write_dataset(root / "clips", n_groups=4, n_cuts=2, n_frames=12)


def _spoil(*paths: Path) -> None:
    for path in paths:
        path.write_text(f"{path}: no video")  # each its own content: no two are the same file


def _fit(clips: Path, *, split: dict[str, Any]) -> Run:
    root = clips.parent
    config = tiny_config(data={"path": clips}, split=split)
    return fit_run(config, folder=root / "run", cache_folder=root / "cache", command="a test")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """By the study's split, which is dealt otherwise without the clips that cannot be read."""
    clips = _clips(tmp_path_factory.mktemp("unreadable"))
    _spoil(clips / "Down/v_Down_g04_c01.avi", clips / "Right/v_Right_g01_c01.avi")
    return _fit(clips, split={"by": "study"})


def test_a_class_without_a_readable_test_clip_is_refused(clips: Path) -> None:
    _spoil(*(clips / "Down").glob("*_g04_*"))
    said = (
        r"^2 of 16 clips cannot be read \(the first: .*v_Down_g04_c01.avi: .*\), and without them: "
        r"split 'group, held out: 4': no clip of Down on the test side"
    )
    with pytest.raises(InputError, match=said):
        _fit(clips, split=HELD_OUT)
    assert not (clips.parent / "run/split-1").exists(), "nothing was learned"


def test_splits_count_readable_clips(run: Run) -> None:
    written = json.loads((run.folder / "run.json").read_text())
    (part,) = written["splits"]
    assert len(written["unreadable"]) == 2
    assert (part["n_train"], part["n_validation"], part["n_test"]) == (8, 2, 4)
    provenance = load_bundle(run.folder / "bundle").manifest.provenance
    assert (provenance.n_train_clips, provenance.n_test_clips) == (8, 4)


def test_an_export_parts_the_clips_as_the_run_did(run: Run) -> None:
    record = run_folder.read_run(run.folder)
    cache_folder = run.folder.parent / "cache"
    _, rows = all_formats.export_run(record, weights="float32", cache_folder=cache_folder)
    assert rows[0]["accuracy"] == pytest.approx(run.scores["accuracy"])


def test_a_split_that_cannot_be_is_refused_before_clips_are_read(clips: Path) -> None:
    with pytest.raises(InputError, match=r"^split 'group, held out: 99': no clip of Down, Right"):
        _fit(clips, split=HELD_OUT | {"held_out": ["99"]})
    assert not (clips.parent / "cache").exists()


@pytest.mark.parametrize(
    ("split", "of_groups", "said"),
    [
        ({"by": "study"}, "*", "no clip of Down, Right: bring some"),
        ({"by": "folds"}, "*", "no clip of Down, Right: bring some"),
        ({"held_out": ("4",)}, "*_g0[123]_*", "no clip of Down, Right on the training side"),
        ({"by": "folds", "n_folds": 4}, "*_g01_*", "has 3 groups, too few for 4 parts"),
    ],
)
def test_too_few_readable_clips_are_explained(
    clips: Path, split: dict[str, Any], of_groups: str, said: str
) -> None:
    data = DataConfig(path=clips)
    unreadable = {path: f"{path}: no video" for path in clips.glob(f"*/{of_groups}")}
    with pytest.raises(InputError, match=rf"{len(unreadable)} of 16 clips cannot .*: .*{said}"):
        splits.make_splits_of_readable(
            read_dataset(data), unreadable, split=SplitConfig(**split), data=data, seed=27
        )
