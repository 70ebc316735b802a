"""A training run that cannot be is refused before its clips are read, with the remedy."""

from pathlib import Path

import pytest
from support.bundles.tiny_config import CONFIG
from support.video.clip_maker import write_dataset

from har_stream.core.errors import InputError
from training import config as configs
from training.fitting.training_run import fit_run


def _write(folder: Path, text: str) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "sample_hz: 5.0",
            "sample_hz: 0",
            "7: clip: sample_hz: 0.0 frames a second; give a number",
        ),
        ("sample_hz: 5.0", "sample_hz: .nan", "7: clip: sample_hz: nan frames a second; give a"),
        ("sample_hz: 5.0", "sample_hz: .inf", "7: clip: sample_hz: inf frames a second; give a"),
        ("fit:", "reset_frames: 2\nfit:", "8: reset_frames: 2 frames end no window; give 3 or"),
        ("validation: 0", "validation: 0.7", "6: split.validation: 0.5 or less expected, not 0.7"),
        ("fit:", "width: 0.001\nfit:", "8: width: 0.01 or more expected, not 0.001"),
    ],
)
def test_a_number_that_cannot_be_is_named_by_file_and_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = _write(tmp_path, CONFIG.replace(old, new))
    with pytest.raises(InputError) as error:
        configs.read_config(path)
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{path}:{said}")


def test_what_just_ends_a_window_may_be(tmp_path: Path) -> None:
    text = CONFIG.replace("fit:", "reset_frames: 3\nwidth: 0.01\nfit:")
    found = configs.read_config(_write(tmp_path, text.replace("validation: 0", "validation: 0.5")))
    assert (found.reset_frames, found.split.validation, found.width) == (3, 0.5, 0.01)


LEARNING = "encoder: {network: mobilenet_v2_035, weights: nowhere, frozen: false}"
PIXELS = "sample_hz: 5.0, colour: rgb, scale: 0.00784314, offset: -1"


@pytest.mark.parametrize(
    ("network", "clip", "said"),
    [
        ("lrcn", "sample_hz: 5.0, motion: flow", "lrcn takes 'motion: none', not 'motion: flow'"),
        ("two_stream", "sample_hz: 5.0", "two_stream takes 'motion: flow', not 'motion: none'"),
        ("movinet\nencoder: {network: mobilenet_v1}", PIXELS, "movinet stands on a frozen movinet"),
        (f"cnn_pool\n{LEARNING}", "sample_hz: 5.0", "clip: the encoder has learned colour: rgb"),
        (f"cnn_pool\n{LEARNING}", PIXELS, "no weights 'nowhere'"),
    ],
)
def test_a_network_that_cannot_be_is_refused_before_the_clips_are_read(
    tmp_path: Path, network: str, clip: str, said: str
) -> None:
    text = CONFIG.replace("network: lrcn", f"network: {network}").replace("sample_hz: 5.0", clip)
    config = configs.read_config(_write(tmp_path, text))
    clips = write_dataset(tmp_path / "clips", n_groups=3, n_cuts=1, n_frames=12)
    data = config.data.model_copy(update={"path": clips})
    given = {"folder": tmp_path / "run", "cache_folder": tmp_path / "cache", "command": "a test"}
    with pytest.raises(InputError, match=said):
        fit_run(config.model_copy(update={"data": data}), **given)
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()
