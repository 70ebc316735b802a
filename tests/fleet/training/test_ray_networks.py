"""A run whose networks a Ray fits is, bit for bit, the run of one machine."""

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.bundles.tiny_config import CONFIG, tiny_config
from support.repository import ENVIRONMENT
from support.video.clip_maker import write_dataset

from fleet.commands.fleet import main
from har_stream.core.errors import InputError
from training.config import RunConfig
from training.fitting.training_run import fit_network_of_run, names_of_networks

ray_networks = pytest.importorskip("fleet.training.ray_networks", reason="no ray here")
FIT = "fit: {epochs: 1, batch: 8}\n"
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")

DIFFERS = re.compile(
    rb"20\d\d-\d\d-\d\d[T@ ]\d\d:\d\d:\d\d(\+00:00)?"  # when it was made
    rb'|"(median|p95)_ms": [0-9.e+-]+'  # how fast the network was, each time another speed
    rb'|"shared_object_id": \d+'  # where something lay in memory, which Keras keeps ...
    rb'|"\w+\.keras": "[0-9a-f]{64}"'  # ... and the hashes of such files
)
MEASURED = {"report.html"}
"""It says how fast the network was, in words."""


def _contents(folder: Path) -> dict[str, bytes]:
    """What a run left, file by file, as if all had been made at once."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                found |= {f"{name}/{each}": archive.read(each) for each in archive.namelist()}
        elif path.is_file():
            found[name] = path.read_bytes()
    return {name: DIFFERS.sub(b"", content) for name, content in found.items()}


def _task(config: RunConfig, folder: Path) -> Any:
    return ray_networks.FitTask(
        config=config,
        cache_folder=folder / "cache",
        negatives=(),
        working_folder=folder,
        environment={name: os.environ[name] for name in THREADS},
    )


@pytest.mark.slow
def test_a_network_is_fitted_elsewhere_as_it_is_here(ray: None, tmp_path: Path) -> None:
    write_dataset(tmp_path / "clips", n_groups=2, n_cuts=1)
    data = {"path": "clips", "classes": ["Down", "Right"]}  # relative to where we are
    config = tiny_config(data=data, split={"held_out": ["2"], "validation": 0})
    share = ray_networks.Share(n_cores=1, n_gpus=0)
    run = ray_networks.RunToFit(_task(config, tmp_path), tmp_path / "there", ["split-1"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert names_of_networks(config) == ("split-1",)
        ray_networks.fill_cache(run.task)
        assert len([*(tmp_path / "cache").iterdir()]) == 4
        ray_networks.fit_networks([run], share, resume=False)
        here = tmp_path / "here"
        fit_network_of_run(config, name="split-1", folder=here, cache_folder=tmp_path / "cache")
    checkpoint = Path("split-1/checkpoint.npz")
    assert (run.folder / checkpoint).read_bytes() == (here / checkpoint).read_bytes()

    refused = config.model_copy(update={"seed": config.seed + 1})
    with pytest.raises(InputError, match="it comes of another config or other clips"):
        ray_networks.fit_networks([replace(run, task=_task(refused, tmp_path))], share, resume=True)


def test_what_is_done_is_never_cancelled(ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray ends the process that cancels a task whose answer arrives just then."""
    ray_itself, cancelled = ray_networks.ray, []
    done, waits = ray_itself.put(1), ray_itself.remote(num_cpus=99)(lambda: None).remote()
    with monkeypatch.context() as patch:
        patch.setattr(ray_itself, "cancel", lambda ref, **_: cancelled.append(ref))
        with ray_networks.cancelled_unless_done() as refs:
            refs += [done]
        assert cancelled == []
        with pytest.raises(KeyboardInterrupt), ray_networks.cancelled_unless_done() as refs:
            refs += [done, waits]
            raise KeyboardInterrupt
        assert cancelled == [waits]
    ray_itself.cancel(waits)


def test_more_than_a_machine_has_is_refused_before_anything_is_prepared(
    ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "clips", n_groups=3, n_cuts=1)
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    monkeypatch.setattr(ray_networks, "fill_cache", lambda _: pytest.fail("hours of work"))
    for name in (*THREADS, "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"):  # as it sets them
        monkeypatch.setenv(name, "1")
    told = ["fit", str(tmp_path / "tiny.yaml"), "--data", str(tmp_path / "clips")]
    told += ["--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]
    for share, said in (("--cores", "99 CPU"), ("--gpus", "99.0 GPU")):
        assert main([*told, share, "99"]) == 2
        assert f"a network is to take {said}; no machine has over" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*told, "--gpus", "-1"])
    assert "argument --gpus: '-1' is no number from 0 on" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("split", "more"),
    [
        ("{by: folds, n_folds: 2}", "fit: {epochs: 1, batch: 8, warm_up: 1}\n"),
        ('{held_out: ["3"], validation: 0.5, refit: true}', FIT),
        ('{held_out: ["3"], validation: 0}', f"{FIT}pretrain: {{epochs: 1}}\n"),
    ],
)
def test_the_folder_of_a_run_is_that_of_one_machine(split: str, more: str, tmp_path: Path) -> None:
    clips = write_dataset(tmp_path / "clips", n_groups=4, n_cuts=1)
    config = tmp_path / "tiny.yaml"
    told = CONFIG.replace('{held_out: ["3"], validation: 0}', split).replace(FIT, more)
    if "pretrain" in more:  # other classes to learn from first
        others = write_dataset(tmp_path / "others", n_groups=8, n_cuts=1)
        for label in ("Down", "Right"):
            (clips / f"Other{label}").mkdir()
            for path in (others / label).glob("*_g0[5-8]_*"):  # no clip has two labels
                path.rename(clips / f"Other{label}" / path.name)
        told = told.replace("classes: [Down, Right]", "classes: [Down, Right], others: ['*']")
    config.write_text(told)
    for module, folder in (("training.commands.train_har", "a"), ("fleet.commands.fleet", "b")):
        command = [sys.executable, "-m", module, "fit", config, "--data", clips]
        command += ["--cache", tmp_path / f"cache-{folder}", "--out", tmp_path / folder]
        subprocess.run(command, env=ENVIRONMENT, check=True)  # names of layers count on in one
    expected, found = _contents(tmp_path / "a"), _contents(tmp_path / "b")
    assert found.keys() == expected.keys()
    assert not {name for name in expected if found[name] != expected[name]} - MEASURED
