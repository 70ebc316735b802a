"""What `train-har` cannot work with: one line that names it and the remedy, and status 2."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.bundles.run_builder import write_run
from support.bundles.tiny_config import CONFIG
from support.repository import ROOT
from support.video.clip_maker import write_clip, write_dataset

from training.commands.train_har import main

KERAS_2 = ROOT / "tests/training/export/keras2"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "clips", n_groups=3, n_cuts=1)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `main` where it must end with status 2; returns its one line."""

    def run(*arguments: str | Path) -> str:
        assert main([str(argument) for argument in arguments]) == 2
        lines = capsys.readouterr().err.splitlines()
        (line,) = (line for line in lines if line.startswith("train-har: "))
        assert line == lines[-1]
        return line.removeprefix("train-har: ")

    return run


@pytest.fixture
def fit_refused(refused: Callable[..., str], clips: Path, tmp_path: Path) -> Callable[..., str]:
    """The same for `fit` of a config."""

    def run(text: str, *options: str | Path) -> str:
        (tmp_path / "tiny.yaml").write_text(text)
        given = ("--data", clips, "--out", tmp_path / "run", "--cache", tmp_path / "cache")
        return refused("fit", tmp_path / "tiny.yaml", *given, *options)

    return run


NO_REGEX = "'[' is no regular expression: unterminated character set"
NO_GROUP = r"'_g\\d+' has no group; put what names the video in ( )"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("group_pattern: '['", f"tiny.yaml:5: data.group_pattern: {NO_REGEX}"),
        (r"group_pattern: '_g\d+'", f"tiny.yaml:5: data.group_pattern: {NO_GROUP}"),
        ("classes: [Down, Right, Down]", "tiny.yaml:5: data.classes: Down is named twice"),
        ("others: [Down, Down]", "tiny.yaml:5: data.others: Down is named twice"),
    ],
)
def test_a_config_that_cannot_be_is_named_by_file_and_line(
    fit_refused: Callable[..., str], tmp_path: Path, data: str, said: str
) -> None:
    assert said in fit_refused(CONFIG.replace("classes: [Down, Right]", data))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("data", ["{classes: [Down, Right]}", "{}"])
def test_an_urgent_label_that_is_none_is_said_before_training(
    fit_refused: Callable[..., str], tmp_path: Path, data: str
) -> None:
    text = CONFIG.replace("{classes: [Down, Right]}", data) + "deciding: {urgent: [Up, Down]}\n"
    said = fit_refused(text)
    assert said == "deciding.urgent: no such label: Up; there are Down, Right"
    assert not (tmp_path / "run").exists()


def test_a_seed_below_0_is_no_seed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["fit", "tiny.yaml", "--seed", "-1"])
    assert "argument --seed: '-1' is no whole number from 0 on" in capsys.readouterr().err


@pytest.mark.parametrize("blocked", ["run", "cache", "run/split-1"])
def test_folders_of_a_run_that_cannot_be_written_are_named(
    fit_refused: Callable[..., str], tmp_path: Path, blocked: str
) -> None:
    path = tmp_path / blocked
    path.parent.mkdir(exist_ok=True)
    path.write_text("in the way")
    assert fit_refused(CONFIG).startswith(f"{path}: ")


def test_a_sweep_does_not_go_into_the_folder_of_a_run(
    fit_refused: Callable[..., str], tmp_path: Path
) -> None:
    write_run(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    folder = tmp_path / "run"
    said = fit_refused(CONFIG, "--seeds", "2")
    assert said == f"{folder}: holds a single run; give the sweep a folder of its own, --out"
    assert [path for path in sorted(tmp_path.rglob("*")) if path.suffix != ".yaml"] == before


def test_a_run_does_not_go_into_the_folder_of_a_sweep(
    fit_refused: Callable[..., str], tmp_path: Path
) -> None:
    write_run(tmp_path / "run/seed-1")
    before = sorted(tmp_path.rglob("*"))
    said = fit_refused(CONFIG)
    assert said == f"{tmp_path / 'run'}: holds a sweep; give the run a folder of its own, --out"
    assert [path for path in sorted(tmp_path.rglob("*")) if path.suffix != ".yaml"] == before


def test_clips_that_an_export_lacks_are_told_with_a_remedy_that_it_has(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    clips, run = tmp_path / "clips", tmp_path / "run"
    write_run(run, clips_at=clips, n_groups=1, n_cuts=1)
    shutil.rmtree(clips)
    said = refused("export", run)
    assert said == f"{clips}: the clips of {run} lie there no more; bring them back, or fit again"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--group-pattern", "[", f"group_pattern: {NO_REGEX}"),
        ("--group-pattern", r"_g\d+", f"group_pattern: {NO_GROUP}"),
        ("--classes", "TaiChi,TaiChi", "classes: TaiChi is named twice"),
    ],
)
def test_what_evaluate_cannot_read_clips_by_is_named(
    refused: Callable[..., str], clips: Path, option: str, value: str, said: str
) -> None:
    given = ("--bundle", "lrcn-ucf", "--data", clips, option, value)
    assert refused("evaluate", *given).startswith(said)


def test_figures_that_cannot_be_written_are_told_before_streaming(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    given = ("--bundle", "no-bundle", "--data", tmp_path / "no-clips")
    said = refused("evaluate", *given, "--json", tmp_path / "gone/figures.json")
    assert said.endswith(f"there is no folder {tmp_path / 'gone'}; make it first")


def test_figures_that_cannot_be_written_after_all_are_told(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    for n, label in enumerate(("TaiChi", "TaiChi", "Swing", "Swing")):
        write_clip(tmp_path / f"clips/{label}/v_{label}_g{n}_c1.avi", seed=n, n_frames=12)
    given = ("--data", tmp_path / "clips", "--classes", "TaiChi,Swing", "--json", tmp_path)
    assert refused("evaluate", "--bundle", "lrcn-ucf", *given) == (
        f"{tmp_path}: cannot be written: Is a directory"
    )


@pytest.fixture
def import_refused(refused: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    """Run `import` where it must end with status 2."""

    def run(model: Path, *, labels: str = "A,B,C", out: Path = tmp_path / "bundle") -> str:
        said = ("--colour", "bgr", "--sample-hz", "3", "--labels", labels, "--out", out)
        return refused("import", model, *said)

    return run


@pytest.mark.parametrize("labels", ["A,A,B", "A"])
def test_labels_that_tell_nothing_apart_are_refused(
    import_refused: Callable[..., str], labels: str
) -> None:
    said = import_refused(KERAS_2 / "lrcn.h5", labels=labels)
    assert said == f"--labels {labels}: at least two, all different"


@pytest.mark.parametrize(
    ("part", "said"),
    [(b'"class_name"', "no model saved by Keras"), (b"\x89HDF", "its weights do not fit")],
)
def test_a_damaged_model_file_is_named(
    import_refused: Callable[..., str], tmp_path: Path, part: bytes, said: str
) -> None:
    path = Path(shutil.copy(KERAS_2 / "lrcn.keras", tmp_path))
    content = path.read_bytes()
    assert part in content
    path.write_bytes(content.replace(part, bytes(len(part)), 1))
    assert import_refused(path).startswith(f"{path}: {said}")


def test_a_bundle_that_cannot_be_written_is_named(
    import_refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file/models/bundle"
    said = import_refused(KERAS_2 / "lrcn.h5", out=out)
    assert said == f"{out}: cannot be written: Not a directory"
