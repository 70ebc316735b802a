"""Starts har-stream as an add-on: its options and the Supervisor's broker become its settings."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATA = Path("/data")
"""What the Supervisor keeps over restarts and updates."""
BROKER = "http://supervisor/services/mqtt"
INGRESS = Path(__file__).with_name("ingress.conf")


def settings_of(options: Mapping[str, Any], broker: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of all programs.

    Args:
        options: What a person chose in Home Assistant; those left empty take their defaults.
        broker: The Supervisor's answer: host, port, ssl, username.
    """
    scheme = "mqtts" if broker.get("ssl") else "mqtt"
    url = f"{scheme}://{broker['host']}:{broker['port']}"
    chosen = {name: value for name, value in options.items() if value not in (None, "", [])}
    return {
        **chosen,
        "node": "home_assistant",  # a container has a new host name at every start
        "state_dir": str(DATA),
        "broker": {"url": url, "username": broker.get("username")},
    }


def ask_supervisor(token: str) -> dict[str, Any]:
    """Ask where the broker is, and for the login that was made for this add-on."""
    request = urllib.request.Request(BROKER, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        told: dict[str, Any] = json.load(answer)["data"]
    return told


def main() -> None:
    """Write the settings, let ingress in, and become `har`."""
    broker = ask_supervisor(os.environ["SUPERVISOR_TOKEN"])
    settings = settings_of(json.loads((DATA / "options.json").read_text()), broker)
    path = DATA / "har-stream.yaml"
    path.write_text(json.dumps(settings, indent=2))  # YAML, too
    environment = os.environ | {"XDG_STATE_HOME": str(DATA)}
    if broker.get("password"):
        environment["HAR_MQTT_PASSWORD"] = broker["password"]
    del environment["SUPERVISOR_TOKEN"]
    subprocess.run(["nginx", "-c", str(INGRESS)], check=True)  # noqa: S603, S607 -- the image's
    os.execvpe("har", ["har", "--config", str(path)], environment)  # noqa: S606, S607


if __name__ == "__main__":
    sys.exit(main())
