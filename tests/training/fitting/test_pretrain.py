"""Pretraining fits all but the head, from classes that no fold is judged by."""

from pathlib import Path

import keras
import numpy as np
import pytest
from support.bundles import step_form
from support.bundles.tiny_config import tiny_config
from support.video.clip_maker import write_clip, write_dataset

from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from training.config import FitConfig, PretrainConfig
from training.data.clip import VideoClip
from training.fitting.pretrain import pretrain, start_from
from training.fitting.training_run import fit_run
from training.networks import registry

pytestmark = pytest.mark.usefixtures("eager")

SPEC = ClipSpec(n_frames=3, height_px=64, width_px=64, sample_hz=5.0)


@pytest.mark.parametrize("network", ["lrcn", "convlstm"])
def test_all_but_the_head_is_pretrained(tmp_path: Path, network: str) -> None:
    rng = np.random.default_rng(1)
    clips = [VideoClip(Path(f"{n}.mp4"), f"Else{n % 3}", str(n)) for n in range(6)]
    frames = {clip: rng.integers(0, 255, (5, 64, 64, 3), dtype=np.uint8) for clip in clips}
    config = tiny_config(network=network, fit=FitConfig(patience=1, others=0.5))
    pretrained = pretrain(
        frames, config, pretraining=PretrainConfig(epochs=1), folder=tmp_path, resume=False
    )
    assert pretrained.output_shape[-1] == 3
    model = registry.get_network(network).build(4, SPEC)
    fresh = registry.get_network(network).build(4, SPEC)
    fresh.set_weights(model.get_weights())
    start_from(model, pretrained)
    *body, kernel, bias = model.get_weights()
    for found, expected in zip(body, pretrained.get_weights()[:-2], strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(kernel, fresh.get_weights()[-2])
    np.testing.assert_array_equal(bias, fresh.get_weights()[-1])


@pytest.mark.parametrize("number", range(len(step_form.kinds(Path()))))
def test_every_network_can_be_pretrained_but_for_its_head(
    random_weights: Path, number: int
) -> None:
    name, clip, options = step_form.kinds(random_weights)[number]
    pretrained, model, wider = (
        registry.get_network(name).build(n, clip, **options) for n in (3, 3, 4)
    )
    pretrained.set_weights([weight + 1 for weight in pretrained.get_weights()])
    before = model.get_weights()
    start_from(model, pretrained)
    shapes = [weight.shape for weight in wider.get_weights()]
    of_head = [w.shape != shape for w, shape in zip(before, shapes, strict=True)]
    assert sum(of_head) == (4 if name == "two_stream" else 2), "kernel and bias"
    rows = zip(model.get_weights(), before, pretrained.get_weights(), of_head, strict=True)
    for found, fresh, ready, is_head in rows:
        np.testing.assert_array_equal(found, fresh if is_head else ready)


@pytest.mark.slow
def test_every_network_of_a_run_starts_from_the_one_pretraining(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    for n in range(1, 6):
        write_clip(root / f"Else{n}" / f"v_Else{n}_g01_c01.avi", seed=n, n_frames=12)
    config = tiny_config(
        data={"path": root, "classes": ["Down", "Right"], "others": ["*"]},
        split={"by": "folds", "n_folds": 2},
        fit={"epochs": 1, "learning_rate": 1e-9},
        pretrain={"epochs": 1},
    )
    run = fit_run(config, folder=tmp_path / "run", cache_folder=tmp_path / "cache", command="x")
    with np.load(run.folder / "pretrain/checkpoint.npz") as checkpoint:
        n_weights = sum(name.startswith("best_") for name in checkpoint)
        pretrained = [checkpoint[f"best_{n}"] for n in range(n_weights)]
    assert pretrained[-1].shape == (4,), "one of the five other classes is kept to judge by"
    for folder in ("split-1", "split-2", "all"):
        with np.load(run.folder / folder / "checkpoint.npz") as checkpoint:
            for n, expected in enumerate(pretrained[:-2]):
                np.testing.assert_allclose(checkpoint[f"best_{n}"], expected, atol=1e-5)
    keras.backend.clear_session()


def test_pretraining_needs_other_classes(tmp_path: Path) -> None:
    clip = VideoClip(Path("1.mp4"), "Else", "1")
    frames = {clip: np.zeros((5, 64, 64, 3), np.uint8)}
    with pytest.raises(InputError, match=r"two other classes.*data\.others"):
        pretrain(
            frames,
            tiny_config(),
            pretraining=PretrainConfig(epochs=1),
            folder=tmp_path,
            resume=False,
        )
