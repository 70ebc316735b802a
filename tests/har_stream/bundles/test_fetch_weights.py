"""The first use of a bundle fetches what it needs, says so, and says what to do where it cannot."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.video.file_server import FileServer

from har_stream.bundles import fetch_weights, weights
from har_stream.bundles.bundle import DEFAULT, MANIFEST, SHIPPED, find_bundle, load_bundle
from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.bundles.published_weights import WEIGHTS
from har_stream.commands import stream
from har_stream.config.state_dir import bundles_dir
from har_stream.core.errors import InputError

CONTENT = b"a network" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "movenet_lightning"


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bundle `home-movenet`, whose network has another content; nothing is here yet."""
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)
    monkeypatch.setattr(weights, "weights_cache", lambda: tmp_path / "cache")
    path = tmp_path / "home-movenet"
    shutil.copytree(SHIPPED / "home-movenet", path)
    text = (path / MANIFEST).read_text()
    (of_file,) = json.loads(text)["outside"].values()
    (path / MANIFEST).write_text(text.replace(of_file["sha256"], SHA256))
    return path


def publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let the network be published there."""
    published = replace(WEIGHTS[NAME], url=url, sha256=SHA256, n_bytes=len(CONTENT))
    monkeypatch.setitem(fetch_weights.WEIGHTS, NAME, published)


def test_the_default_knows_homes_and_needs_nothing() -> None:
    assert DEFAULT == "home"
    assert find_bundle(DEFAULT).parent == SHIPPED
    assert load_bundle(SHIPPED / DEFAULT).manifest.outside == {}


def test_the_first_use_fetches_and_the_second_finds(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with FileServer({"net.tflite": CONTENT}) as server:
        publish(monkeypatch, f"{server.url}/net.tflite")
        loaded = load_with_weights(str(bundle), state_dir=tmp_path)
        load_with_weights(str(bundle), state_dir=tmp_path)
        assert len(server.asked) == 1
        said = f"fetching {NAME}, once: 0.0 MB, Apache-2.0, {server.url}/net.tflite"
        assert capsys.readouterr().err.splitlines()[0] == said
    found = loaded.file("pose", "litert")
    assert found is not None
    assert found.is_relative_to(tmp_path / "cache" / NAME)
    assert found.read_bytes() == CONTENT


@pytest.mark.parametrize("is_file", [True, False])
def test_a_folder_or_file_that_somebody_names_is_taken_and_nothing_is_fetched(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_file: bool
) -> None:
    given = tmp_path / "given" / "any-name.tflite"
    given.parent.mkdir()
    given.write_bytes(CONTENT)
    monkeypatch.setenv(weights.ENVIRONMENT, str(given if is_file else given.parent))
    publish(monkeypatch, "http://127.0.0.1:9/net.tflite")
    assert load_with_weights(str(bundle), state_dir=tmp_path).file("pose", "litert") == given


def test_another_content_is_thrown_away(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FileServer({"net.tflite": CONTENT[:-1] + b"!"}) as server:
        publish(monkeypatch, f"{server.url}/net.tflite")
        with pytest.raises(InputError, match="not the published file, so thrown away"):
            load_with_weights(str(bundle), state_dir=tmp_path)
    assert not list((tmp_path / "cache").rglob("*.*"))


def test_a_strangers_bundle_has_nothing_fetched(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash is none that we know, whatever it says of where to get it."""
    publish(monkeypatch, "http://127.0.0.1:9/net.tflite")
    path = bundle / MANIFEST
    path.write_text(path.read_text().replace(SHA256, "0" * 64))
    with pytest.raises(InputError, match="which is not its own; bring it: train-har download"):
        load_with_weights(str(bundle), state_dir=tmp_path)


def test_one_line_says_what_to_do_where_nothing_can_be_reached(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(monkeypatch, "http://127.0.0.1:9/net.tflite")
    arguments = ["--camera", "x.mp4", "--bundle", str(bundle), "--state-dir", str(tmp_path)]
    assert stream.main(arguments) == 2
    fetching, failed = capsys.readouterr().err.splitlines()
    assert fetching.startswith(f"fetching {NAME}, once:")
    file = tmp_path / "cache" / NAME / WEIGHTS[NAME].name
    assert failed.startswith(
        "har-stream: bundle home-movenet needs weights that are not here: http://127.0"
    )
    assert f"bring it with a browser, put it at {file}" in failed
    assert failed.endswith(
        ", or name a folder that holds it: HAR_WEIGHTS=FOLDER; or take --bundle home, "
        "which needs none"
    )


def test_checking_a_configuration_fetches_nothing(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "har.yaml"
    config.write_text(f"bundle: {bundle}\ncameras: absent.mp4\n")
    with FileServer({"net.tflite": CONTENT}) as server:
        publish(monkeypatch, f"{server.url}/net.tflite")
        assert stream.main(["--check-config", str(config), "--state-dir", str(tmp_path)]) == 0
        assert server.asked == []
    said = capsys.readouterr()
    assert f"bundle home-movenet (fetches {NAME} at its first start), cameras: absent" in said.out
    assert said.err == ""


@pytest.mark.parametrize("are_here", [False, True])
def test_without_a_bundle_it_is_home_and_says_what_that_knows(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    are_here: bool,
) -> None:
    shutil.copytree(bundle, bundles_dir(tmp_path) / bundle.name)
    publish(monkeypatch, "http://127.0.0.1:9/net.tflite")
    if are_here:
        given = tmp_path / "given.tflite"
        given.write_bytes(CONTENT)
        monkeypatch.setenv(weights.ENVIRONMENT, str(given))
    config = tmp_path / "har.yaml"
    config.write_text("cameras: absent.mp4\n")
    with caplog.at_level("INFO"):
        assert stream.main(["--check-config", str(config), "--state-dir", str(tmp_path)]) == 0
    assert "no bundle given, so home: it knows idle, walking, standing" in caplog.text
    assert "bending, fallen, sleeping, all else is unknown" in caplog.text
    fetches = "" if are_here else "fetches 2.9 MB once and "
    assert f"--bundle home-movenet {fetches}is sure more often" in caplog.text


def test_a_variable_that_names_another_file_is_told_before_it_is_fetched(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(b"another network")
    monkeypatch.setenv(weights.ENVIRONMENT, str(other))
    publish(monkeypatch, "http://127.0.0.1:9/network")
    with pytest.raises(InputError):
        load_with_weights(str(bundle), state_dir=tmp_path)
    assert f"HAR_WEIGHTS: {other} holds no {WEIGHTS[NAME].name} of" in capsys.readouterr().err
