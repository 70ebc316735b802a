"""The head says the same in NumPy, Keras and LiteRT, and learns what can be told apart."""

from pathlib import Path

import keras
import numpy as np
import pytest

from har_stream.recognition.engines.tflite_file import Network
from har_stream.recognition.person.geometry import N_FEATURES
from har_stream.recognition.person.pooling import N_FRAMES, windows_of
from har_stream.recognition.person.postures import POSTURES
from training.encoders.to_litert import to_litert
from training.fitting.postures.head import NEVER, Head, fit_head


@pytest.fixture(scope="module")
def head() -> Head:
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(60, N_FRAMES, N_FEATURES)).astype(np.float32)
    truth = np.repeat([0, 1, 3, -1], 15)
    windows[:15, -1, 10] += 5
    windows[15:30, -1, 11] += 5
    windows[30:45, -1, 12] += 5
    return fit_head([windows[:20], windows[20:]], [truth[:20], truth[20:]], strength=1.0)


def test_a_window_ends_with_its_frame_and_begins_with_the_first() -> None:
    features = np.arange(30, dtype=np.float32)[:, None]
    windows = windows_of(features)
    assert windows.shape == (30, N_FRAMES, 1)
    assert windows[0].ravel().tolist() == [0] * N_FRAMES
    assert windows[29].ravel().tolist() == list(range(10, 30))


def test_it_tells_apart_what_it_learned_and_never_says_what_it_did_not(head: Head) -> None:
    windows = np.zeros((3, N_FRAMES, N_FEATURES), np.float32)
    for n in range(3):
        windows[n, -1, 10 + n] = 5
    logits = head.logits(windows)
    assert logits.argmax(-1).tolist() == [0, 1, 3]
    assert head.bias[POSTURES.index("sitting")] == NEVER


def test_free_energy_is_the_logit_of_strangeness_and_postures_stay_as_they_were() -> None:
    rng = np.random.default_rng(2)
    windows = rng.normal(size=(60, N_FRAMES, N_FEATURES)).astype(np.float32)
    truth = np.repeat([0, 1], 30)
    windows[30:, -1, 11] += 5
    strange = windows + np.eye(N_FEATURES, dtype=np.float32)[20] * 5
    plain, wary = (
        fit_head([windows], [truth], strength=1.0, strange=each) for each in ((), [strange])
    )
    both = np.concatenate([windows, strange])
    energies = [-np.logaddexp.reduce(each.logits(both), axis=1) for each in (plain, wary)]
    assert energies[0] == pytest.approx(np.full(120, NEVER), abs=1e-4)
    assert energies[1][:60].max() < 0 < energies[1][60:].min()
    shares = [np.exp(each.logits(both)) for each in (plain, wary)]
    shares = [each / each.sum(1, keepdims=True) for each in shares]
    np.testing.assert_allclose(*shares, atol=1e-5)


def test_keras_and_litert_say_the_same(head: Head, tmp_path: Path) -> None:
    windows = np.random.default_rng(1).normal(size=(4, N_FRAMES, N_FEATURES)).astype(np.float32)
    expected = head.logits(windows)
    model = head.to_keras()
    by_keras = keras.ops.convert_to_numpy(model({"features": windows})["logits"])
    np.testing.assert_allclose(by_keras, expected, atol=1e-4)
    path = tmp_path / "head.tflite"
    path.write_bytes(to_litert(model))
    network = Network(path)
    for window, logits in zip(windows, expected, strict=True):
        said = network.run({"features": window[None]})["logits"][0].copy()
        np.testing.assert_allclose(said, logits, atol=1e-4)
