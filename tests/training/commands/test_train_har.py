"""`train-har`: explains itself, trains, evaluates, and says in one line what is wrong."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.bundles.tiny_config import CONFIG
from support.processes.on_jax import ON_JAX
from support.repository import ROOT
from support.video.clip_maker import write_clip, write_dataset

from har_stream.bundles.bundle import load_bundle
from training.commands import fit_runs, train_har
from training.commands.arguments import make_parser
from training.commands.train_har import main
from training.config import read_config
from training.data import splits
from training.data.clip import VideoClip
from training.fitting import fit_network

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "clips", n_groups=3, n_cuts=1)


def _config(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("given", "taken"), [(None, "1"), ("0", "0")])
def test_tensorflow_fits_with_onednn_unless_told_not_to(
    monkeypatch: pytest.MonkeyPatch, given: str | None, taken: str
) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given or "")
    if given is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    assert main(["summary", "lrcn"]) == 0
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == taken


def test_help_shows_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    assert "train-har fit configs/lrcn-ucf.yaml --data UCF50" in said
    assert "--resume" in said


@pytest.mark.parametrize("command", sorted(train_har._COMMANDS))
def test_help_of_a_command_shows_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"  train-har {command} " in capsys.readouterr().out.split("example")[1]


@pytest.mark.parametrize(
    ("network", "n_parameters"),
    [("lrcn", "73,060"), ("convlstm", "44,524"), ("two_stream", "46,807,848")],
)
def test_summary_prints_the_table(
    capsys: pytest.CaptureFixture[str], network: str, n_parameters: str
) -> None:
    assert main(["summary", network]) == 0
    assert f"Total params: {n_parameters}" in capsys.readouterr().out


def test_fit_then_evaluate(
    clips: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.evaluation.evaluate_stream.ROOM_S", 6.0)
    folder, figures = tmp_path / "run", tmp_path / "figures.json"
    fit = ["fit", str(_config(tmp_path)), "--data", str(clips), "--out", str(folder)]
    assert main([*fit, "--seed", "5", "--seeds", "2", "--cache", str(tmp_path / "cache")]) == 0
    said = capsys.readouterr().out
    assert "accuracy over 2 seeds" in said
    bundle = folder / "seed-6" / "bundle"
    assert f"har-stream --bundle {bundle}" in said.replace("\n", "")
    for report in (folder / "report.html", folder / "seed-6/report.html"):
        assert f"report: {report}" in said
        assert report.exists()
    evaluate = ["evaluate", "--bundle", str(bundle), "--data", str(clips), "--groups", "2-3"]
    assert main([*evaluate, "--json", str(figures)]) == 0
    assert "This split leaks" in capsys.readouterr().out
    scores = json.loads(figures.read_text())
    assert scores["leaks"]
    assert scores["n_clips"] == 4
    assert scores["split"] == "groups 2, 3"


def test_fit_is_calibrated_by_negatives_and_scores_as_a_stream(
    clips: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.evaluation.evaluate_stream.ROOM_S", 6.0)
    calibrates, judges = (write_clip(tmp_path / f"{n}.avi", seed=n) for n in (900, 901))
    run = tmp_path / "run"
    fit = ["fit", str(_config(tmp_path)), "--data", str(clips), "--out", str(run)]
    fit += ["--negatives", str(calibrates), "--cache", str(tmp_path / "cache")]
    assert main([*fit, "--ordinary", str(calibrates)]) == 2
    assert "a negative that calibrates cannot judge" in capsys.readouterr().err
    assert main([*fit, "--ordinary", str(judges)]) == 0
    said = capsys.readouterr().out
    assert "activities shown that were reported" in said
    manifest = load_bundle(run / "bundle").manifest
    assert manifest.calibration.energy_above is not None
    assert manifest.metrics["negatives_rejected"] > 0
    assert manifest.provenance.command.endswith("--negatives 900.avi")
    assert not any("negatives" in source for source in manifest.provenance.trained_on)
    stream = json.loads((run / "stream.json").read_text())
    assert (stream["n_clips"], stream["n_ordinary_clips"]) == (2, 1)
    assert stream["ordinary_minutes"] == pytest.approx(4 / 60)
    assert manifest.metrics["stream_found"] == pytest.approx(stream["found"])
    assert manifest.metrics["stream_false_per_hour_high"] > 3.68 / (4 / 3600)
    page = (run / "report.html").read_text()
    assert "As a stream" in page
    assert "of what it was never taught is" in " ".join(page.split())


@pytest.mark.slow
def test_the_pages_example_of_official_lists_fits(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.evaluation.evaluate_stream.ROOM_S", 6.0)
    page = (ROOT / "docs/training.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (shown,) = [yaml.safe_load(block) for block in blocks if "by: official" in block]
    shown["data"]["classes"], shown["split"]["validation"] = ["Down", "Right"], 0
    config = _config(tmp_path, json.dumps(yaml.safe_load(CONFIG) | shown))
    for part, groups in (("test", (2,)), ("train", (1, 3))):
        named = [f"{c}/v_{c}_g0{n}_c01.avi" for c in ("Down", "Right") for n in groups]
        (tmp_path / f"{part}list01.txt").write_text("\n".join(named))
    fit = ["fit", str(config), "--data", str(clips), "--lists", str(tmp_path)]
    assert main([*fit, "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]) == 0
    provenance = load_bundle(tmp_path / "run/bundle").manifest.provenance
    assert provenance.split == "official list 1"
    assert set(provenance.trained_on) == {"Down/1", "Down/3", "Right/1", "Right/3"}


@pytest.mark.parametrize(
    ("n_epochs", "kept"), [(0, ""), (1, " (the last whole epoch is kept, see --resume)")]
)
def test_ctrl_c_says_how_to_go_on_from_what_there_is(
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    n_epochs: int,
    kept: str,
) -> None:
    def interrupted(checkpoint: fit_network.Checkpoint, *_: object, **__: object) -> None:
        if len(checkpoint.history) == n_epochs:
            signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    monkeypatch.setattr(fit_network.Checkpoint, "on_train_batch_end", interrupted)
    config = _config(tmp_path, CONFIG.replace("epochs: 1", "epochs: 2"))
    fit = ["fit", str(config), "--data", str(clips), "--out", str(tmp_path / "run")]
    assert main([*fit, "--cache", str(tmp_path / "cache")]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"train-har: interrupted{kept}"


def test_ctrl_d_at_the_question_of_consent_interrupts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = io.StringIO()
    monkeypatch.setattr(ended, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", ended)
    record = ["record", "--label", "cooking", "--camera", "0", "--out", str(tmp_path / "clips")]
    assert main(record) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "train-har: interrupted"
    assert not (tmp_path / "clips").exists()


@pytest.mark.parametrize(
    ("missing", "words", "raised"),
    [
        ("keras", ["summary", "lrcn"], False),
        ("yaml", ["fit", "configs/lrcn-ucf.yaml", "--data", "nowhere"], True),
    ],
)
def test_without_the_extra_the_command_that_installs_it_is_named(
    missing: str, words: list[str], raised: bool
) -> None:
    """What every installation has is no matter of the extra: its absence is a fault to be seen."""
    lacking = f"import sys; sys.modules[{missing!r}] = None"
    call = "from training.commands.train_har import main; sys.exit(main())"
    command = [sys.executable, "-c", f"{lacking}; {call}", *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = f"train-har: {missing} is not installed: pip install 'har-stream[train]'"
    assert (run.stderr.splitlines()[-1] == said) is not raised
    assert ("Traceback" in run.stderr) is raised
    assert run.returncode == (1 if raised else 2)


@pytest.mark.slow
def test_tensorflow_says_nothing_before_a_command_does() -> None:
    call = "import sys; from training.commands.train_har import main; sys.exit(main())"
    command = [sys.executable, "-c", call, "summary", "lrcn"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("network: lrcn", "network: lrnc"), "no network 'lrnc': choose one of"),
        (("epochs: 1", "epoch: 1"), ":8: unknown key 'fit.epoch'; did you mean 'epochs'?"),
        (("[Down, Right]", "[Down, Up]"), "no clips of class 'Up'; it has Down, Right"),
        (('["3"]', '["9"]'), "no clip of Down, Right on the test side"),
        (("sample_hz: 5.0", "sample_hz: 5.0, fps: 3"), ":7: clip.fps: Unexpected keyword argument"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    clips: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: tuple[str, str],
    said: str,
) -> None:
    config = _config(tmp_path, CONFIG.replace(*changed))
    assert main(["fit", str(config), "--data", str(clips), "--out", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert said in lines[-1]
    assert not (tmp_path / "run").exists()


def test_fit_says_at_once_which_backend_it_needs(tmp_path: Path) -> None:
    """Before it reads a clip: the data that this config wants is not there."""
    command = [
        sys.executable,
        "-c",
        "import sys; from training.commands.train_har import main; sys.exit(main())",
    ]
    run = subprocess.run(
        [*command, "fit", str(_config(tmp_path)), "--data", "nowhere", "--out", str(tmp_path)],
        env=ON_JAX,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    said = "train-har: KERAS_BACKEND=jax: fit, import and export need tensorflow"
    assert run.stderr.splitlines()[-1] == said


@pytest.mark.parametrize(
    "path",
    sorted(ROOT.glob("configs/*-ucf.yaml"))
    + sorted(ROOT.glob("configs/study-*.yaml"))
    + [ROOT / "configs/home.yaml"],
)
def test_shipped_configs_are_valid_and_commented(path: Path) -> None:
    assert read_config(path).name == path.stem
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if value.strip() and key.strip() not in {"about", "licence"} and key[:1] != "#":
            assert "#" in line, f"{path.name}: {line!r} has no comment"


def test_study_configs_are_the_studys() -> None:
    for network in ("lrcn", "convlstm"):
        config = read_config(ROOT / f"configs/study-{network}.yaml")
        fit = config.fit
        assert (config.network, config.seed, config.split.by) == (network, 27, "study")
        assert config.data.classes == ("WalkingWithDog", "TaiChi", "Swing", "HorseRace")
        size = config.clip.n_frames, config.clip.height_px, config.clip.width_px
        assert (size, config.clip.colour, config.clip.scale) == ((20, 64, 64), "bgr", 1 / 255)
        assert (fit.warm_up, fit.windows_per_clip, fit.others, config.pretrain) == (0, 1, 0, None)
        assert (fit.batch, fit.epochs, fit.patience, fit.learning_rate) == (4, 30, 5, 0.001)
        assert (fit.schedule, fit.label_smoothing, fit.class_weights) == ("constant", 0, False)
        assert config.augment == type(config.augment)()
        assert config.sampling == "spread"


def test_the_study_on_fewer_clips_differs_in_its_epochs_alone() -> None:
    exact, steps = (read_config(ROOT / f"configs/study-lrcn{end}.yaml") for end in ("", "-steps"))
    fit = exact.fit.model_copy(update={"epochs": 52, "patience": 52})
    named = {"name": steps.name, "about": steps.about, "fit": fit}
    assert steps == exact.model_copy(update=named)
    clips = [VideoClip(Path(f"{n}.avi"), "A", str(n)) for n in range(484)]
    n_train = [len(splits.split_as_study(clips[:n], seed=27).train) for n in (484, 277)]
    n_steps = [-(-n // fit.batch) for n in n_train]
    assert n_steps[0] * exact.fit.epochs == pytest.approx(n_steps[1] * fit.epochs, rel=0.01)


def test_a_manifest_names_the_command_without_anybodys_folders() -> None:
    arguments = ["fit", "/home/me/configs/lrcn-ucf.yaml", "--data", "/home/me/UCF", "--seed", "3"]
    options = make_parser().parse_args([*arguments, "--cache", "c", "--out", "/home/me/runs"])
    recipe = "train-har fit configs/lrcn-ucf.yaml --data UCF --seed 3"
    assert fit_runs.recipe(options, options.seed) == recipe
