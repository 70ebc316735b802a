"""A wrong line in the settings is named: file, line, key, and the nearest key that is valid."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.repository import ROOT

from har_stream.config.broker_settings import BrokerSettings, read_password
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.problems import section_in
from har_stream.config.settings import Settings, load_settings, override_settings
from har_stream.core.errors import InputError

EXAMPLE = ROOT / "configs" / "har-stream.yaml"

DRAWN = "cameras:\n- source: a\n  regions:\n"


SQUARE = "[0.1, 0.6], [0.5, 0.6], [0.5, 0.9], [0.1, 0.9]"
NESTED = (
    "cameras.0.regions.bed: a list of polygons expected, each a list of corners [x, y], for example"
    " [[[0.1, 0.6], [0.5, 0.6], [0.5, 0.9]]]"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "har.yaml"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("bundel: x\n", 1, "unknown key 'bundel'; did you mean 'bundle'?"),
        ("node: a\nbroker:\n  usrname: x\n", 3, "'broker.usrname'; did you mean 'username'?"),
        ("cameras:\n- source: a\n- source: b\n  rom: c\n", 4, "did you mean 'room'?"),
        ("cameras:\n- source: a\n  deciding:\n    min_dwel_s: 3\n", 4, "mean 'min_dwell_s'?"),
        ("broker:\n  tls:\n    ca: x\n", 3, "valid are ca_file, cert_file, key_file"),
        ("broker:\n  password: abc\n", 2, "did you mean 'password_file'?"),
        ("node: a\ncameras:\n- room: kitchen\n", 3, "cameras.0.source is missing"),
        ("cameras:\n- source: rtsp://\n", 2, "there is no host in it"),
        ("cameras:\n- source: http:///live\n", 2, "there is no host in it"),
        ("cameras:\n- source: rtsp://cam:99999/live\n", 2, "its port is no number of 1 to"),
        ("cameras:\n- source: rtsp://cam:0/live\n", 2, "its port is no number of 1 to"),
        ("cameras:\n- source: rtsp://cam:secret/live\n", 2, "its port is no number of 1 to"),
        ("cameras:\n- source: rstp://cam/live\n", 2, "no camera speaks rstp://; known are rtsp,"),
        ("cameras:\n", 1, "cameras has no value; give one or leave the key out"),
        (
            "engine: tensorflow\n",
            1,
            "engine: 'auto', 'litert' or 'keras' expected, not 'tensorflow'",
        ),
        ("node: Kitchen Pi\n", 1, "'Kitchen Pi' is no valid id (a-z, 0-9, _ and -"),
        ("home: bridge\n", 1, "'bridge' is no valid id"),
        (f"node: {'a' * 201}\n", 1, "200 at most"),
        (
            f"cameras:\n- source: a\n  room: {'a' * 257}\n",
            3,
            "256 characters at most expected, not 257 characters",
        ),
        (
            "cameras:\n- source: a\n  region: [0, 0, 2, 1]\n",
            3,
            "region.2: 1 or less expected, not 2",
        ),
        ("cameras:\n- source: a\n  region: [0.5, 0, 0.2, 1]\n", 3, "left < right"),
        ("cameras:\n- source: a\n  region: [0, 0, 1]\n", 3, "cameras.0.region.3 is missing"),
        (
            "cameras:\n- source: a\n  regions:\n    couch: []\n",
            4,
            "unknown key 'cameras.0.regions.c",
        ),
        (f"{DRAWN}    bed: [[[0.1, 0.2], [0.5, 0.6]]]\n", 4, "3 to 100 corners expected"),
        (f"{DRAWN}    bed: [[[0, 0], [1, 1], [0.5, 0.5]]]\n", 4, "corners enclose nothing"),
        (f"{DRAWN}    bed: [[[0, 0], [1, 1], [0, 320]]]\n", 4, "1 or less expected, not 320"),
        ("base_topic: har/#\n", 1, "base_topic: 'har/#' is no single topic: no wildcard"),
        ("base_topic: ''\n", 1, "base_topic: '' is no single topic"),
        ("base_topic: /\n", 1, "base_topic: '' is no single topic"),
        ("base_topic: har//x\n", 1, "words parted by single slashes expected"),
        ("base_topic: $SYS\n", 1, "those with $ are the broker's own"),
        ("discovery: {prefix: homeassistant/+}\n", 1, "discovery.prefix: 'homeassistant/+' is no"),
        ("discovery: {prefix: /ha}\n", 1, "words parted by single slashes expected"),
        ("discovery: homeassistant\n", 1, "discovery: keys and values expected, not 'homeassis"),
        ("discovery:\n  enabled: sometimes\n", 2, "true or false expected, not 'sometimes'"),
        ("broker: [a]\n", 1, "broker: keys and values expected, not a list of 1"),
        ("cameras: true\n", 1, "cameras: a list expected, not true"),
        ("cameras:\n  hall: {source: 1}\n  bath: {source: 2, rom: x}\n", 3, "cameras.1.rom"),
        ("cameras:\n  source: 1\n  romm: x\n", 3, "did you mean 'room'?"),
        ("cameras: {a: {source: 1}, b: {source: 2, name: a}}\n", 1, "two cameras are called a"),
        ("state_dir: ~nobody1/x\n", 1, "no user of that name has a home here"),
        ("cameras: ['']\n", 1, "cameras.0.source: a device, a file, a folder or an address exp"),
        ("cameras: ['file:///a.mp4']\n", 1, "give the path of a file as it is, without file://"),
        ("node: on\n", 1, "node: text expected, not true; put it in quotes"),
        ("cameras:\n- source: 0\n  deciding: {min_dwell_s: .inf}\n", 3, "1e+09 or less expected"),
        ("forecast: {stale_after_s: 1e300}\n", 1, "1e+09 or less expected"),
        ("metrics_port: many\n", 1, "metrics_port: a whole number expected, not 'many'"),
        ("node: [a]\n", 1, "node: text expected, not a list of 1"),
        ("node: a\nhome: b\nnode: c\n", 3, "key 'node' is given twice"),
        ("cameras:\n- source: x.mp4\n- source: y/x.mp4\n", 1, "two cameras are called x"),
        ("- a\n", 1, "keys and values expected"),
        ("node: [a\nhome: b\n", 2, "not valid YAML: expected ',' or ']'"),
        ("a: 1\nb:\n\tc: 1\n", 3, "not valid YAML: found character"),
        (
            'node: !!python/object/apply:os.system ["true"]\n',
            1,
            "could not determine a constructor",
        ),
    ],
)
def test_a_wrong_line_is_named(config: Path, text: str, line: int, says: str) -> None:
    config.write_text(text)
    with pytest.raises(InputError) as caught:
        load_settings(config)
    message = str(caught.value)
    assert message.startswith(f"{config}:{line}: ")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("base_topic: a/b/\n", {"base_topic": "a/b"}),
        ("discovery: {prefix: ha/}\n", {"discovery": {"prefix": "ha"}}),
        ("discovery: false\n", {"discovery": {"enabled": False}}),
        ("broker: mqtt://hub\n", {"broker": {"url": "mqtt://hub"}}),
        ("broker: {protocol: 5}\n", {"broker": {"protocol": "5"}}),
        ("node: 12\n", {"node": "12"}),
        ("cameras: 0\n", {"cameras": [{"source": "0"}]}),
        ("cameras: [0, b.mp4]\n", {"cameras": [{"source": "0"}, {"source": "b.mp4"}]}),
        ("cameras: {source: 0, room: 2}\n", {"cameras": [{"source": "0", "room": "2"}]}),
        (
            "cameras: {hall: 0, bath: {source: b.mp4, name: spa}}\n",
            {"cameras": [{"source": "0", "name": "hall"}, {"source": "b.mp4", "name": "spa"}]},
        ),
    ],
)
def test_what_is_plainly_meant_is_taken(config: Path, text: str, meant: dict[str, Any]) -> None:
    config.write_text(text)
    assert load_settings(config) == Settings.model_validate(meant)


def test_every_problem_has_its_own_line(config: Path) -> None:
    config.write_text("bundel: x\nnode: a\nnode: b\nengine: fast\n")
    with pytest.raises(InputError) as caught:
        load_settings(config)
    lines = str(caught.value).splitlines()
    assert sorted(re.findall(r":(\d):", str(caught.value))) == ["1", "3", "4"]
    assert len(lines) == 3


@pytest.mark.parametrize("content", [None, b"node: \xff\n"])
def test_an_unreadable_file_is_named(config: Path, content: bytes | None) -> None:
    if content is not None:
        config.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(config))):
        load_settings(config)


def test_an_empty_file_means_every_default(config: Path) -> None:
    config.write_text("# nothing set\n")
    assert load_settings(config) == Settings()


def test_a_device_index_needs_no_quotes_and_a_home_directory_is_expanded(config: Path) -> None:
    config.write_text("cameras:\n- source: 0\nstate_dir: ~/har\n")
    loaded = load_settings(config)
    assert (loaded.cameras[0].source, loaded.cameras[0].id) == ("0", "cam0")
    assert loaded.state_dir == Path.home() / "har"


@pytest.mark.parametrize(
    ("source", "camera_id"),
    [
        ("0", "cam0"),
        ("/media/clips/v_Swing_g01.mp4", "v_swing_g01"),
        ("rtsp://user:secret@10.0.0.7:554/front door?token=abc", "front_door"),
        ("sim:7", "sim_7"),
        ("http://cam/", "cam"),
    ],
)
def test_a_camera_is_called_after_its_source_without_credentials(
    source: str, camera_id: str
) -> None:
    assert CameraSettings(source=source).id == camera_id


def test_a_password_comes_from_a_private_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from file\n")
    broker = BrokerSettings(password_file=secret)
    secret.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        read_password(broker)
    secret.chmod(0o600)
    assert read_password(broker) == "from file"
    secret.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_password(broker)
    monkeypatch.setenv("HAR_MQTT_PASSWORD", "from environment")
    assert read_password(BrokerSettings()) == "from environment"


def test_the_example_loads_as_it_stands_and_with_every_key_set(config: Path) -> None:
    assert load_settings(EXAMPLE).cameras[0].source == "0"
    config.write_text(re.sub(r"(?m)^(\s*)#(?=\S)", r"\1", EXAMPLE.read_text()))
    loaded = load_settings(config)
    assert loaded.cameras[0].deciding.urgent == ("fallen",)
    unsaid = _keys(Settings) - _keys_of(yaml.safe_load(config.read_text()))
    assert {key.split(".")[0] for key in unsaid} == {
        "forecast",
        "timezone",
    }  # har-forecast.yaml has


def test_every_key_of_the_example_is_commented_with_its_unit() -> None:
    for line in EXAMPLE.read_text().splitlines():
        if re.search(r"_(s|below|above): ", line):
            assert re.search(r"# .*(second|probability|\.\.\.)", line), line


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.binary())
def test_any_content_loads_or_is_refused_in_words(config: Path, content: str | bytes) -> None:
    raw = content.encode(errors="replace") if isinstance(content, str) else content
    config.write_bytes(raw)
    try:
        load_settings(config)
    except InputError as error:
        assert str(config) in str(error)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["cameras", "source", "broker", "tls", "region", "deciding"])
                | st.text(max_size=4),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_structure_loads_or_is_refused_in_words(config: Path, content: Any) -> None:
    config.write_text(yaml.safe_dump(content))
    try:
        load_settings(config)
    except InputError as error:
        assert str(config) in str(error)


def _keys(model: Any, prefix: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        inner = section_in(field.annotation)
        found |= _keys(inner, f"{prefix}{name}.") if inner else {f"{prefix}{name}"}
    return found


def _keys_of(content: Any, prefix: str = "") -> set[str]:
    if isinstance(content, list) and content and isinstance(content[0], dict):
        content = content[0]
    if not isinstance(content, dict):
        return {prefix.rstrip(".")}
    return set().union(*(_keys_of(inner, f"{prefix}{key}.") for key, inner in content.items()))


def test_flags_win_over_the_file_key_by_key(config: Path) -> None:
    config.write_text("node: a\nbroker: {url: 'mqtt://x', username: har}\ncameras: [{source: 0}]\n")
    flags = {"broker": {"url": "mqtt://y"}, "cameras": [{"source": "1"}]}
    merged = override_settings(load_settings(config), flags)
    assert (merged.node, merged.broker.url, merged.broker.username) == ("a", "mqtt://y", "har")
    assert [camera.id for camera in merged.cameras] == ["cam1"]
    with pytest.raises(InputError, match=r"^node: 'A B' is no valid id"):
        override_settings(merged, {"node": "A B"})


@pytest.mark.parametrize("given", [f"[{SQUARE}]", f"[[[{SQUARE}]]]", "[0.1, 0.6]", "0.1"])
def test_regions_that_are_nested_otherwise_are_one_line(config: Path, given: str) -> None:
    config.write_text(f"{DRAWN}    bed: {given}\n")
    with pytest.raises(InputError) as refused:
        load_settings(config)
    assert str(refused.value) == f"{config}:4: {NESTED}"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("masks: [0, 0, 0.2, 0.3]", "masks: a list of parts expected, each left, top, right"),
        ("region: [[0, 0, 1, 1]]", "region: left, top, right, bottom expected, for example [0.0"),
    ],
)
def test_a_part_that_is_nested_otherwise_is_one_line(config: Path, given: str, says: str) -> None:
    config.write_text(f"cameras:\n- source: a\n  {given}\n")
    with pytest.raises(InputError) as refused:
        load_settings(config)
    assert str(refused.value).startswith(f"{config}:3: cameras.0.{says}")
    assert "\n" not in str(refused.value)
