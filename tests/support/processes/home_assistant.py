"""A real Home Assistant, headless, in a virtual environment of its own.

It is installed once, from the package index, below `HAR_HOME_ASSISTANT` (by default the user's
cache). Its broker is written into its storage, its user made over REST.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import yaml
from support.broker.real_broker import free_port

PYTHON_OF = {"2024.3.3": "3.11", "2024.12.5": "3.12"}
"""The Python that each release known to these tests runs on."""
BESIDE = ("josepy<2", "paho-mqtt==1.6.1")
START_S = 300.0
STATE_S = 90.0
_CACHE = platformdirs.user_cache_path("har-stream")


class NotAvailableError(Exception):
    """Home Assistant cannot be installed here; the text says why."""


def program(release: str) -> Path:
    """Install a release of Home Assistant where it is not yet, and return its command.

    Raises:
        NotAvailableError: Its Python is not here, or the package index cannot be reached.
    """
    folder = Path(os.environ.get("HAR_HOME_ASSISTANT", _CACHE)) / f"home-assistant-{release}"
    command = folder / "bin" / "hass"
    if command.exists():
        return command
    packages = (f"homeassistant=={release}", *BESIDE)
    for step in (
        [_python(PYTHON_OF[release]), "-m", "venv", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", *packages],
    ):
        run = subprocess.run(step, capture_output=True, text=True, timeout=3600, check=False)
        if run.returncode:
            raise NotAvailableError(f"Home Assistant cannot be installed: {run.stderr[-300:]}")
    return command


def _python(version: str) -> str:
    """Find an interpreter of this version: the running one, the system's, or one of pyenv's."""
    found = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for python in (sys.executable, found, *pyenv.glob(f"{version}.*/bin/python")):
        ask = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if python and subprocess.run(ask, capture_output=True, text=True).stdout == f"{version}\n":
            return str(python)
    raise NotAvailableError(f"Home Assistant needs a Python {version}, which is not here")


class HomeAssistant:
    """A running Home Assistant.

    Args:
        folder: Its configuration, made here, but for the blueprints that lie there already.
        release: Which one.
        broker_port: Where its MQTT broker is, on loopback.
        automations: What goes into its YAML.

    Attributes:
        log: What it has written.
    """

    def __init__(
        self, folder: Path, *, release: str, broker_port: int, automations: list[dict[str, Any]]
    ) -> None:
        self.log = folder / "output.log"
        self._folder = folder
        self._url = f"http://127.0.0.1:{free_port()}"
        self._token = ""
        self._rest = threading.Event()
        self._configure(broker_port, automations)
        with self.log.open("wb") as log:
            command = [str(program(release)), "--config", str(folder)]
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self._wait_until_up()
        self._onboard()

    def states(self) -> dict[str, dict[str, Any]]:
        """Every entity's state by its id."""
        return {each["entity_id"]: each for each in self._call("GET", "/api/states")}

    def wait_for(self, entity_id: str, state: str) -> dict[str, Any]:
        """Block until an entity is in a state; return it whole."""
        return self.wait_until(entity_id, lambda found: found == state)

    def wait_until(self, entity_id: str, holds: Callable[[str], object]) -> dict[str, Any]:
        """Block until an entity's state suits; one that makes ``holds`` fail does not."""

        def suits(states: dict[str, dict[str, Any]]) -> object:
            with contextlib.suppress(ValueError):
                return entity_id in states and holds(states[entity_id]["state"])
            return False

        return self.wait_for_states(suits)[entity_id]

    def wait_for_states(
        self, holds: Callable[[dict[str, dict[str, Any]]], object]
    ) -> dict[str, dict[str, Any]]:
        """Block until all entities together suit; return them by their ids."""
        deadline_s = time.monotonic() + STATE_S
        while not holds(found := self.states()):
            if time.monotonic() > deadline_s:
                said = {each: state["state"] for each, state in found.items()}
                raise AssertionError(f"not within {STATE_S:g} s: {said}\n{self.log.read_text()}")
            self._rest.wait(0.25)
        return found

    def call(self, service: str, **fields: Any) -> None:
        """Call a service, for example ``switch/turn_off``."""
        self._call("POST", f"/api/services/{service}", fields)

    def fire(self, event_type: str, **fields: Any) -> None:
        """Fire an event, as an integration does."""
        self._call("POST", f"/api/events/{event_type}", fields)

    def stop(self) -> None:
        """Stop it cleanly: it writes its registries."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def registry(self) -> dict[str, dict[str, Any]]:
        """The entity registry by unique id, as it was written last: seconds ago, or at `stop`."""
        path = self._folder / ".storage" / "core.entity_registry"
        if not path.exists():
            return {}
        entities = json.loads(path.read_text())["data"]["entities"]
        return {entity["unique_id"]: entity for entity in entities}

    def wait_for_registry(
        self, holds: Callable[[dict[str, dict[str, Any]]], object]
    ) -> dict[str, dict[str, Any]]:
        """Block until the entity registry suits; return it."""
        deadline_s = time.monotonic() + STATE_S
        while not holds(found := self.registry()):
            assert time.monotonic() < deadline_s, f"the registry holds {sorted(found)}"
            self._rest.wait(0.25)
        return found

    def _configure(self, broker_port: int, automations: list[dict[str, Any]]) -> None:
        port = int(self._url.rsplit(":", 1)[1])
        configuration = {
            "homeassistant": {"name": "Test", "unit_system": "metric", "time_zone": "UTC"},
            "http": {"server_host": "127.0.0.1", "server_port": port},
            "api": None,
            "onboarding": None,
            "logger": {"default": "warning"},
            "automation": automations,
        }
        (self._folder / "configuration.yaml").write_text(yaml.safe_dump(configuration))
        entry = {
            "entry_id": "har",
            "version": 1,
            "minor_version": 1,
            "domain": "mqtt",
            "title": "Mosquitto",
            "data": {"broker": "127.0.0.1", "port": broker_port, "discovery": True},
            "options": {},
            "pref_disable_new_entities": False,
            "pref_disable_polling": False,
            "source": "user",
            "unique_id": None,
            "disabled_by": None,
        }
        storage = self._folder / ".storage"
        storage.mkdir()
        (storage / "core.config_entries").write_text(
            json.dumps(
                {
                    "version": 1,
                    "minor_version": 1,
                    "key": "core.config_entries",
                    "data": {"entries": [entry]},
                }
            )
        )

    def _wait_until_up(self) -> None:
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                break
            try:
                self._open("/api/onboarding").close()
            except OSError:
                self._rest.wait(0.5)
            else:
                return
        self._process.kill()
        raise AssertionError(f"Home Assistant did not come up:\n{self.log.read_text()[-2000:]}")

    def _onboard(self) -> None:
        client = {"client_id": f"{self._url}/"}
        user = {"name": "T", "username": "t", "password": "test", "language": "en"}
        made = self._call("POST", "/api/onboarding/users", client | user)
        grant = {"grant_type": "authorization_code", "code": made["auth_code"]}
        form = urllib.parse.urlencode(client | grant).encode()
        with self._open("/auth/token", form) as answer:
            self._token = json.load(answer)["access_token"]

    def _call(self, method: str, path: str, fields: dict[str, Any] | None = None) -> Any:
        body = None if fields is None else json.dumps(fields).encode()
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        with self._open(path, body, method=method, headers=headers) as answer:
            return json.load(answer)

    def _open(self, path: str, body: bytes | None = None, **options: Any) -> Any:
        request = urllib.request.Request(f"{self._url}{path}", body, **options)  # noqa: S310 -- http
        return urllib.request.urlopen(request, timeout=30)  # noqa: S310 -- our own URL
