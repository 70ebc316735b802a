"""Keras 2 and 3 files of the tutorials become bundles that stream what their models say."""

import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from support.video.clip_maker import write_clip
from support.window_oracle import windows

from har_stream.bundles.bundle import Bundle, load_bundle
from har_stream.cameras.video_file import read_file
from har_stream.commands import stream as cli
from har_stream.core.errors import InputError
from har_stream.recognition.preprocessing import normalise
from har_stream.recognition.recogniser import Recogniser
from training.commands.train_har import main
from training.data.clip import EPOCH
from training.export import import_keras, keras_file
from training.export.import_keras import ModelFacts, import_model

pytestmark = pytest.mark.usefixtures("eager")

KERAS_2 = Path(__file__).with_name("keras2")
ANSWERS = np.load(KERAS_2 / "answers.npz")
LABELS = ("WalkingWithDog", "TaiChi", "Swing", "HorseRace")
SAID = ModelFacts(LABELS, "bgr", 8.0)
OF_THREE = ModelFacts(("A", "B", "C"), "bgr", 2.9)


@pytest.mark.parametrize("name", ["lrcn.h5", "lrcn.keras", "convlstm.h5", "convlstm.keras"])
def test_a_network_built_anew_answers_as_under_keras_2(name: str) -> None:
    saved = keras_file.read(KERAS_2 / name)
    model = keras_file.build(saved)
    clips = np.random.default_rng(27).random((2, *saved.input_shape), dtype=np.float32)
    expected = ANSWERS[Path(name).stem]
    np.testing.assert_allclose(model.predict(clips, verbose=0), expected, atol=1e-6)
    assert expected.max() > 0.5, "an answer that differs from chance"


def _decided(made: Bundle, clip: Path, engine: Any) -> np.ndarray:
    recogniser = Recogniser(made, engine=engine)
    hz = made.manifest.clip.sample_hz
    decisions = []
    for frame in read_file(clip, sample_hz=hz, start_at=EPOCH):
        decisions += recogniser.step([("cam", frame)])
    return np.stack([decision.probabilities for decision in decisions])


def _expected(model: keras.Model, made: Bundle, clip: Path) -> np.ndarray:
    spec, hop_frames = made.manifest.clip, made.manifest.hop_frames
    frames = read_file(clip, sample_hz=spec.sample_hz, start_at=EPOCH)
    cut = [window for _, window in windows(frames, spec, hop_frames=hop_frames)]
    answers: np.ndarray = model.predict(normalise(np.stack(cut), spec), verbose=0)
    return answers


@pytest.mark.parametrize(
    "name",
    [
        "lrcn_0.8688",
        pytest.param("convlstm_0.8278", marks=pytest.mark.slow),
        pytest.param("lrcn_0.8606", marks=pytest.mark.slow),
        pytest.param("convlstm_0.8196", marks=pytest.mark.slow),
    ],
)
def test_the_tutorials_models_stream_what_keras_says(
    shared: Path, tmp_path: Path, name: str
) -> None:
    path = shared / "weights/lrcn_convlstm_2025" / f"{name}.h5"
    made = import_model(path, SAID, name=name, folder=tmp_path / name, command="a test")
    assert made.manifest.network == name.split("_")[0]
    assert made.manifest.n_parameters == (73_060 if "lrcn" in name else 44_524)
    clip = shared / "data/ucf/TaiChi/v_TaiChi_g08_c01.mp4"
    expected = _expected(keras.models.load_model(path, compile=False), made, clip)
    np.testing.assert_allclose(_decided(made, clip, "litert"), expected, atol=1e-5)


def test_an_imported_keras_2_file_streams_from_the_command_line(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, events = tmp_path / "bundle", tmp_path / "events.jsonl"
    said = ["--labels", "A,B,C", "--colour", "rgb", "--sample-hz", "5", "--out", str(folder)]
    assert main(["import", str(KERAS_2 / "convlstm.h5"), *said]) == 0
    assert f"har-stream --bundle {folder}" in capsys.readouterr().out.replace("\n", "")
    made = load_bundle(folder)
    assert made.manifest.labels == ("A", "B", "C")
    assert (made.manifest.clip.colour, made.manifest.hop_frames) == ("rgb", 4)
    assert made.manifest.provenance.leaks, "its author's split is not known"
    clip = shared / "data/ucf/TaiChi/v_TaiChi_g08_c01.mp4"
    window_model = keras_file.build(keras_file.read(KERAS_2 / "convlstm.h5"))
    expected = _expected(window_model, made, clip)
    for engine in ("litert", "keras"):
        np.testing.assert_allclose(_decided(made, clip, engine), expected, atol=1e-5)
    stream = ["--bundle", str(folder), "--camera", str(clip), "--record-events", str(events)]
    assert cli.main([*stream, "--state-dir", str(tmp_path / "state"), "--node", "n"]) == 0


def _under_keras_3(network: str) -> keras.Sequential:
    """What the tutorials' code makes under the Keras that is installed; far from chance."""
    keras.utils.set_random_seed(1)
    each = layers.TimeDistributed
    if network == "lrcn":
        body = [
            each(layers.Conv2D(2, (3, 3), padding="same", activation="relu")),
            each(layers.MaxPooling2D((4, 4))),
            each(layers.Dropout(0.25)),
            each(layers.Flatten()),
            layers.LSTM(5),
        ]
    else:
        body = [
            layers.ConvLSTM2D(2, (3, 3), recurrent_dropout=0.2, return_sequences=True),
            layers.MaxPooling3D((1, 2, 2), padding="same"),
            each(layers.Dropout(0.2)),
            layers.Flatten(),
        ]
    head = layers.Dense(3, activation="softmax")
    model = keras.Sequential([keras.Input((4, 24, 24, 3)), *body, head])
    model.set_weights([3 * weights for weights in model.get_weights()])
    return model


@pytest.mark.parametrize("network", ["lrcn", "convlstm"])
def test_a_file_of_keras_3_is_imported_and_streams_what_its_model_says(
    tmp_path: Path, network: str
) -> None:
    model, path, folder = _under_keras_3(network), tmp_path / "mine.keras", tmp_path / "bundle"
    model.compile(loss="categorical_crossentropy", optimizer="Adam", metrics=["accuracy"])
    model.save(path)
    assert keras_file.read(path).keras_version == keras.__version__
    said = ["--labels", "A,B,C", "--colour", "bgr", "--sample-hz", "5", "--out", str(folder)]
    assert main(["import", str(path), *said]) == 0
    made = load_bundle(folder)
    assert (made.manifest.network, made.manifest.labels) == (network, ("A", "B", "C"))
    assert made.manifest.n_parameters == model.count_params()
    clip = write_clip(tmp_path / "clip.avi")
    expected = _expected(model, made, clip)
    np.testing.assert_allclose(_decided(made, clip, "litert"), expected, atol=1e-5)
    assert np.ptp(expected, axis=-1).max() > 0.2, "an answer that differs from chance"


class _Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


def test_colour_and_rate_are_asked_for_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    command = ["import", str(KERAS_2 / "lrcn.h5"), "--labels", "A,B,C", "--out", str(folder)]
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(command) == 2
    assert "give --colour bgr or rgb and --sample-hz HZ" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", _Terminal("green\nrgb\nfast\n2.9\n"))
    assert main(command) == 0
    manifest = load_bundle(folder).manifest
    assert (manifest.clip.colour, manifest.clip.sample_hz) == ("rgb", 2.9)
    assert manifest.provenance.command == (  # with what was answered, and no one's folders
        "train-har import lrcn.h5 --labels A,B,C --colour rgb --sample-hz 2.9 --name lrcn"
    )


def test_ctrl_d_at_a_question_interrupts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal("rgb\n"))
    assert main(["import", str(KERAS_2 / "lrcn.h5"), "--labels", "A,B,C"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "train-har: interrupted"


def test_an_import_says_first_which_backend_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND=jax"):
        import_model(tmp_path / "no.h5", SAID, name="n", folder=tmp_path / "b", command="a test")


def _save(path: Path, *body: keras.Layer) -> Path:
    model = keras.Sequential([keras.Input((4, 24, 24, 3)), *body])
    model.save(path)
    return path


def _with_config(tmp_path: Path, change: dict[str, Any]) -> Path:
    """The Keras 2 LRCN with another configuration of its LSTM."""
    path = Path(shutil.copy(KERAS_2 / "lrcn.h5", tmp_path))
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        (lstm,) = (each for each in config["config"]["layers"] if each["class_name"] == "LSTM")
        lstm["config"] |= change
        file.attrs["model_config"] = json.dumps(config)
    return path


Change = Callable[[dict[str, Any]], Any]


def _changed(path: Path, change: Change) -> Path:
    """The Keras 3 LRCN with its configuration changed in place, or by what `change` returns."""
    with zipfile.ZipFile(KERAS_2 / "lrcn.keras") as whole, zipfile.ZipFile(path, "w") as odd:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "config.json":
                config = json.loads(content)
                content = json.dumps(change(config) or config).encode()
            odd.writestr(name, content)
    return path


def _first(**values: Any) -> Change:
    return lambda config: config["config"]["layers"][0]["config"].update(values)


def _convolution(**values: Any) -> Change:
    return lambda config: config["config"]["layers"][1]["config"]["layer"]["config"].update(values)


NO_MODEL, NOT_BUILT = (
    "no model saved by Keras; give",
    "its layer 'time_distributed' cannot be built",
)
NO_WINDOW = "a window of colour frames is needed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda config: [config], NO_MODEL),
        (lambda config: config.pop("config") and None, NO_MODEL),
        (lambda config: config["config"].update(layers=[]), NO_MODEL),
        (lambda config: config["config"].update(layers=["Conv2D"]), NO_MODEL),
        (lambda config: config["config"]["layers"][1].pop("config") and None, NO_MODEL),
        (
            lambda config: config["config"]["layers"][1].update(
                config={"name": "time_distributed"}
            ),
            NOT_BUILT,
        ),
        (_first(batch_input_shape=7), NO_WINDOW),
        (_first(batch_input_shape=[None, "4", 32, 32, 3]), NO_WINDOW),
        (_first(batch_input_shape=[None, 4, -1, 32, 3]), NO_WINDOW),
        (_convolution(kernel_size=[99, 99], padding="valid"), NOT_BUILT),
        (_convolution(filters="x"), NOT_BUILT),
        (_convolution(filters=5), "its weights do not fit its network; give"),
    ],
)
def test_an_odd_model_file_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Change, said: str
) -> None:
    path = _changed(tmp_path / "odd.keras", change)
    given = ["--labels", "A,B,C", "--colour", "rgb", "--sample-hz", "5"]
    assert main(["import", str(path), *given, "--out", str(tmp_path / "bundle")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"train-har: {path}: ")
    assert said in line


def _twice(x: Any) -> Any:
    """What a Lambda layer of a downloaded file would run."""
    _RAN.append(True)
    return 2 * x


_RAN: list[bool] = []


def test_code_in_a_file_is_refused_and_never_run(tmp_path: Path) -> None:
    evil = layers.Lambda(_twice, output_shape=(4, 24, 24, 3))
    body = (evil, layers.Flatten(), layers.Dense(3, activation="softmax"))
    for path in (_save(tmp_path / "evil.keras", *body), _save(tmp_path / "evil.h5", *body)):
        _RAN.clear()
        with pytest.raises(InputError, match="a layer 'Lambda', which is not taken from a file"):
            import_model(path, OF_THREE, name="n", folder=tmp_path / "b", command="a test")
        assert not _RAN
    assert not (tmp_path / "b").exists()


def test_what_cannot_be_imported_is_said(tmp_path: Path) -> None:
    def refused(path: Path, said: ModelFacts = OF_THREE) -> str:
        with pytest.raises(InputError) as error:
            import_model(path, said, name="n", folder=tmp_path / "b", command="a test")
        return str(error.value)

    lrcn = KERAS_2 / "lrcn.h5"
    assert "3 classes apart, but --labels names 4: WalkingWithDog" in refused(lrcn, SAID)
    assert "above 0" in refused(lrcn, ModelFacts(("A", "B", "C"), "bgr", 0.0))
    (tmp_path / "text.h5").write_text("no model")
    assert "no model saved by Keras" in refused(tmp_path / "text.h5")
    assert "nowhere.h5: there is no such file" in refused(tmp_path / "nowhere.h5")
    keras.Sequential([keras.Input((3,)), layers.Dense(2)]).save_weights(tmp_path / "w.weights.h5")
    assert "no model saved by Keras" in refused(tmp_path / "w.weights.h5")
    assert "sets go_backwards" in refused(_with_config(tmp_path, {"go_backwards": True}))
    assert "activation 'gelu'" in refused(_with_config(tmp_path, {"activation": "gelu"}))
    assert "weights do not fit" in refused(_with_config(tmp_path, {"units": 6}))
    relu = refused(_with_config(tmp_path, {"activation": "relu"}))
    assert "neither LRCN nor ConvLSTM" in relu
    assert "it differs from LRCN in that lstm" in relu
    assert relu.endswith(" has activation relu, not tanh")
    cnn = [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3, activation="softmax")]
    frame = keras.Sequential([keras.Input((24, 24, 3)), *cnn])
    frame.save(tmp_path / "frame.keras")
    assert "a window of colour frames is needed" in refused(tmp_path / "frame.keras")
    inputs = keras.Input((3,))
    keras.Model(inputs, layers.Dense(2)(inputs)).save(tmp_path / "functional.keras")
    assert "a Functional model; only Sequential" in refused(tmp_path / "functional.keras")


def test_a_network_is_recognised_whatever_its_sizes(tmp_path: Path) -> None:
    stack = [layers.ConvLSTM2D(2, 3, return_sequences=True), layers.MaxPooling3D((1, 2, 2))]
    head = [layers.Flatten(), layers.Dense(3, activation="softmax")]
    narrow = keras.Sequential([keras.Input((4, 24, 24, 3)), *stack, *head])
    # Pooling drops an odd row.
    with pytest.raises(InputError, match=r"max_pooling3d\w* has padding valid, not same$"):
        import_keras.recognise(narrow, tmp_path)
    stack[1] = layers.MaxPooling3D((1, 2, 2), padding="same")
    same = keras.Sequential([keras.Input((4, 24, 24, 3)), *stack, *head])
    assert import_keras.recognise(same, tmp_path) == "convlstm"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"padding": "same"}, "differs from ConvLSTM in that conv has padding same, not valid"),
        ({"kernel_size": 5}, "conv has kernel_size 5x5, not 3x3"),
        ({"activation": "relu"}, "conv has activation relu, not tanh"),
        ({"return_sequences": False}, "conv has return_sequences False, not True"),
    ],
)
def test_the_setting_that_differs_is_named(
    tmp_path: Path, changed: dict[str, object], says: str
) -> None:
    options: dict[str, object] = {"filters": 2, "kernel_size": 3, "return_sequences": True}
    conv = layers.ConvLSTM2D(**(options | changed), name="conv")
    pool = layers.MaxPooling3D((1, 2, 2), padding="same")
    head = [layers.Flatten(), layers.Dense(3, activation="softmax")]
    body = [conv, pool] if conv.return_sequences else [conv]
    model = keras.Sequential([keras.Input((4, 24, 24, 3)), *body, *head])
    with pytest.raises(InputError) as error:
        import_keras.recognise(model, tmp_path)
    assert says in str(error.value)


@pytest.mark.parametrize("n_layers", [0, 1, 2])
def test_a_network_too_short_to_be_one_of_ours_is_refused(tmp_path: Path, n_layers: int) -> None:
    body = [layers.Flatten(), layers.Dense(3, activation="softmax")][2 - n_layers :]
    with pytest.raises(InputError, match="neither LRCN"):
        import_keras.recognise(keras.Sequential([keras.Input((4, 24, 24, 3)), *body]), tmp_path)
