"""A head on a frozen encoder: features once through the streaming engine, the bundle says whose."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.applications import mobilenet_v2
from keras.src.backend import config as keras_home
from support.bundles.pretrained import write_weights
from support.bundles.tiny_config import tiny_config
from support.limits import files_of_at_most
from support.video.clip_maker import write_dataset
from support.video.file_server import FileServer

from har_stream.bundles import weights
from har_stream.bundles.bundle import Bundle, load_bundle
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from training.config import DataConfig, EncoderConfig, RunConfig
from training.encoders import frozen, pretrained
from training.evaluation.evaluate_clips import evaluate_bundle
from training.fitting.training_run import Run, fit_run
from training.networks import registry

pytestmark = pytest.mark.usefixtures("eager")

PIXELS = {"colour": "rgb", "scale": pretrained.CNN_PIXELS.scale, "offset": -1.0}
SMALL = {"n_frames": 4, "height_px": 32, "width_px": 48, "sample_hz": 5.0, **PIXELS}
SMALL_CLIP = ClipSpec(**SMALL)
LARGE = {"n_frames": 4, "height_px": 172, "width_px": 172, "sample_hz": 2.5, "colour": "rgb"}
MOVINET = {"network": "movinet_a0_stream", "weights": "movinet_a0_stream_int8"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("clips") / "data", n_groups=4, n_cuts=1)


def _config(
    network: str, encoder: dict[str, Any], clip: dict[str, Any], **changes: Any
) -> RunConfig:
    base: dict[str, Any] = {
        "hop_frames": 2,
        "split": {"held_out": ["4"], "validation": 0.0},
        "fit": {"epochs": 2, "batch": 4},
    }
    return tiny_config(network=network, encoder=encoder, clip=clip, **base | changes)


def _fit(config: RunConfig, root: Path, data: Path) -> Run:
    config = config.model_copy(update={"data": DataConfig(path=data)})
    return fit_run(
        config, folder=root / "run", cache_folder=root / "cache", command="train-har fit"
    )


def _assert_streams_as_fitted(made: Bundle, run: Run, clips: Path) -> None:
    scores = evaluate_bundle(made, DataConfig(path=clips), groups=("4",))
    for name in ("accuracy", "macro_f1", "ece"):
        assert scores[name] == pytest.approx(run.scores[name], abs=1e-4)


def test_an_encoder_that_cannot_be_written_is_told(random_weights: Path, tmp_path: Path) -> None:
    encoder = {"network": "mobilenet_v2_035", "weights": str(random_weights)}
    with pytest.raises(InputError, match=r"encoder\.tflite: cannot be written: No such file"):
        frozen.make_frozen_encoder(_config("cnn_lstm", encoder, SMALL), folder=tmp_path / "gone")


def test_a_full_disk_leaves_the_old_encoder(random_weights: Path, tmp_path: Path) -> None:
    encoder = {"network": "mobilenet_v2_035", "weights": str(random_weights)}
    (tmp_path / "encoder.tflite").write_bytes(b"old")
    with files_of_at_most(20_000), pytest.raises(InputError, match=r"encoder\.tflite: cannot be"):
        frozen.make_frozen_encoder(_config("cnn_lstm", encoder, SMALL), folder=tmp_path)
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"old"


@pytest.mark.parametrize(
    "network",
    [
        pytest.param("cnn_lstm", marks=pytest.mark.slow),
        "cnn_pool",
        pytest.param("cnn_transformer", marks=pytest.mark.slow),
    ],
)
def test_features_are_extracted_once_and_the_bundle_holds_the_encoder(
    clips: Path, random_weights: Path, tmp_path: Path, network: str
) -> None:
    encoder = {"network": "mobilenet_v2_035", "weights": str(random_weights)}
    config = _config(network, encoder, SMALL, augment={"ticks": 2, "speed": 1.2})
    run = _fit(config, tmp_path, clips)
    features = [np.load(path) for path in (tmp_path / "cache").glob("*.npy")]
    assert len(features) == 8
    assert {each.dtype.name for each in features} == {"float32"}
    assert {each.shape for each in features} == {(40, 1280)}
    made = load_bundle(run.folder / "bundle")
    assert made.manifest.networks["encoder"].keys() == {"litert", "keras"}
    assert not made.manifest.outside
    _assert_streams_as_fitted(made, run, clips)


def test_a_backbone_from_outside_is_named_by_its_hash_and_begins_anew_as_in_training(
    shared: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.ENVIRONMENT, str(shared / "weights"))
    run = _fit(_config("movinet", MOVINET, LARGE, reset_frames=7), tmp_path, clips)
    made = load_bundle(run.folder / "bundle")
    assert [path.name for path in made.path.glob("*.tflite")] == ["advance.tflite"]
    (outside,) = made.manifest.outside.values()
    assert outside.how == "train-har download weights movinet_a0_stream_int8"
    _assert_streams_as_fitted(made, run, clips)
    monkeypatch.delenv(weights.ENVIRONMENT)
    monkeypatch.setattr(weights, "folder", lambda: tmp_path / "nothing")
    with pytest.raises(InputError, match=f"bring it: {outside.how}"):
        load_bundle(made.path)


def test_a_backbone_given_by_its_path_is_kept_where_its_bundle_finds_it(
    shared: Path,
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)
    monkeypatch.setattr(weights, "folder", lambda: tmp_path / "kept")
    name = MOVINET["weights"]
    mine = tmp_path / "mine.tflite"
    mine.write_bytes((shared / f"weights/{name}/{name}.tflite").read_bytes() + b"of my own")
    with caplog.at_level("INFO"):
        run = _fit(_config("movinet", MOVINET | {"weights": str(mine)}, LARGE), tmp_path, clips)
    (said,) = (r.getMessage() for r in caplog.records if r.name == weights.__name__)
    assert f"{mine} is copied to {tmp_path / 'kept'}" in said
    mine.unlink()
    made = load_bundle(run.folder / "bundle")
    _assert_streams_as_fitted(made, run, clips)
    monkeypatch.setattr(weights, "folder", lambda: tmp_path / "nothing")
    with pytest.raises(InputError, match="bring it: nobody publishes it: copy it into a folder"):
        load_bundle(made.path)


def test_every_phase_of_a_jittered_clip_is_a_stream_of_its_own(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.ENVIRONMENT, str(shared / "weights"))
    config = _config("movinet", MOVINET, LARGE)
    images = np.random.default_rng(2).integers(0, 256, (9, 172, 172, 3), dtype=np.uint8)
    jittered = config.model_copy(
        update={"augment": config.augment.model_copy(update={"ticks": 2}), "reset_frames": 3}
    )
    plain = frozen.make_frozen_encoder(config, folder=Path())
    phased = frozen.make_frozen_encoder(jittered, folder=Path())
    assert plain is not None
    assert phased is not None
    expected = np.empty((9, 600), np.float32)
    for phase in (0, 1):
        own = images[phase::2]
        pieces = [plain(own[begin : begin + 3]) for begin in range(0, len(own), 3)]
        expected[phase::2] = np.concatenate(pieces)
    np.testing.assert_array_equal(phased(images), expected)
    begun_anew = frozen.make_frozen_encoder(
        config.model_copy(update={"reset_frames": 3}), folder=Path()
    )
    assert begun_anew is not None
    assert phased.identity != begun_anew.identity, "at twice the rate, it would see these frames"


def test_jitter_of_a_backbone_with_a_memory_streams_as_fitted(
    shared: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.ENVIRONMENT, str(shared / "weights"))
    run = _fit(_config("movinet", MOVINET, LARGE, augment={"ticks": 2}), tmp_path, clips)
    _assert_streams_as_fitted(load_bundle(run.folder / "bundle"), run, clips)


@pytest.mark.slow
def test_an_encoder_may_be_trained_too(shared: Path, clips: Path, tmp_path: Path) -> None:
    path = shared / "weights/mobilenet_v2_035_imagenet"
    encoder = {"network": "mobilenet_v2_035", "weights": str(path), "frozen": False}
    before = pretrained.build_encoder(EncoderConfig(**encoder), SMALL_CLIP).get_weights()
    run = _fit(_config("cnn_lstm", encoder, SMALL, augment={"flip": 0.5}), tmp_path, clips)
    model = keras.saving.load_model(run.folder / "model.keras")
    after = model.layers[0].layer.get_weights()
    assert any((one != other).any() for one, other in zip(before, after, strict=True))
    _assert_streams_as_fitted(load_bundle(run.folder / "bundle"), run, clips)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"encoder": {"weights": "nowhere"}},
            "no weights 'nowhere' .*: give a path, or .*: .*mobilenet_v1_imagenet, mobilenet_v2",
        ),
        (
            {"encoder": {"weights": "mobilenet_v1_imagenet"}},
            "train-har download weights mobilenet_v1_imagenet, or give a path",
        ),
        (
            {"encoder": {"network": "mobilenet_v1"}, "clip": SMALL | {"height_px": 30}},
            "mobilenet_v1 takes 31 x 31 pixels at least, not 30 x 48",
        ),
        ({"encoder": None}, "stands on an encoder: name it with 'encoder'"),
        ({"network": "lrcn"}, "knows no 'encoder'"),
        ({"width": 0.5}, "knows no 'width'"),
        ({"clip": SMALL | {"colour": "bgr"}}, "has learned colour: rgb, scale: 0.00784"),
        ({"augment": {"flip": 0.5}}, "sees every clip once, as it is: leave flip"),
        ({"reset_frames": 5}, "only movinet_a0_stream outlasts a window: take it out"),
        ({"encoder": MOVINET}, "cnn_lstm begins anew with each window, which movinet_a0_stream"),
        (
            {"network": "cnn_pool", "encoder": MOVINET, "clip": LARGE},
            "no weights 'movinet_a0_stream_int8' .*: train-har download weights movinet",
        ),
        (
            {"network": "cnn_pool", "encoder": MOVINET, "clip": LARGE | {"width_px": 171}},
            "sees 172 x 172 pixels, not 172 x 171",
        ),
        ({"network": "cnn_pool", "encoder": MOVINET, "clip": SMALL}, "has learned colour: rgb"),
    ],
)
def test_what_cannot_be_is_said_with_its_remedy(
    clips: Path,
    random_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    said: str,
) -> None:
    monkeypatch.setattr(weights, "folder", lambda: tmp_path / "nothing")
    encoder = {"network": "mobilenet_v2_035", "weights": str(random_weights)}
    said_to = {"network": "cnn_lstm", "encoder": encoder, "clip": SMALL} | changes
    with pytest.raises(InputError, match=said):
        _fit(_config(**said_to), tmp_path, clips)


def test_weights_as_the_library_publishes_them_load_too(
    random_weights: Path, tmp_path: Path
) -> None:
    published = write_weights(tmp_path / "v2_no_top.h5")
    one, other = (
        pretrained.build_encoder(
            EncoderConfig(network="mobilenet_v2_035", weights=str(path)), SMALL_CLIP
        )
        for path in (random_weights, published)
    )
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("mobilenet_v1", "mobilenet_v1_imagenet"),
        ("mobilenet_v2_035", "mobilenet_v2_035_imagenet"),
    ],
)
def test_no_weight_of_an_encoder_is_left_to_chance(shared: Path, network: str, name: str) -> None:
    encoder = EncoderConfig(network=network, weights=str(shared / "weights" / name))
    built = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        built.append(pretrained.build_encoder(encoder, SMALL_CLIP).get_weights())
    for one, other in zip(*built, strict=True):
        np.testing.assert_array_equal(one, other)


OF_KERAS = EncoderConfig(network="mobilenet_v2_035", weights=pretrained.KERAS)


def test_the_librarys_own_loader_brings_the_weights(
    random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_home, "_KERAS_DIR", str(tmp_path))
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    write_weights(tmp_path / "models" / name)
    brought = pretrained.build_encoder(OF_KERAS, SMALL_CLIP).get_weights()
    named = OF_KERAS.model_copy(update={"weights": str(random_weights)})
    expected = pretrained.build_encoder(named, SMALL_CLIP).get_weights()
    for mine, theirs in zip(brought, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_the_librarys_own_loader_cannot_bring_is_said_in_one_line(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_home, "_KERAS_DIR", str(tmp_path))
    config = _config("cnn_pool", OF_KERAS.model_dump(), SMALL)
    with FileServer({}) as server, pytest.raises(InputError) as error:
        monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", f"{server.url}/")
        _fit(config, tmp_path, clips)
    assert [name for name, _ in server.asked] == [
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    ]
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"Keras cannot bring the weights (URL fetch failure on {server.url}/")
    assert line.endswith(
        "404 -- Not Found): give encoder.weights a path or a name that train-har download weights "
        "knows"
    )


def test_weights_of_another_network_are_refused(random_weights: Path, tmp_path: Path) -> None:
    encoder = EncoderConfig(network="mobilenet_v1", weights=str(random_weights))
    with pytest.raises(InputError, match="no weights of mobilenet_v1"):
        pretrained.build_encoder(encoder, SMALL_CLIP)


def test_movinet_knows_only_backbones_that_remember() -> None:
    with pytest.raises(InputError, match="stands on a frozen movinet_a0_stream"):
        registry.get_network("movinet").build(2, ClipSpec(**LARGE), encoder=EncoderConfig())
