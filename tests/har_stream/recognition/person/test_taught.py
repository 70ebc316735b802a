"""Taught activities take their share of what is said, and a head that does not fit is refused."""

from pathlib import Path

import numpy as np
import pytest

from har_stream.bundles import weights
from har_stream.bundles.bundle import Bundle, find_bundle, load_bundle, save_bundle
from har_stream.core.errors import InputError
from har_stream.recognition.person.geometry import N_FEATURES
from har_stream.recognition.person.pooling import N_FRAMES
from har_stream.recognition.person.taught import (
    N_SCENE,
    TaughtHead,
    open_taught_head,
    pool_taught,
)

N_POOLED = pool_taught(np.zeros((1, N_FRAMES, N_FEATURES + N_SCENE))).size


def test_an_activity_takes_its_share_from_all_others_alike() -> None:
    head = TaughtHead(("tea",), np.zeros((N_POOLED + 1, 2), np.float32))
    head.weights[-1] = np.log([1, 3])  # the bias: three to one for tea
    frames = [np.zeros(N_FEATURES + N_SCENE, np.float32)] * N_FRAMES
    said = head.add_to({"idle": 0.2, "sitting": 0.8}, frames)
    assert said == pytest.approx({"idle": 0.05, "sitting": 0.2, "tea": 0.75})


def test_what_the_whole_image_shows_counts_over_the_window() -> None:
    windows = np.zeros((1, N_FRAMES, N_FEATURES + N_SCENE), np.float32)
    windows[0, :5, N_FEATURES + 7] = 4.0  # for a quarter of it
    assert pool_taught(windows)[0, -N_SCENE + 7] == pytest.approx(1.0)


def taught(folder: Path, content: bytes, shared: Path) -> Bundle:
    """Bundle `home-movenet` with a head of `tea`, whatever is in it."""
    base = load_bundle(find_bundle("home-movenet"))
    (scene,) = (shared / "weights/movinet_a0_stream_int8").glob("*.tflite")
    pose = next(iter(base.manifest.outside.values()))
    manifest = base.manifest.model_copy(
        update={
            "labels": (*base.manifest.labels, "tea"),
            "confusion": None,
            "taught": ("tea",),
            "networks": base.manifest.networks
            | {"scene": {"litert": "s.tflite"}, "taught": {"numpy": "t.npy"}},
            "outside": base.manifest.outside
            | {"s.tflite": pose.model_copy(update={"sha256": weights.hash_of(scene)})},
        }
    )
    head = (base.path / "head.tflite").read_bytes()
    return save_bundle(folder / "flat", manifest, {"head.tflite": head, "t.npy": content})


@pytest.mark.parametrize("what", ["shape", "pickle", "torn", "nothing"])
def test_a_head_that_does_not_fit_is_refused(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv(weights.ENVIRONMENT, str(shared / "weights"))
    file = tmp_path / "t.npy"
    if what == "pickle":
        np.save(file, np.array([{"a": 1}], dtype=object))
    else:
        np.save(file, np.zeros((N_POOLED + (what != "shape"), 2), np.float32))
    content = {"torn": file.read_bytes()[:-8], "nothing": b""}.get(what, file.read_bytes())
    with pytest.raises(InputError, match=r"no head of tea|no array of NumPy"):
        open_taught_head(taught(tmp_path, content, shared))
