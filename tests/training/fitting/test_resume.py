"""`--resume` goes on with the same run alone: another config or other clips are refused."""

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.bundles.tiny_config import tiny_config
from support.processes.on_jax import ON_JAX
from support.video.clip_maker import write_dataset

from har_stream.core.errors import InputError
from training.config import RunConfig
from training.data.batches import Example
from training.fitting.fit_network import FittedNetwork, fit_network
from training.fitting.training_run import fit_run

pytestmark = pytest.mark.usefixtures("eager")

REFUSED = r"does not fit this run: .*; leave --resume out, or give another --out"


_config = partial(
    tiny_config,
    data={"classes": ["Down", "Right"]},
    split={"held_out": ["3"], "validation": 0},
)


def _examples() -> list[Example]:
    rng = np.random.default_rng(0)
    return [
        Example(rng.integers(0, 255, (5, 64, 64, 3), np.uint8), n % 2, f"{n % 2}/{n}.avi")
        for n in range(4)
    ]


def _fit(
    folder: Path,
    config: RunConfig,
    train: list[Example],
    validation: list[Example],
    *,
    resume: bool = True,
) -> FittedNetwork:
    return fit_network(train, validation, config, n_labels=2, folder=folder, resume=resume)


LEARN = """
import runpy, sys
from pathlib import Path

here = runpy.run_path(sys.argv[1])
train = here["_examples"]()
here["_fit"](Path(sys.argv[2]), here["_config"](), train, train[:1], resume=False)
"""


@pytest.mark.slow
def test_what_was_learned_on_jax_goes_on_on_tensorflow(tmp_path: Path) -> None:
    """A card may learn on JAX what TensorFlow exports: nothing of it is learned anew."""
    command = [sys.executable, "-c", LEARN, __file__, str(tmp_path)]
    subprocess.run(command, check=True, env=ON_JAX)
    made = (tmp_path / "checkpoint.npz").stat()
    network = _fit(tmp_path, _config(), _examples(), _examples()[:1])
    with np.load(tmp_path / "checkpoint.npz") as kept:
        for n, weight in enumerate(network.model.get_weights()):
            np.testing.assert_array_equal(weight, kept[f"best_{n}"])
    assert (tmp_path / "checkpoint.npz").stat().st_mtime_ns == made.st_mtime_ns


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    _fit(folder, _config(), _examples(), _examples()[:1], resume=False)
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 28},
        {"hop_frames": 2},
        {"augment": {"flip": 0.5}},
        {"fit": {"epochs": 2, "batch": 8}},
        {"fit": {"epochs": 1, "batch": 8, "learning_rate": 0.002}},
    ],
)
def test_another_config_is_refused(finished: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=REFUSED):
        _fit(finished, _config(**changes), _examples(), _examples()[:1])


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_torn_checkpoint_is_refused(finished: Path, tmp_path: Path, share: float) -> None:
    content = (finished / "checkpoint.npz").read_bytes()
    (tmp_path / "checkpoint.npz").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"checkpoint\.npz: does not fit .* without --resume"):
        _fit(tmp_path, _config(), _examples(), _examples()[:1])


def test_other_clips_are_refused(finished: Path) -> None:
    clips = _examples()
    renamed = [*clips[:3], replace(clips[3], name="1/9.avi")]
    relabelled = [*clips[:3], replace(clips[3], label=0)]
    longer = [*clips[:3], replace(clips[3], frames=np.concatenate([clips[3].frames] * 2))]
    for train in (renamed, relabelled, longer, clips[:3], clips[::-1]):
        with pytest.raises(InputError, match=REFUSED):
            _fit(finished, _config(), train, clips[:1])
    with pytest.raises(InputError, match=REFUSED):
        _fit(finished, _config(), clips, clips[:2])


def test_what_decides_nothing_of_the_fit_may_change(finished: Path) -> None:
    renamed = _config(
        name="other",
        about="two directions",
        licence="CC0",
        data={"path": "elsewhere", "lists": "lists"},
        deciding={"enter_above": 0.5},
        keep=0.8,
    )
    found, expected = (
        _fit(finished, config, _examples(), _examples()[:1]) for config in (renamed, _config())
    )
    assert found.history == expected.history
    for ours, theirs in zip(found.model.get_weights(), expected.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_data_set_may_move_but_not_change(tmp_path: Path) -> None:
    def run(data: Path, *, resume: bool = True) -> Any:
        config = _config(data={"path": data})
        where = {"folder": tmp_path / "run", "cache_folder": tmp_path / "cache"}
        return fit_run(config, **where, command="a test", resume=resume).scores

    clips = write_dataset(tmp_path / "here", n_groups=3, n_cuts=1)
    scores = run(clips, resume=False)
    moved = clips.rename(tmp_path / "there")
    assert run(moved) == scores
    (moved / "Down/v_Down_g01_c01.avi").rename(moved / "Down/v_Down_g01_c09.avi")
    with pytest.raises(InputError, match=REFUSED):
        run(moved)
