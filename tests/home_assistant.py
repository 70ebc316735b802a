"""A real Home Assistant 2024.3.3, headless, in a virtual environment of its own.

It is installed once, from the package index, into `HAR_HOME_ASSISTANT` (by default below the user's
cache); it needs Python 3.11. Its broker is written into its storage, its user made over REST.
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
from real_broker import free_port

VERSION = "2024.3.3"
PACKAGES = (f"homeassistant=={VERSION}", "josepy<2", "paho-mqtt==1.6.1")
START_S = 300.0
STATE_S = 90.0
_CACHE = platformdirs.user_cache_path("har-stream") / f"home-assistant-{VERSION}"


class NotAvailableError(Exception):
    """Home Assistant cannot be installed here; the text says why."""


def program() -> Path:
    """Install Home Assistant where it is not yet, and return its command.

    Raises:
        NotAvailableError: No Python 3.11, or the package index cannot be reached.
    """
    folder = Path(os.environ.get("HAR_HOME_ASSISTANT", _CACHE))
    command = folder / "bin" / "hass"
    if command.exists():
        return command
    python = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if not python:
        raise NotAvailableError("Home Assistant 2024.3.3 needs Python 3.11")
    for step in (
        [python, "-m", "venv", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", *PACKAGES],
    ):
        run = subprocess.run(step, capture_output=True, text=True, timeout=3600, check=False)
        if run.returncode:
            raise NotAvailableError(f"Home Assistant cannot be installed: {run.stderr[-300:]}")
    return command


class HomeAssistant:
    """A running Home Assistant.

    Args:
        folder: Its configuration, made here.
        broker_port: Where its MQTT broker is, on loopback.
        automations: What goes into its YAML.
    """

    def __init__(
        self, folder: Path, *, broker_port: int, automations: list[dict[str, Any]]
    ) -> None:
        self._folder = folder
        self._url = f"http://127.0.0.1:{free_port()}"
        self._token = ""
        self._rest = threading.Event()
        self._configure(broker_port, automations)
        self._log = (folder / "output.log").open("wb")
        self._process = subprocess.Popen(
            [str(program()), "--config", str(folder)], stdout=self._log, stderr=subprocess.STDOUT
        )
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
        deadline_s = time.monotonic() + STATE_S
        found: dict[str, Any] = {}
        while time.monotonic() < deadline_s:
            found = self.states().get(entity_id, {})
            with contextlib.suppress(ValueError, KeyError):
                if holds(found["state"]):
                    return found
            self._rest.wait(0.25)
        raise AssertionError(f"{entity_id} stays {found}")

    def call(self, service: str, **fields: Any) -> None:
        """Call a service, for example ``switch/turn_off``."""
        self._call("POST", f"/api/services/{service}", fields)

    def stop(self) -> None:
        """Stop it cleanly: it writes its registries."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        self._log.close()

    def registry(self) -> dict[str, dict[str, Any]]:
        """The entity registry by unique id, after `stop`."""
        path = self._folder / ".storage" / "core.entity_registry"
        entities = json.loads(path.read_text())["data"]["entities"]
        return {entity["unique_id"]: entity for entity in entities}

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
        output = (self._folder / "output.log").read_text()[-2000:]
        raise AssertionError(f"Home Assistant did not come up:\n{output}")

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
