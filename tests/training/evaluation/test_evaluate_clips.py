"""A bundle is evaluated on clips of its own labels; where the data has others, it is said."""

from pathlib import Path

import pytest
from support.processes.stream_process import shipped_bundle
from support.video.clip_maker import write_clip

from har_stream.bundles.bundle import Bundle, load_bundle
from har_stream.core.errors import InputError
from training.commands.train_har import main
from training.config import DataConfig
from training.evaluation.evaluate_clips import chosen_clips, evaluate_bundle, split_names


@pytest.fixture(scope="module")
def loaded() -> Bundle:
    return load_bundle(shipped_bundle())


def _folders(root: Path, *names: str) -> Path:
    """Class folders of two clips each, which are listed and never read."""
    for name in names:
        for group in ("01", "02"):
            path = root / name / f"v_{name}_g{group}_c01.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.name)
    return root


def test_a_label_that_the_bundle_does_not_know_is_said_in_one_line(
    loaded: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = loaded.manifest.labels
    data = _folders(tmp_path / "data", *labels, "Cooking")
    assert main(["evaluate", "--bundle", str(loaded.path), "--data", str(data)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"train-har: labels differ: bundle {loaded.manifest.name} knows {', '.join(labels)}; "
        f"{data} has {', '.join(sorted([*labels, 'Cooking']))}; choose with --classes"
    )


def test_clips_of_some_labels_are_evaluated_on_and_the_others_named(
    loaded: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    some, absent = loaded.manifest.labels[:2], loaded.manifest.labels[2:]
    data = _folders(tmp_path, *some)
    clips = chosen_clips(loaded, DataConfig(path=data))
    assert {clip.label for clip in clips} == set(some)
    assert caplog.messages == [f"{data}: no clips of {', '.join(absent)}; judged on the others"]
    chosen = chosen_clips(loaded, DataConfig(path=data, classes=some), groups=["2"])
    assert [(clip.label, clip.group) for clip in chosen] == [(label, "2") for label in some]
    assert len(caplog.messages) == 1  # by choice nothing is missing


def test_clips_of_other_activities_are_evaluated_on_as_such(loaded: Bundle, tmp_path: Path) -> None:
    labels = loaded.manifest.labels
    data = _folders(tmp_path, *labels, "Cooking")
    clips = chosen_clips(loaded, DataConfig(path=data, others=("Cooking",)))
    assert [clip.label for clip in clips[-2:]] == ["Cooking", "Cooking"]
    assert {clip.label for clip in clips[:-2]} == set(labels)
    with pytest.raises(InputError, match="labels differ"):
        chosen_clips(loaded, DataConfig(path=data, classes=("Cooking", *labels)))


def test_one_clip_of_one_label_can_be_evaluated_on(loaded: Bundle, tmp_path: Path) -> None:
    label = loaded.manifest.labels[1]
    write_clip(tmp_path / label / f"v_{label}_g01_c01.avi", n_frames=12)
    assert evaluate_bundle(loaded, DataConfig(path=tmp_path, classes=(label,)))["n_clips"] == 1


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("5-5,30", ("5", "30")),
        ("8-10, A ,", ("8", "9", "10", "A")),
        ("20261124-evening", ("20261124-evening",)),
    ],
)
def test_names_on_the_command_line(text: str, names: tuple[str, ...]) -> None:
    assert split_names(text) == names


@pytest.mark.parametrize(
    ("text", "said"), [("A,7-1", "^7-1: .*; write 1-7$"), (",", "','"), (" ", "' ' names nothing")]
)
def test_an_option_that_names_nothing_does_not_mean_everything(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        split_names(text)
