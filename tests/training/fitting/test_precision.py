"""Mixed precision needs a GPU, and leaves a network in float32 behind."""

from pathlib import Path

import keras
import numpy as np
import pytest

from har_stream.core.frame import ClipSpec
from training.config import RunConfig
from training.data.batches import Example
from training.fitting.fit_network import learn
from training.fitting.precision import MIXED, WHOLE, choose_policy

SPEC = ClipSpec(n_frames=3, height_px=64, width_px=64, sample_hz=5.0)


def test_without_a_gpu_it_is_not_used_and_this_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert choose_policy(mixed=True, gpus=[]) == WHOLE
    assert "no GPU" in caplog.text
    caplog.clear()
    assert choose_policy(mixed=False, gpus=["gpu:0"]) == WHOLE
    assert choose_policy(mixed=False, gpus=[]) == WHOLE
    assert not caplog.text
    assert choose_policy(mixed=True, gpus=["gpu:0"]) == MIXED


def test_what_was_learned_in_half_is_kept_in_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.distribution, "list_devices", lambda _: ["gpu:0"])
    config = RunConfig.model_validate(
        {
            "name": "x",
            "about": "x",
            "network": "lrcn",
            "clip": SPEC,
            "fit": {"epochs": 2, "mixed_precision": True},
        }
    )
    rng = np.random.default_rng(1)
    examples = [Example(rng.integers(0, 255, (5, 64, 64, 3), np.uint8), n % 2) for n in range(6)]
    learned = learn(examples, examples, config, n_labels=2, folder=tmp_path, resume=False)
    assert keras.config.dtype_policy().name == WHOLE
    assert {layer.compute_dtype for layer in learned.folded.layers} == {"float32"}
    assert all(np.isfinite(row["loss"]) for row in learned.history)
    with np.load(tmp_path / "checkpoint.npz") as saved:
        for n, weight in enumerate(learned.model.get_weights()):
            np.testing.assert_array_equal(weight, saved[f"best_{n}"])
