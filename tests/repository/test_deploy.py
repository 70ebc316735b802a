"""The files of docs/deploy: linted by the tools made for it, run where that is possible here.

Neither systemd nor a container engine runs here: the units are verified by systemd-analyze, the
images by hadolint, the compose file against the published schema; what they start is started.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name
from support.broker.real_broker import Mosquitto
from support.processes.stream_process import COMMAND, eager_copy, write_video
from support.repository import ROOT

from har_stream.commands.stream_arguments import make_parser
from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.state_dir import bundles_dir, weights_cache
from har_stream.core.errors import InputError
from har_stream.mqtt.connection import Connection

DEPLOY = ROOT / "docs" / "deploy"
UNITS = ("har-stream.service", "har-forecast.service", "har-page.service")
LOCKS = {"Containerfile": "locks/run-headless.txt", "Containerfile.edge": "locks/edge.txt"}
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
WEIGHTS = weights_cache().relative_to(Path.home())
EXPOSURE = 25
"""Of 100, as systemd-analyze counts; 100 is a unit without any restriction."""
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze: apt-get install systemd"
)


def _tool(name: str) -> str:
    """A program that came along with this environment's packages."""
    return str(Path(sys.executable).with_name(name))


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, check=False
    )


def test_units_have_a_state_directory_and_the_page_reads_the_forecasters() -> None:
    """What har-stream keeps there when systemd names it: tests of default_state_dir."""
    kept = {}
    for name in UNITS:
        lines = (DEPLOY / name).read_text().splitlines()
        (kept[name],) = [line for line in lines if line.startswith("StateDirectory=")]
    assert kept == {
        "har-stream.service": "StateDirectory=har-stream",
        "har-forecast.service": "StateDirectory=har-forecast",
        "har-page.service": "StateDirectory=har-forecast",
    }


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_unit_and_finds_it_shut(name: str, tmp_path: Path) -> None:
    unit = tmp_path / name
    unit.write_text(
        re.sub(r"/opt/har-stream/\S+", "/bin/true", (DEPLOY / name).read_text(), count=1)
    )
    verified = _run("systemd-analyze", "verify", unit)
    assert not [line for line in verified.stderr.splitlines() if name in line], verified.stderr
    judged = _run(
        "systemd-analyze",
        "security",
        "--offline=true",
        f"--threshold={EXPOSURE}",
        "--no-pager",
        unit,
    )
    assert judged.returncode == 0, judged.stdout


@pytest.mark.parametrize("name", UNITS)
def test_the_unit_starts_the_command_as_it_is(name: str) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", (DEPLOY / name).read_text(), re.MULTILINE)
    program, *flags = shlex.split(line)
    assert Path(program).name == name.removesuffix(".service")
    if program.endswith("har-stream"):
        assert make_parser().parse_args(flags).config


@pytest.mark.parametrize("name", LOCKS)
def test_the_image_is_linted_and_built_from_what_is_in_the_repository(name: str) -> None:
    linted = _run(_tool("hadolint"), DEPLOY / name)
    assert linted.returncode == 0, linted.stdout
    assert not linted.stdout
    text = (DEPLOY / name).read_text()
    assert f"--require-hashes -r {LOCKS[name]}" in text
    for line in text.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), line


def _locked(name: str) -> set[str]:
    """The packages of a lock file."""
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


def test_the_edge_lock_has_fourteen_packages_fewer_without_the_embedded_broker() -> None:
    run, edge = _locked("run-headless"), _locked("edge")
    forecaster = "hmmlearn jinja2 joblib markupsafe scikit-learn scipy sqlalchemy threadpoolctl"
    page = "anyio babel click h11 idna starlette uvicorn"
    assert edge < run
    assert "amqtt" in _locked("run") - edge, "a bare machine's make demo needs it"
    assert len(run - edge - {*forecaster.split(), *page.split(), "cloudpickle", "narwhals"}) == 14


def test_what_the_edge_image_leaves_out_is_not_missed(tmp_path: Path) -> None:
    """A recognition without the packages that its lock does not name."""
    left_out = _locked("run-headless") - _locked("edge")
    names = [
        module
        for module, packages in packages_distributions().items()
        if left_out.issuperset(map(canonicalize_name, packages))
    ]
    assert {"amqtt", "sklearn", "sqlalchemy"} <= set(names)
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({names}))\n"
        "from har_stream.commands.stream import main\n"
        "raise SystemExit(main())"
    )
    run = _run(
        *(sys.executable, "-c", program, "--camera", write_video(tmp_path / "cam1.mp4", 100)),
        *("--bundle", eager_copy(tmp_path / "bundle"), "--engine", "litert"),
        *("--broker", "mqtt://127.0.0.1:1", "--state-dir", tmp_path / "state"),
        *("--record-events", tmp_path / "events.jsonl"),
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "events.jsonl").read_text()


def test_compose_follows_the_published_schema() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    checked = _run(_tool("check-jsonschema"), *schema, DEPLOY / "compose.yaml")
    assert checked.returncode == 0, checked.stdout


def test_compose_starts_what_there_is_and_opens_nothing() -> None:
    services = COMPOSE["services"]
    assert set(services) == {
        *("mosquitto", "homeassistant", "har-stream", "har-forecast", "har-page"),
    }
    for service in services.values():
        if "build" in service:
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "nothing listens beyond loopback unasked"
    options = make_parser().parse_args(services["har-stream"]["command"])
    assert options.node, "a container has a new host name at every start"
    for name in ("har-stream", "har-forecast"):
        assert "TZ" in services[name]["environment"]
        targets = {each.split(":")[1] for each in services[name]["volumes"]}
        assert str(bundles_dir(Path("/state"))) in targets
        kept = f"weights:/home/har/{WEIGHTS}"
        assert kept in services[name]["volumes"], "what is fetched once is to be written and kept"
    assert f":{options.metrics_port}/healthz" in services["har-stream"]["healthcheck"]["test"][-1]


@pytest.mark.skipif(
    not shutil.which("mosquitto_passwd"), reason="needs mosquitto_passwd: apt-get install mosquitto"
)
def test_mosquittos_configuration_lets_in_who_has_a_password(
    make_mosquitto: Callable[..., Mosquitto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {
        "/mosquitto/config/passwd": tmp_path / "passwd",
        "/mosquitto/config/har.acl": ROOT / "configs" / "mosquitto.acl",
        "/mosquitto/data/": f"{tmp_path}/",
    }
    (tmp_path / "passwd").touch(mode=0o600)
    assert _run("mosquitto_passwd", "-b", tmp_path / "passwd", "har", "secret").returncode == 0
    text = (DEPLOY / "mosquitto.conf").read_text()
    for inside, here in places.items():
        assert inside in text
        text = text.replace(inside, str(here))
    mounted = {each.split(":")[1] for each in COMPOSE["services"]["mosquitto"]["volumes"]}
    assert {f"{place.rstrip('/')}" for place in places} <= mounted
    # The test's own port instead of Mosquitto's.
    lines = [line for line in text.splitlines() if not line.startswith(("listener", "allow_"))]
    broker = make_mosquitto(*lines, anonymous=False)
    with pytest.raises(InputError, match="refuses us"):
        Connection(BrokerSettings(url=broker.url), client_id="nobody").start(fail_fast=True)
    monkeypatch.setenv("HAR_MQTT_PASSWORD", "secret")
    settings = BrokerSettings(url=broker.url, username="har")
    with Connection(settings, client_id="har") as connection:
        assert connection.is_connected


def test_systemd_hears_of_the_real_process(tmp_path: Path, mosquitto: Mosquitto) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(os.fspath(path))
        systemd.settimeout(30)
        camera = write_video(tmp_path / "cam1.mp4", 250)
        flags = ("--camera", camera, "--realtime", "--broker", mosquitto.url, "--engine", "litert")
        bundle = eager_copy(tmp_path / "bundle")
        process = subprocess.Popen(
            [*COMMAND, *map(str, flags), "--bundle", bundle, "--state-dir", tmp_path / "state"],
            env=os.environ | {"NOTIFY_SOCKET": str(path)},
            stderr=subprocess.DEVNULL,
        )
        said = [systemd.recv(100) for _ in range(3)]
        process.terminate()
        assert process.wait(30) == 0
    assert said == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
