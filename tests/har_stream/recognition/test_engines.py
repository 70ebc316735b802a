"""All engines compute the same for every memory; what is missing is said with its remedy."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.typing import NDArray
from support.bundles.random_bundle import LABELS, random_bundle, random_manifest
from support.processes.on_jax import ON_JAX

from har_stream.bundles.bundle import Bundle, Memory, Role, find_bundle, load_bundle, save_bundle
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from har_stream.recognition.engines import EngineName, open_engine
from har_stream.recognition.window_rows import NONE, WindowRows
from training.encoders.to_litert import to_litert

TINY = ClipSpec(n_frames=3, height_px=4, width_px=4, sample_hz=5.0)
SHORT = ClipSpec(n_frames=4, height_px=64, width_px=64, sample_hz=5.0)

RUN = """
import sys
from pathlib import Path
import numpy as np
from har_stream.bundles.bundle import load_bundle
from har_stream.recognition.engines import open_engine
from har_stream.recognition.window_rows import WindowRows
folder = Path(sys.argv[1])
given = np.load(folder / "given.npz")
loaded = load_bundle(Path(sys.argv[2]))
window_rows = WindowRows.from_manifest(loaded.manifest, hop_frames=int(sys.argv[3]))
engine = open_engine(loaded, window_rows, name="keras")
logits = []
for tick, frames in enumerate(given["frames"]):
    ticks = np.full(len(frames), tick)
    slots = np.arange(len(frames))
    step = {"slots": slots, "ages": window_rows.ages(ticks), "rows": window_rows.ending(ticks)}
    logits.append(engine.step(frames, **step))
np.savez(folder / "found.npz", logits=np.stack(logits))
"""


def _run(
    made: Bundle, frames: NDArray[np.float32], *, name: EngineName, hop_frames: int
) -> NDArray[np.float32]:
    """Logits of every tick and camera; frames of shape (ticks, cameras, height, width, 3)."""
    window_rows = WindowRows.from_manifest(made.manifest, hop_frames=hop_frames)
    engine = open_engine(made, window_rows, name=name)
    slots = np.arange(frames.shape[1])
    logits = []
    for tick, now in enumerate(frames):
        ticks = np.full(len(slots), tick)
        ages, rows = window_rows.ages(ticks), window_rows.ending(ticks)
        logits.append(engine.step(now, slots=slots, ages=ages, rows=rows))
    return np.stack(logits)


def _random_frames(n_ticks: int, n_cameras: int, clip: ClipSpec) -> NDArray[np.float32]:
    shape = (n_ticks, n_cameras, clip.height_px, clip.width_px, 3)
    return np.random.default_rng(3).random(shape, dtype=np.float32)


def _save(
    folder: Path, parts: dict[Role, keras.Model], memory: Memory, *, reset_frames: int | None = None
) -> Bundle:
    files, networks = {}, {}
    for role, part in parts.items():
        part.save(folder / "part.keras")
        files[f"{role}.tflite"] = to_litert(part)
        files[f"{role}.keras"] = (folder / "part.keras").read_bytes()
        networks[role] = {"litert": f"{role}.tflite", "keras": f"{role}.keras"}
    manifest = random_manifest("lrcn", TINY).model_copy(
        update={"networks": networks, "memory": memory, "reset_frames": reset_frames}
    )
    return save_bundle(folder / "made", manifest, files)


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, keras.Model, keras.Model]:
    """A frame encoder, and a head that tells the order of the frames."""
    frames = keras.Input((4, 4, 3), name="frames")
    encoder = keras.Model({"frames": frames}, {"features": layers.Flatten()(frames)})
    features = keras.Input((3, 48), name="features")
    logits = layers.Dense(len(LABELS))(layers.Flatten()(features))
    head = keras.Model({"features": features}, {"logits": logits})
    parts: dict[Role, keras.Model] = {"encoder": encoder, "head": head}
    return _save(tmp_path_factory.mktemp("ring"), parts, "ring"), encoder, head


@pytest.mark.parametrize("name", ["litert", "keras"])
def test_a_ring_gives_the_head_the_window_in_order(
    ring: tuple[Bundle, keras.Model, keras.Model], name: EngineName
) -> None:
    made, _, head = ring
    frames = _random_frames(8, 2, TINY)
    found = _run(made, frames, name=name, hop_frames=2)
    for tick in (2, 4, 6):
        window = frames[tick - 2 : tick + 1].swapaxes(0, 1).reshape(2, 3, 48)
        expected = head({"features": ops.convert_to_tensor(window)})["logits"]
        np.testing.assert_allclose(found[tick], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["litert", "keras"])
def test_a_running_state_needs_no_encoder_and_is_reset_as_trained(
    tmp_path: Path, name: EngineName
) -> None:
    frames = keras.Input((4, 4, 3), name="features")
    age = keras.Input((), dtype="int32", name="age")
    total = keras.Input((len(LABELS),), name="total")
    lives = ops.cast(age > 0, "float32")[:, None]
    new = total * lives + ops.mean(frames, axis=(1, 2))
    inputs = {"features": frames, "age": age, "total": total}
    advance = keras.Model(inputs, {"logits": new, "total": new})
    made = _save(tmp_path, {"advance": advance}, "running", reset_frames=5)
    given = _random_frames(10, 3, TINY)
    found = _run(made, given, name=name, hop_frames=1)
    means = given.mean(axis=(2, 3))
    for tick in (2, 3, 4, 7, 8, 9):
        begin = tick - tick % 5
        np.testing.assert_allclose(found[tick], means[begin : tick + 1].sum(0), atol=1e-5)


@pytest.mark.parametrize("network", ["lrcn", "convlstm"])
def test_keras_equals_litert_with_any_number_of_cameras(network: str) -> None:
    made, _ = random_bundle(network, SHORT)
    frames = _random_frames(7, 3, SHORT)
    litert = _run(made, frames, name="litert", hop_frames=2)
    found = _run(made, frames, name="keras", hop_frames=2)
    np.testing.assert_allclose(found[3::2], litert[3::2], atol=1e-5)


def test_rows_shared_out_over_cores_are_those_of_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    made = load_bundle(find_bundle("convlstm-ucf"))
    frames = _random_frames(24, 2, made.manifest.clip)
    found = {}
    for n_cores in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda n=n_cores: n)
        found[n_cores] = _run(made, frames, name="litert", hop_frames=2)
    assert np.ptp(found[1]) > 0
    assert np.array_equal(found[1], found[3])


@pytest.mark.parametrize(
    ("name", "n_cores", "said"),
    [
        ("convlstm-ucf", 1, "LiteRT on one CPU thread"),
        ("convlstm-ucf", 3, "LiteRT on 3 CPU threads"),
        ("lrcn-ucf", 3, "LiteRT on one CPU thread"),  # all its rows are one part
    ],
)
def test_an_engine_says_how_many_threads_it_takes(
    monkeypatch: pytest.MonkeyPatch, name: str, n_cores: int, said: str
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: n_cores)
    made = load_bundle(find_bundle(name))
    assert open_engine(made, WindowRows.from_manifest(made.manifest), name="litert").runs_on == said


def test_cameras_may_join_and_pause(ring: tuple[Bundle, keras.Model, keras.Model]) -> None:
    recurrent, _ = random_bundle("lrcn", SHORT)
    for any_bundle, clip in ((ring[0], TINY), (recurrent, SHORT)):
        frames = _random_frames(12, 5, clip)
        window_rows = WindowRows.from_manifest(any_bundle.manifest, hop_frames=1)
        engines = [open_engine(any_bundle, window_rows, name=name) for name in ("litert", "keras")]
        counts = np.zeros(5, int)
        for tick in range(12):
            present = np.flatnonzero(np.random.default_rng(tick).random(5) < (tick + 1) / 12)
            if not present.size:
                continue
            ages, rows = window_rows.ages(counts[present]), window_rows.ending(counts[present])
            one, other = (
                engine.step(frames[tick, present], slots=present, ages=ages, rows=rows)
                for engine in engines
            )
            np.testing.assert_allclose(one[rows != NONE], other[rows != NONE], atol=1e-5)
            counts[present] += 1


def test_the_keras_engine_on_jax_equals_litert(tmp_path: Path) -> None:
    made, _ = random_bundle("lrcn", SHORT)
    frames = _random_frames(7, 2, SHORT)
    np.savez(tmp_path / "given.npz", frames=frames)
    command = [sys.executable, "-c", RUN, str(tmp_path), str(made.path), "2"]
    subprocess.run(command, check=True, env=ON_JAX)
    found = np.load(tmp_path / "found.npz")["logits"]
    litert = _run(made, frames, name="litert", hop_frames=2)
    np.testing.assert_allclose(found[3::2], litert[3::2], atol=1e-5)


def test_auto_takes_litert_without_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made, _ = random_bundle("lrcn", SHORT)
    window_rows = WindowRows.from_manifest(made.manifest)
    monkeypatch.setattr("har_stream.recognition.engines.GPU_DEVICES", (tmp_path / "none",))
    assert type(open_engine(made, window_rows)).__name__ == "LiteRtEngine"
    monkeypatch.setattr("har_stream.recognition.engines.GPU_DEVICES", (tmp_path,))
    assert type(open_engine(made, window_rows)).__name__ == "KerasEngine"


def test_a_bundle_without_the_engines_files_is_refused(tmp_path: Path) -> None:
    made, _ = random_bundle("lrcn", SHORT)
    networks = {role: {"keras": files["keras"]} for role, files in made.manifest.networks.items()}
    files = {f"{role}.keras": (made.path / f"{role}.keras").read_bytes() for role in networks}
    manifest = made.manifest.model_copy(update={"networks": networks})
    only_keras = save_bundle(tmp_path / "only-keras", manifest, files)
    window_rows = WindowRows.from_manifest(manifest)
    with pytest.raises(InputError, match="no files for the litert engine; take --engine keras"):
        open_engine(only_keras, window_rows, name="litert")
    assert type(open_engine(only_keras, window_rows)).__name__ == "KerasEngine"


def test_a_missing_package_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = random_bundle("lrcn", SHORT)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(InputError, match=r"pip install 'har-stream\[litert\]'"):
        open_engine(made, WindowRows.from_manifest(made.manifest), name="litert")
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(InputError, match=r"pip install 'har-stream\[train\]'"):
        open_engine(made, WindowRows.from_manifest(made.manifest), name="keras")


@pytest.mark.parametrize("name", ["litert", "keras"])
def test_an_unreadable_network_is_named(tmp_path: Path, name: EngineName) -> None:
    made, _ = random_bundle("lrcn", SHORT)
    names = [file for formats in made.manifest.networks.values() for file in formats.values()]
    broken = save_bundle(tmp_path / "b", made.manifest, dict.fromkeys(names, b"no network"))
    with pytest.raises(InputError, match=r"(encoder|advance)\.(tflite|keras): "):
        open_engine(broken, WindowRows.from_manifest(made.manifest), name=name)
