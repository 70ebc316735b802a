"""`har-stream --check`: each line is true, names its remedy, and decides the exit status."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from support.broker.real_broker import Mosquitto, free_port, listening
from support.processes.stream_process import eager_copy, shipped_bundle, write_video
from support.video.video_source import MjpegServer, ffmpeg, grey

from har_stream.bundles import weights
from har_stream.bundles.bundle import MANIFEST
from har_stream.commands import stream
from har_stream.commands.check import check_camera, discovery_result, held_camera_result
from har_stream.commands.check_result import CheckResult
from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.errors import InputError
from har_stream.core.frame import Image
from har_stream.mqtt import broker_address, probe
from har_stream.mqtt.probe import open_probe


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "bar.mp4", 100)


@pytest.fixture
def check(
    tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, str]]]:
    """Run `--check`; returns its status and its lines by name."""

    def run(*flags: str | Path) -> tuple[int, dict[str, str]]:
        given = ["--check", "--node", "n1", "--engine", "litert", "--bundle", str(shipped_bundle())]
        if not {"--camera", "--config"} & set(flags):
            given += ["--camera", str(video)]
        if "--state-dir" not in flags:
            given += ["--state-dir", str(tmp_path / "state")]
        status = stream.main([*given, *map(str, flags)])
        lines = [line for line in capsys.readouterr().out.splitlines() if line]
        return status, {line[7:].split(":")[0]: line for line in lines}

    return run


def test_all_is_well(check, mosquitto: Mosquitto, video: Path, tmp_path: Path) -> None:
    with listening(mosquitto.port, "homeassistant/+/+/+/config"):
        status, lines = check("--broker", mosquitto.url)
    assert status == 0
    assert {name for name, line in lines.items() if not line.startswith("ok ")} <= {"clock"}
    assert lines["camera bar"] == f"ok     camera bar: {video} opens, 160x120 at 25 fps"
    assert re.search(r"lrcn-ucf knows .*TaiChi", lines["bundle"])
    assert re.search(
        r"LiteRT on one CPU thread decides on a blank window, [\d.]+ ms", lines["engine"]
    )
    assert f"broker {mosquitto.url} takes and delivers" in lines["mqtt"]
    assert "somebody listens below homeassistant/" in lines["discovery"]
    assert f"{tmp_path / 'state'} is writable" in lines["state"]
    assert not list((tmp_path / "state").iterdir())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # nonsense is what one bundle computes
@pytest.mark.parametrize(
    ("flags", "name", "says"),
    [
        (["--camera", "absent.mp4"], "camera absent", "No such file.*; give a video file"),
        (["--camera", "9"], "camera cam9", "9: cannot be opened; [a-z]"),
        (["--bundle", "absent"], "bundle", "no bundle 'absent'.*give a bundle folder"),
        (["--engine", "keras", "--bundle", "{litert}"], "engine", "; take --engine litert"),
        (["--bundle", "{cold}"], "bundle", "temperature: .*; export the bundle anew"),
        (["--bundle", "{nonsense}"], "engine", "computes nonsense; export the bundle anew"),
        (["--broker", "mqtt://127.0.0.1:{port}"], "mqtt", "does not answer: .*; see that it runs"),
        (["--broker", "localhost"], "mqtt", "mqtt://host:1883 or mqtts://host:8883 expected"),
        (["--state-dir", "{video}/state"], "state", "cannot be written: .*; make it yours"),
        (["--config", "{empty}"], "camera", "none given; give --camera SRC"),
    ],
)
def test_what_is_wrong_is_named_and_alone(
    check, mosquitto: Mosquitto, video: Path, tmp_path: Path, flags, name: str, says: str
) -> None:
    (tmp_path / "empty.yaml").write_text("{}")
    places = {"port": free_port(), "video": video, "empty": tmp_path / "empty.yaml"}
    for kind in ("litert", "cold", "nonsense"):
        if f"{{{kind}}}" in flags:
            places[kind] = _altered_bundle(tmp_path / kind, kind)
    with listening(mosquitto.port, "homeassistant/#"):
        status, lines = check("--broker", mosquitto.url, *(flag.format(**places) for flag in flags))
    assert status == 2
    (wrong,) = [line for line in lines.values() if line.startswith("WRONG")]
    assert wrong == lines[name]
    assert re.search(says, wrong)


def _altered_bundle(path: Path, kind: str) -> Path:
    """A bundle without files for Keras, one with no sane temperature, or one with NaN weights."""
    manifest = json.loads((eager_copy(path) / MANIFEST).read_text())
    match kind:
        case "litert":
            for files in manifest["networks"].values():
                files.pop("keras")
        case "cold":
            manifest["calibration"]["temperature"] = 5e-324
        case "nonsense":
            name = manifest["networks"]["advance"]["litert"]
            _spoil_weights(path / name)
            manifest["sha256"][name] = weights.hash_of(path / name)
    (path / MANIFEST).write_text(json.dumps(manifest))
    return path


def _spoil_weights(path: Path) -> None:
    """Put NaN in place of all large constants of a network."""
    network = Interpreter(model_path=str(path))
    content = path.read_bytes()
    for tensor in network.get_tensor_details():
        try:
            constant = network.get_tensor(tensor["index"])
        except ValueError:  # not a constant: it has no value before a run
            continue
        if constant.dtype == np.float32 and constant.size > 8:
            content = content.replace(constant.tobytes(), np.full_like(constant, np.nan).tobytes())
    path.write_bytes(content)


def test_a_live_camera_is_watched(mosquitto: Mosquitto) -> None:
    with MjpegServer(_striped) as server:
        found = check_camera(CameraSettings(source=server.url), None)
    assert found.ok
    fps = re.fullmatch(rf"{server.url} opens, 64x48 at ([\d.]+) fps", found.text)
    assert fps is not None
    assert 5 < float(fps[1]) < 25, "the server sends 20 a second, on a busy machine fewer"


def _striped(n: int) -> Image:
    """A picture in which something moves."""
    image = grey(90)
    image[:, n % 60 : n % 60 + 4] = 200
    return image


def test_a_camera_that_is_lost_meanwhile_is_wrong() -> None:
    def draw(n: int) -> Image:
        if n > 15:
            raise ConnectionError
        return grey(n)

    with MjpegServer(draw) as server:
        found = check_camera(CameraSettings(source=server.url), None)
    assert not found.ok
    assert re.fullmatch(
        rf"{server.url}: (the stream (ended|broke: .*)|no frame for 2 s)", found.text
    )
    assert found.remedy.startswith("see that it is connected")


@pytest.mark.parametrize(
    ("delivers", "said"),
    [
        (True, "ok     camera hall: delivers"),
        (False, "WRONG  camera hall: does not deliver; see that it is connected"),
        (None, "ok     camera hall: switched off"),
    ],
)
def test_a_camera_that_a_node_holds_is_not_opened_again(delivers: bool | None, said: str) -> None:
    assert str(held_camera_result("hall", delivers)).startswith(said)


def test_a_camera_behind_credentials_is_named_without_them() -> None:
    source = f"rtsp://user:secret@127.0.0.1:{free_port()}/live"
    found = check_camera(CameraSettings(source=source), None)
    assert not found.ok
    assert "secret" not in str(found)
    assert found.text == f"rtsp://***@{source.partition('@')[2]}: cannot be opened"
    assert found.remedy


def test_a_slow_camera_is_a_hint(tmp_path: Path) -> None:
    slow = write_video(tmp_path / "slow.mp4", 20, fps=2.0)
    found = check_camera(CameraSettings(source=str(slow)), None)
    assert found.ok
    assert found.text.endswith("at 2 fps")
    assert "slower than the 10 fps" in found.remedy


def test_a_camera_with_less_than_a_frame_a_second_is_wrong(tmp_path: Path) -> None:
    slow = write_video(tmp_path / "slow.mp4", 5, fps=0.5)
    found = check_camera(CameraSettings(source=str(slow)), None)
    assert not found.ok
    assert found.text.endswith("at 0.5 fps")
    assert found.remedy.startswith("nothing can be recognised at less than a frame a second")


@pytest.mark.slow
def test_a_live_camera_with_less_than_a_frame_a_second_is_told_so() -> None:
    with MjpegServer(grey, every_s=2.5) as server:
        found = check_camera(CameraSettings(source=server.url), None)
    assert not found.ok
    assert found.remedy.startswith("see that it streams a frame a second or more")


@pytest.mark.parametrize(
    ("drawn", "ok", "says"),
    [
        ("color=c=black:size=64x48:rate=10", False, "but it is black or of one colour"),
        ("color=c=0x4080c0:size=64x48:rate=10", False, "but it is black or of one colour"),
        ("testsrc=size=64x48:rate=10,loop=loop=-1:size=1", True, "its picture stands still"),
        ("testsrc2=size=64x48:rate=10", True, "at 10 fps"),
    ],
)
def test_a_picture_that_shows_nothing_is_wrong_and_a_still_one_a_hint(
    tmp_path: Path, drawn: str, ok: bool, says: str
) -> None:
    path = tmp_path / "drawn.avi"
    ffmpeg("-f", "lavfi", "-i", drawn, "-t", "3", "-c:v", "mjpeg", "-q:v", "2", path)
    found = check_camera(CameraSettings(source=str(path)), None)
    assert found.ok is ok
    assert found.text.endswith(says)
    assert bool(found.remedy) is (says != "at 10 fps")


def test_a_single_frame_has_no_rate(tmp_path: Path) -> None:
    brief = write_video(tmp_path / "brief.mp4", 1)
    found = check_camera(CameraSettings(source=str(brief)), None)
    assert found.ok
    assert found.text.endswith("160x120, too short to tell its fps")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_does_not_let_us_write(
    check, make_mosquitto, tmp_path: Path, video: Path, monkeypatch, protocol: str
) -> None:
    """With MQTT 3.1.1 a refusal looks like success; that nothing comes back betrays it."""
    monkeypatch.setattr(probe, "ANSWER_S", 1.0)
    acl = tmp_path / "acl"
    acl.write_text("topic read har/#\ntopic readwrite homeassistant/#\n")
    forbidding = make_mosquitto(f"acl_file {acl}")
    config = tmp_path / "har.yaml"
    url = f"url: '{forbidding.url}', protocol: '{protocol}'"
    config.write_text(f"broker: {{{url}}}\ncameras: [{{source: {video}}}]\n")
    status, lines = check("--config", config)
    assert status == 2
    says = "forbids publishing" if protocol == "5" else "does not deliver to us what we publish"
    assert lines["mqtt"].startswith("WRONG")
    assert f"{says} below har/n1/; its access list must" in lines["mqtt"]


@pytest.mark.parametrize(
    ("section", "retained", "says"),
    [
        (
            "",
            b"",
            "hint   discovery: nobody listens below homeassistant/; with Home Assistant, point",
        ),
        ("", b"offline", "hint   discovery: nobody listens below homeassistant/"),
        ("", b"online", "ok     discovery: somebody listens below homeassistant/"),
        ("discovery: {prefix: ha}", b"online", "hint   discovery: nobody listens below ha/"),
        ("discovery: {enabled: false}", b"", "ok     discovery: switched off"),
    ],
)
def test_that_nobody_listens_is_a_hint_for_not_everybody_has_home_assistant(
    check, mosquitto: Mosquitto, tmp_path: Path, video: Path, section, retained, says
) -> None:
    config = tmp_path / "har.yaml"
    config.write_text(
        f"broker: {{url: '{mosquitto.url}'}}\ncameras: [{{source: {video}}}]\n{section}\n"
    )
    with listening(mosquitto.port, "har/#") as listener:
        listener.publish("homeassistant/status", retained, retain=True)
        ended, lines = check("--config", config)
        assert ended == 0
        assert lines["discovery"].startswith(says)
        for marked in listener.wait_for(lambda came: len(came) == 2):
            assert re.fullmatch("har/n1/check-[0-9a-f]{32}", marked.topic)
    with listening(mosquitto.port, "#") as late:
        late.publish("end", "")
        came = late.wait_for(lambda messages: late.on("end"))
    kept = {message.topic for message in came} - {"end", "homeassistant/status"}
    assert not kept, "the check leaves nothing behind"


def test_a_label_that_no_bundle_knows_is_wrong_and_one_of_another_bundle_a_hint(
    check, mosquitto: Mosquitto, tmp_path: Path, video: Path
) -> None:
    rule = "within: 60min, probability: 0.5, topic: t"
    config = tmp_path / "har.yaml"
    config.write_text(
        f"broker: {mosquitto.url}\ncameras: {video}\nforecast:\n"
        f"  binary_sensors: [TaiChi, fallen]\n  rules: [{{name: tea, activity: eatin, {rule}}}]\n"
    )
    status, lines = check("--config", config)
    assert status == 2
    assert lines["rule tea"] == "WRONG  rule tea: no bundle knows 'eatin'; did you mean 'eating'?"
    assert lines["sensor fallen"] == (
        "hint   sensor fallen: lrcn-ucf does not know 'fallen'; "
        "another node must report it, by the bundle sim-home"
    )
    assert "sensor TaiChi" not in lines


def test_forbidden_discovery_is_told(make_mosquitto, tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite har/#\n")
    settings = BrokerSettings(url=make_mosquitto(f"acl_file {acl}").url)
    topic = "homeassistant/sensor/n1/check/config"
    with open_probe(settings) as asking:
        asking.publish(topic)
        answer = asking.reason_code(topic)
    found = discovery_result("homeassistant", answer=answer, said_online=False)
    assert not found.ok
    assert found.remedy == "its access list must allow this user to write homeassistant/#"


def test_without_a_broker_one_of_our_own_is_tried(check, monkeypatch) -> None:
    monkeypatch.setattr(broker_address, "DEFAULT_PORT", free_port())
    status, lines = check()
    assert status == 0
    assert lines["mqtt"].startswith("hint   mqtt: own broker mqtt://127.0.0.1:")


def test_an_errors_own_remedy_wins() -> None:
    own = CheckResult.from_error(
        "camera", InputError("it burns; call the fire brigade"), remedy="buy one"
    )
    assert (own.text, own.remedy) == ("it burns", "call the fire brigade")
    assert (
        CheckResult.from_error("camera", InputError("it burns"), remedy="buy one").remedy
        == "buy one"
    )
