"""Who may say what on the broker: one login for each lot and each partition, as Mosquitto reads it.

A lot speaks below its own name, a partition below the names of its homes; a partition hears the
cameras of its homes and may ask their lots for events again.
"""

import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from fleet.inventory.fleet import Fleet
from fleet.planning.database_roles import pgpass_lines
from fleet.planning.plan import Plan
from har_stream.config.secret_file import read_secret
from har_stream.core.atomic_file import replacing
from har_stream.core.errors import InputError
from har_stream.mqtt.topics import Topics

PASSWORDS = "passwd"
"""The file of all logins, for `mosquitto_passwd -U`."""
PGPASS = "pgpass"
"""The file of all logins, for PostgreSQL's `PGPASSFILE`."""


def users(plan: Plan) -> list[str]:
    """Every login of a plan: the names of its lots and partitions."""
    return [*sorted(plan.machines), *sorted({*plan.partitions.values()})]


def access_list(fleet: Fleet, plan: Plan) -> Iterator[str]:
    """Yield the lines of Mosquitto's `acl_file`.

    Raises:
        InputError: The plan lacks a camera or a home.
    """
    topics = Topics(fleet.settings.base_topic)
    for name in sorted(plan.machines):
        yield from (f"user {name}", f"topic readwrite {topics.node(name, '#')}", "")
    cameras: dict[str, list[tuple[str, str]]] = defaultdict(list)
    homes: dict[str, dict[str, None]] = defaultdict(dict)
    for camera in fleet.cameras:
        lot, partition = plan.lots.get(camera.name), plan.partitions.get(camera.home)
        if lot is None or partition is None:
            raise InputError(
                f"{fleet.plan_file}: camera {camera.name} is in no lot yet; run har-fleet plan "
                "first"
            )
        cameras[partition].append((lot, camera.name))
        homes[partition][camera.home] = None
    for partition in sorted(homes):
        yield f"user {partition}"
        for home in homes[partition]:
            yield f"topic readwrite {topics.home(home, '#')}"
        for node in sorted({node for node, _ in cameras[partition]}):
            yield f"topic read {topics.node(node, 'availability')}"
            yield f"topic read {topics.node(node, 'bridge', 'response', '+')}"
            yield f"topic write {topics.node(node, 'bridge', 'request', '+')}"
        for node, name in cameras[partition]:
            yield f"topic read {topics.camera(node, name, 'activity')}"
            yield f"topic read {topics.camera(node, name, 'event')}"
            yield f"topic write {topics.camera(node, name, 'event', 'ack')}"
        yield ""


def write_logins(folder: Path, names: Iterable[str]) -> int:
    """Make a password for every login that has none, each in a file that its owner alone reads.

    Args:
        folder: Where they lie, a file for each login; `PASSWORDS` holds all of `names`.
        names: Of the logins.

    Returns:
        How many were made.

    Raises:
        InputError: The folder cannot be used, or a file in it holds no password.
    """
    n_made = 0
    lines = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            path = folder / name
            if not path.exists():
                _write_private(path, secrets.token_urlsafe(32) + "\n")
                n_made += 1
            lines.append(f"{name}:{read_secret(path, 'password')}\n")
        _write_private(folder / PASSWORDS, "".join(lines))
    except OSError as error:
        raise InputError(f"{folder}: cannot be used for logins: {error.strerror}") from error
    return n_made


def write_pgpass(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Write `PGPASS` beside the logins that are there; returns their passwords.

    Lines of other roles, such as the one that owns the tables, stay, after those of the logins.

    Raises:
        InputError: The folder cannot be used, or a file in it holds no password.
    """
    path = folder / PGPASS
    try:
        passwords = {name: read_secret(folder / name, "password") for name in names}
        earlier = path.read_text().splitlines(keepends=True) if path.exists() else []
        others = [line for line in earlier if not (folder / _role_of(line)).is_file()]
        _write_private(path, "".join([*pgpass_lines(passwords), *others]))
    except OSError as error:
        raise InputError(f"{folder}: cannot be used for logins: {error.strerror}") from error
    return passwords


def _role_of(line: str) -> str:
    """Return the role of a line of a `PGPASSFILE`, whose cells may hold an escaped colon."""
    role = re.match(r"(?:(?:[^:\\]|\\.)*:){3}([^:]*):", line)
    return role[1] if role else ""


def _write_private(path: Path, text: str) -> None:
    with replacing(path) as file:
        path_of_file = Path(file.name)
        path_of_file.chmod(0o600)
        file.write(text)
