"""The add-on of Home Assistant, as far as it can be tried without a Supervisor."""

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest
import yaml
from support.broker.real_broker import Mosquitto, free_port
from support.processes.home_page import HarPage
from support.repository import ROOT, load_module

from har_stream.config.settings import load_settings

ADD_ON = ROOT / "docs" / "deploy" / "home-assistant" / "har-stream"
CONFIG = yaml.safe_load((ADD_ON / "config.yaml").read_text())
PREFIX = "/api/hassio_ingress/abc"
BROKER = {
    "host": "core-mosquitto",
    "port": 1883,
    "ssl": False,
    "username": "addons",
    "password": "geheim",
}


def test_what_a_person_chooses_there_are_settings_of_ours(tmp_path: Path) -> None:
    options = CONFIG["options"] | {"timezone": "Europe/Berlin"}
    assert set(options) == set(CONFIG["schema"])
    settings = load_module(ADD_ON / "run.py").settings_of(options, BROKER)
    assert "geheim" not in json.dumps(settings)
    path = tmp_path / "har-stream.yaml"
    path.write_text(json.dumps(settings))
    loaded = load_settings(path)
    assert loaded.broker.url == "mqtt://core-mosquitto:1883"
    assert (loaded.cameras[0].source, loaded.cameras[0].room) == ("0", "lounge")


def test_its_image_is_linted_and_holds_what_make_puts_there() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run(
        [hadolint, ADD_ON / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (linted.returncode, linted.stdout) == (0, "")
    recipe = (ROOT / "Makefile").read_text()
    assert "locks/run-headless.txt build/home-assistant/har-stream/" in recipe
    assert f"listen {CONFIG['ingress_port']};" in (ADD_ON / "ingress.conf").read_text()


@contextmanager
def _ingress(folder: Path, page_url: str, *, allowed: str) -> Iterator[str]:
    """Run nginx as the add-on does, on ports of the test's own."""
    port = free_port()
    text = (ADD_ON / "ingress.conf").read_text()
    for there, here in (
        ("listen 8099", f"listen 127.0.0.1:{port}"),
        ("allow 172.30.32.2", f"allow {allowed}"),
        ("http://127.0.0.1:8760", page_url),
        ("daemon on", "daemon off"),
        ("/tmp/ingress.pid", str(folder / "pid")),  # noqa: S108 -- the container's
    ):
        assert there in text
        text = text.replace(there, here)
    (folder / "ingress.conf").write_text(text)
    command = [str(NGINX), "-e", "stderr", "-c", str(folder / "ingress.conf"), "-p", str(folder)]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as proxy:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            proxy.terminate()


NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")


@pytest.mark.skipif(NGINX is None, reason="no nginx here: apt-get install nginx-light")
def test_ingress_alone_reaches_the_page(mosquitto: Mosquitto, tmp_path: Path) -> None:
    asked = {"X-Ingress-Path": PREFIX, "Accept": "text/html", "Host": "home.local:8123"}
    with HarPage(mosquitto.url, tmp_path / "state") as page:
        with _ingress(tmp_path, page.url, allowed="127.0.0.1") as url:
            shown = _get(f"{url}/", asked)
        assert f'href="{PREFIX}/' in shown
        with _ingress(tmp_path, page.url, allowed="172.30.32.2") as url:
            with pytest.raises(HTTPError) as refused:
                _get(f"{url}/", asked)
            assert refused.value.code == 403


def _get(url: str, headers: dict[str, str]) -> str:
    """Ask, and again while the proxy does not listen yet."""
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 -- loopback
    for _ in range(1000):
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return str(answer.read().decode())
        except HTTPError:
            raise
        except OSError:
            continue
    raise AssertionError("nginx does not listen")
