"""The warm-up on single frames fits the per-frame layers, those alone, and the same each time."""

from functools import partial

import keras
import numpy as np
import pytest
from support.bundles.tiny_config import tiny_config

from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from har_stream.recognition.preprocessing import normalise
from training.config import FitConfig
from training.data.batches import Example
from training.fitting.warm_up import warm_up
from training.networks import registry

SPEC = ClipSpec(n_frames=4, height_px=64, width_px=64, sample_hz=5.0)


_config = partial(tiny_config, clip=SPEC, fit=FitConfig(learning_rate=0.002, warm_up=16))


def _examples() -> list[Example]:
    """Clips with a bright square on the left, or on the right."""
    rng = np.random.default_rng(5)
    examples = []
    for n in range(40):
        frames = rng.integers(0, 60, (4, 64, 64, 3), dtype=np.uint8)
        left = 4 + 32 * (n % 2)
        frames[:, 20:44, left : left + 24] += 150
        examples.append(Example(frames, n % 2))
    return examples


@pytest.fixture(scope="module")
def warmed() -> keras.Model:
    return _warmed()


def _warmed() -> keras.Model:
    keras.utils.set_random_seed(3)
    model = registry.get_network("lrcn").build(2, SPEC)
    warm_up(model, _examples(), _config(), n_labels=2)
    return model


def test_features_of_frames_tell_the_labels_apart_afterwards(warmed: keras.Model) -> None:
    frames = normalise(np.stack([example.frames[0] for example in _examples()]), SPEC)
    x = frames
    for layer in warmed.layers[:-2]:
        x = layer.layer(x)
    features = keras.ops.convert_to_numpy(x)
    left, right = features[0::2].mean(0), features[1::2].mean(0)
    nearer_right = ((features - left) ** 2).sum(1) > ((features - right) ** 2).sum(1)
    assert nearer_right.tolist() == [False, True] * 20


def test_the_same_seed_fits_the_same_and_the_recurrence_stays_as_it_was(
    warmed: keras.Model,
) -> None:
    first, second = warmed.get_weights(), _warmed().get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    keras.utils.set_random_seed(3)
    fresh = registry.get_network("lrcn").build(2, SPEC).get_weights()
    changed = [not np.array_equal(a, b) for a, b in zip(first, fresh, strict=True)]
    assert changed == [True] * 8 + [False] * 5


def test_a_network_without_such_layers_is_refused() -> None:
    model = registry.get_network("convlstm").build(2, SPEC)
    with pytest.raises(InputError, match="warm_up"):
        warm_up(model, _examples(), _config(network="convlstm"), n_labels=2)
