"""Both networks are the study's, layer by layer, and their step form is the window model."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pytest
from support.bundles import step_form
from support.processes.on_jax import ON_JAX

from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from training.config import IMAGENET, RunConfig
from training.networks import registry

STUDY = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0)

LRCN = [
    ((20, 64, 64, 16), 448),
    ((20, 16, 16, 16), 0),
    ((20, 16, 16, 16), 0),
    ((20, 16, 16, 32), 4640),
    ((20, 4, 4, 32), 0),
    ((20, 4, 4, 32), 0),
    ((20, 4, 4, 64), 18496),
    ((20, 2, 2, 64), 0),
    ((20, 2, 2, 64), 0),
    ((20, 2, 2, 64), 36928),
    ((20, 1, 1, 64), 0),
    ((20, 64), 0),
    ((32,), 12416),
    ((4,), 132),
]
CONVLSTM = [
    ((20, 62, 62, 4), 1024),
    ((20, 31, 31, 4), 0),
    ((20, 31, 31, 4), 0),
    ((20, 29, 29, 8), 3488),
    ((20, 15, 15, 8), 0),
    ((20, 15, 15, 8), 0),
    ((20, 13, 13, 14), 11144),
    ((20, 7, 7, 14), 0),
    ((20, 7, 7, 14), 0),
    ((20, 5, 5, 16), 17344),
    ((20, 3, 3, 16), 0),
    ((2880,), 0),
    ((4,), 11524),
]


@pytest.mark.parametrize(
    ("name", "table", "n_parameters"), [("lrcn", LRCN, 73_060), ("convlstm", CONVLSTM, 44_524)]
)
def test_network_is_the_studys_layer_by_layer(
    name: str, table: list[tuple[tuple[int, ...], int]], n_parameters: int
) -> None:
    model = registry.get_network(name).build(4, STUDY)
    assert [(layer.output.shape[1:], layer.count_params()) for layer in model.layers] == table
    assert model.count_params() == n_parameters


@pytest.mark.parametrize("name", ["lrcn", "convlstm"])
@pytest.mark.parametrize(
    ("n_labels", "clip"), [(2, ClipSpec(5, 64, 80, 5.0)), (7, ClipSpec(3, 96, 64, 5.0))]
)
def test_step_by_step_equals_the_window_model_at_any_size(
    name: str, n_labels: int, clip: ClipSpec
) -> None:
    network = registry.get_network(name)
    model = network.build(n_labels, clip)
    model.set_weights([3 * weights for weights in model.get_weights()])  # away from uniform
    parts = network.split(model)
    clips = np.random.default_rng(1).random((2, clip.n_frames, clip.height_px, clip.width_px, 3))
    clips = clips.astype(np.float32)
    states = {
        key: keras.ops.ones((2, *tensor.shape[1:]))  # an old window's leavings
        for key, tensor in parts["advance"].input.items()
        if key not in ("features", "age")
    }
    for tick in range(clip.n_frames):
        frames = keras.ops.convert_to_tensor(clips[:, tick])
        features = parts["encoder"]({"frames": frames})["features"]
        age = keras.ops.full((2,), tick, dtype="int32")
        outputs = parts["advance"]({"features": features, "age": age, **states})
        states = {key: outputs[key] for key in states}
    found = keras.ops.convert_to_numpy(keras.ops.softmax(outputs["logits"]))
    np.testing.assert_allclose(found, model.predict(clips, verbose=0), atol=1e-5)


@pytest.mark.parametrize("number", range(len(step_form.kinds(Path()))))
def test_every_network_is_its_window_model_step_by_step(random_weights: Path, number: int) -> None:
    step_form.check(*step_form.kinds(random_weights)[number])


@pytest.mark.parametrize("trains", [False, True], ids=["decides", "trains"])
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_they_run_on_jax(random_weights: Path, trains: bool) -> None:
    run = subprocess.run(
        [sys.executable, step_form.__file__, str(random_weights), *(["--train"] * trains)],
        env=ON_JAX,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) == (10 if trains else 6)


@pytest.mark.parametrize(
    ("name", "least_px"), [("lrcn", 64), ("convlstm", 31), ("c3d", 1), ("two_stream", 12)]
)
def test_a_clip_too_small_for_a_network_is_refused(name: str, least_px: int) -> None:
    motion = registry.needed_motion(name)
    clip = ClipSpec(2, least_px, least_px + 1, 5.0, motion=motion)
    width = 0.02 if name in {"c3d", "two_stream"} else None
    config = RunConfig(name="x", about="x", network=name, clip=clip, width=width)
    registry.build(config, n_labels=2)
    small = replace(clip, height_px=least_px + 1, width_px=least_px - 1)
    said = f"{name} takes {least_px} x {least_px} pixels at least, not {least_px + 1} x"
    with pytest.raises(InputError, match=said):
        registry.network_options(config.model_copy(update={"clip": small}))


@pytest.mark.parametrize("name", ["two_stream", "cnn_pool"])
def test_what_changes_between_frames_takes_two(name: str) -> None:
    clip = ClipSpec(1, 64, 64, 5.0, motion=registry.needed_motion(name))
    encoder = IMAGENET if name == "cnn_pool" else None
    config = RunConfig(name="x", about="x", network=name, clip=clip, encoder=encoder)
    with pytest.raises(InputError, match=f"{name} takes 2 frames at least, not 1"):
        registry.network_options(config)


@pytest.mark.parametrize(
    ("name", "given", "needed"), [("lrcn", "flow", "none"), ("two_stream", "none", "flow")]
)
def test_motion_that_a_network_does_not_take_is_refused(
    name: str, given: Literal["none", "flow"], needed: str
) -> None:
    clip = ClipSpec(2, 64, 64, 5.0, motion=given)
    config = RunConfig(name="x", about="x", network=name, clip=clip)
    with pytest.raises(InputError, match=f"{name} takes 'motion: {needed}', not 'motion: {given}'"):
        registry.network_options(config)


def test_c3d_and_two_stream_are_the_published_ones_at_full_width() -> None:
    published = 3 * 64, 64 * 128, 128 * 256, 256 * 256, 256 * 512, *[512 * 512] * 3
    kernels = [27 * channels for channels in published]
    expected = [*kernels, 8192 * 4096, 4096 * 4096, 4096 * 101]
    assert _kernels("c3d", ClipSpec(16, 112, 112, 5.0)) == expected
    small = ClipSpec(11, 64, 64, 5.0, motion="flow")
    rest = [25 * 96 * 256, 9 * 256 * 512, *[9 * 512 * 512] * 2, 2 * 2 * 512 * 4096]
    rest += [4096 * 2048, 2048 * 101]
    assert _kernels("two_stream", small) == [49 * 3 * 96, *rest, 49 * 20 * 96, *rest]


def _kernels(name: str, clip: ClipSpec) -> list[int]:
    """Sizes of the kernels, in order."""
    model = registry.get_network(name).build(101, clip)
    return [math.prod(weight.shape) for weight in model.weights if weight.name == "kernel"]


@pytest.mark.parametrize("name", ["lrcn", "convlstm"])
def test_step_form_holds_no_random_state(name: str) -> None:
    network = registry.get_network(name)
    for part in network.split(network.build(4, STUDY)).values():
        assert not part.non_trainable_variables


def test_unknown_network_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(InputError, match=r"no network 'lstm'.*convlstm.*lrcn"):
        registry.get_network("lstm")
