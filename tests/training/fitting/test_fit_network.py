"""What a network is asked to say, and how far it goes at every step towards it."""

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from support.bundles.tiny_config import tiny_config

from training.config import RunConfig
from training.data.batches import Batches, Example
from training.fitting.checkpoint import Checkpoint
from training.fitting.fit_network import LAST_RATE, MIXED, WHOLE, choose_policy, fit_network

pytestmark = pytest.mark.usefixtures("eager")

HALVED = {"n_frames": 3, "height_px": 64, "width_px": 64, "sample_hz": 5.0}
CLIP = {"n_frames": 3, "height_px": 16, "width_px": 16, "sample_hz": 5.0}


def _config(**fit: Any) -> RunConfig:
    return tiny_config(network="c3d", width=0.02, clip=CLIP, fit=fit)


def _examples(*labels: int | None) -> list[Example]:
    rng = np.random.default_rng(0)
    return [Example(rng.integers(0, 255, (5, 16, 16, 3), np.uint8), label) for label in labels]


def test_smoothed_targets_are_those_worked_out_by_hand() -> None:
    """Three labels and 0.3: each gets 0.1, and the right one 0.7 on top."""
    config = _config(batch=4, label_smoothing=0.3, others=0.5)
    _, targets, weights = Batches(_examples(0, 1, 2, 1, None), config, n_labels=3)[0]
    expected = [[0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1]]
    np.testing.assert_allclose(sorted(targets[:4].tolist()), expected, atol=1e-6)
    np.testing.assert_allclose(targets[4:], [[1 / 3] * 3] * 2, atol=1e-6)
    np.testing.assert_array_equal(weights, 1)


def test_targets_are_plain_unless_smoothed() -> None:
    _, targets, _ = Batches(_examples(0, 1, 2), _config(batch=3), n_labels=3)[0]
    np.testing.assert_array_equal(sorted(targets.tolist()), [[0, 0, 1], [0, 1, 0], [1, 0, 0]])


def _rates(config: RunConfig, folder: Path, patch: pytest.MonkeyPatch) -> list[float]:
    """Learn from five clips; the learning rate before the first step and after every one."""
    rates: list[float] = []

    def note(checkpoint: Checkpoint, *_: object, **__: object) -> None:
        rates.append(float(checkpoint.model.optimizer.learning_rate))

    for when in ("on_train_begin", "on_train_batch_end"):
        patch.setattr(Checkpoint, when, note)
    fit_network(_examples(0, 1, 0, 1, 0), [], config, n_labels=2, folder=folder, resume=False)
    return rates


def test_the_cosine_ends_with_the_last_step_of_the_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"learning_rate": 0.004, "schedule": "cosine", "epochs": 2, "batch": 2}
    rates = _rates(_config(**told), tmp_path, monkeypatch)
    assert len(rates) == 1 + 2 * 3
    falling = [(1 + math.cos(math.pi * n / 6)) / 2 for n in range(7)]
    expected = [0.004 * (LAST_RATE + (1 - LAST_RATE) * share) for share in falling]
    assert rates == pytest.approx(expected, rel=1e-5)
    assert rates[-1] == pytest.approx(rates[0] / 50, rel=1e-5)


def test_without_a_gpu_it_is_not_used_and_this_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert choose_policy(mixed=True, gpus=[]) == WHOLE
    assert "no GPU" in caplog.text
    caplog.clear()
    assert choose_policy(mixed=False, gpus=["gpu:0"]) == WHOLE
    assert choose_policy(mixed=False, gpus=[]) == WHOLE
    assert not caplog.text
    assert choose_policy(mixed=True, gpus=["gpu:0"]) == MIXED


def test_what_was_fitted_in_half_precision_is_kept_in_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.distribution, "list_devices", lambda *_: ["gpu:0"])
    config = RunConfig.model_validate(
        {
            "name": "x",
            "about": "x",
            "network": "lrcn",
            "clip": HALVED,
            "fit": {"epochs": 2, "mixed_precision": True},
        }
    )
    rng = np.random.default_rng(1)
    examples = [Example(rng.integers(0, 255, (5, 64, 64, 3), np.uint8), n % 2) for n in range(6)]
    fitted = fit_network(examples, examples, config, n_labels=2, folder=tmp_path, resume=False)
    assert keras.config.dtype_policy().name == WHOLE
    assert {layer.compute_dtype for layer in fitted.folded.layers} == {"float32"}
    assert all(np.isfinite(row["loss"]) for row in fitted.history)
    with np.load(tmp_path / "checkpoint.npz") as saved:
        for n, weight in enumerate(fitted.model.get_weights()):
            np.testing.assert_array_equal(weight, saved[f"best_{n}"])
