"""What `har-stream` cannot work with: one line that names it and the remedy, and status 2."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.broker.real_broker import Mosquitto, free_port

from har_stream.bundles.bundle import MANIFEST, SHIPPED
from har_stream.commands import stream


@pytest.fixture
def refused(
    eager_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run `main` where it must end with status 2; returns its one line."""

    def run(*arguments: str | Path, bundle: Path = eager_bundle) -> str:
        broker = ["--broker", f"mqtt://127.0.0.1:{free_port()}", "--fail-fast"]
        given = ["--bundle", str(bundle), "--state-dir", str(tmp_path / "state"), *broker]
        assert stream.main([*given, *map(str, arguments)]) == 2
        said = capsys.readouterr().err.splitlines()
        lines = [line for line in said if line.startswith("har-stream: ")]
        assert len(lines) == 1
        return lines[0].removeprefix("har-stream: ")

    return run


def test_without_a_camera_it_says_what_to_give(refused: Callable[..., str]) -> None:
    assert "no camera: give --camera SRC" in refused()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.mp4", None, "cannot be read: No such file or directory; give a video file"),
        ("empty.mp4", b"", "the file is empty"),
        ("letter.mp4", b"Dear Madam or Sir", "not a video that can be read"),
    ],
)
def test_a_file_that_is_no_video_is_named(
    refused: Callable[..., str], tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert refused("--camera", path).startswith(f"{path}: {says}")


def test_a_truncated_video_without_its_index_is_named(
    refused: Callable[..., str], video: Path
) -> None:
    video.write_bytes(video.read_bytes()[:-2000])
    assert f"{video}: not a video that can be read" in refused("--camera", video)


def test_a_folder_without_any_video_is_named(
    refused: Callable[..., str], tmp_path: Path, mosquitto: Mosquitto
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    assert "this folder is empty" in refused("--camera", folder)
    (folder / "a.txt").write_text("Dear Madam or Sir")
    said = refused("--camera", folder, "--broker", mosquitto.url)
    assert "none of its 1 files is a video" in said


def test_a_malformed_config_is_named_by_file_and_line(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    config = tmp_path / "har.yaml"
    config.write_text("node: a\ncamera:\n  - source: 0\n")
    for flag in ("--config", "--check-config"):
        assert refused(flag, config) == f"{config}:2: unknown key 'camera'; did you mean 'cameras'?"


def test_a_wrong_flag_is_named(refused: Callable[..., str], video: Path, tmp_path: Path) -> None:
    assert "node: 'Kitchen Pi' is no valid id" in refused("--camera", video, "--node", "Kitchen Pi")
    twins = refused("--camera", video, "--camera", video)
    assert "two cameras are called bar; give each a name of its own: --camera NAME=SRC" in twins
    rooms = ["--room", "hall=Corridor"]
    assert "--room hall=...: no camera is called so; there are bar" in refused(
        "--camera", video, *rooms
    )
    assert "--record DIR" in refused("--camera", video, "--record-labels", "Swing")
    assert "--skeleton: " in refused("--camera", video, "--skeleton")
    labels = ["--record", tmp_path / "clips", "--record-labels", "Swing,Singing"]
    assert "does not know Singing; it knows" in refused("--camera", video, *labels)
    assert "mqtt://host:1883" in refused("--camera", video, "--broker", "localhost")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--start-at", "teatime"], "'teatime' is no time"),
        (["--record-max-mb", "0"], "'0' is no positive number"),
        (["--fast", "--realtime"], "not allowed with"),
    ],
)
def test_a_malformed_flag_ends_with_status_2(
    capsys: pytest.CaptureFixture[str], flags: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        stream.main(flags)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_a_broken_bundle_is_named(
    refused: Callable[..., str], eager_bundle: Path, video: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(eager_bundle, tmp_path / "broken"))
    manifest = json.loads((broken / MANIFEST).read_text())
    network = broken / next(iter(manifest["networks"]["encoder"].values()))
    network.unlink()
    assert f"{network}: the bundle's manifest names it, but it cannot be read" in refused(
        "--camera", video, bundle=broken
    )
    manifest["deciding"]["urgent"] = ["fallen"]
    (broken / MANIFEST).write_text(json.dumps(manifest))
    assert f"{broken / MANIFEST}: deciding.urgent: no such label: fallen; export" in refused(
        "--camera", video, bundle=broken
    )
    (broken / MANIFEST).unlink()
    assert f"no {MANIFEST} in it" in refused("--camera", video, bundle=broken)
    assert "no bundle 'absent': give" in refused("--camera", video, "--bundle", "absent")


@pytest.mark.parametrize(
    "foreign", [{"labels": ["a", "b", "c", "d", "e"]}, {"labels": ["a", "b"]}, {"height_px": 32}]
)
def test_networks_that_are_foreign_to_their_manifest_are_named(
    refused: Callable[..., str],
    eager_bundle: Path,
    video: Path,
    tmp_path: Path,
    foreign: dict[str, Any],
) -> None:
    altered = Path(shutil.copytree(eager_bundle, tmp_path / "altered"))
    manifest = json.loads((altered / MANIFEST).read_text())
    manifest["confusion"] = None
    if "labels" in foreign:
        manifest |= foreign
    else:
        manifest["clip"] |= foreign
    (altered / MANIFEST).write_text(json.dumps(manifest))
    said = refused("--camera", video, bundle=altered)
    assert re.match(rf"{altered}: its networks (do not fit|know)", said)


def test_a_cameras_foreign_urgent_label_is_named(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    config = tmp_path / "har.yaml"
    config.write_text("cameras:\n- source: 0\n  deciding: {urgent: [fallen]}\n")
    assert "camera cam0: deciding.urgent" in refused("--check-config", config)


@pytest.mark.parametrize(
    ("falls", "says"),
    [
        ("after_s: 5", "falls: no fall can be found so; after_s below within_s expected (2.4)"),
        ("within_s: 0", "falls: no fall can be found so"),
        ("floor_above: 1", "falls: no fall can be found so"),
        ("n_samples: 1000", "falls.n_samples: 100 or less expected"),
    ],
)
def test_settings_by_which_no_fall_is_ever_found_are_refused(
    refused: Callable[..., str], tmp_path: Path, falls: str, says: str
) -> None:
    config = tmp_path / "har.yaml"
    config.write_text(f"cameras:\n- source: 0\n  falls: {{{falls}}}\n")
    assert says in refused("--check-config", config, bundle="home")


def test_settings_of_falls_beside_a_bundle_that_watches_for_none_are_refused(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    config = tmp_path / "har.yaml"
    config.write_text("cameras: [{source: 0, falls: {long_lie_s: 30}}]\n")
    assert "bundle lrcn-ucf watches for none" in refused(
        "--check-config", config, bundle="lrcn-ucf"
    )


def test_a_broker_that_is_not_there_is_named(refused: Callable[..., str], video: Path) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    assert f"broker {url} does not answer" in refused("--camera", video, "--broker", url)


@pytest.mark.parametrize("flag", ["--camera", "--check-config"])
def test_a_label_that_no_network_tells_is_named(
    refused: Callable[..., str], video: Path, tmp_path: Path, flag: str
) -> None:
    bundle = tmp_path / "own"
    shutil.copytree(SHIPPED / "home", bundle)
    text = (bundle / MANIFEST).read_text().replace('"bending"', '"dancing"', 1)
    (bundle / MANIFEST).write_text(text)
    config = tmp_path / "own.yaml"
    config.write_text("cameras: [{source: '0'}]\n")
    said = refused(flag, video if flag == "--camera" else config, bundle=bundle)
    assert said.startswith(f"{bundle}: labels: its networks tell nothing of dancing; ")
