"""What a node and a home keep, and under which names: files of the state directory, client ids."""

import os
from pathlib import Path

import platformdirs

from har_stream.core.errors import InputError


def default_state_dir() -> Path:
    """Where all of it lies unless a person says otherwise: as systemd gives it, else by XDG.

    Raises:
        InputError: The user has no home directory, as the users of services have none.
    """
    if given := os.environ.get("STATE_DIRECTORY"):  # systemd.exec(5), StateDirectory=
        return Path(given.split(":")[0])
    try:
        return Path(platformdirs.user_state_dir("har-stream"))
    except RuntimeError as error:
        raise InputError(
            "this user has no home directory; name a folder for what is kept: "
            "STATE_DIRECTORY=FOLDER in the environment"
        ) from error


def outbox_file(state_dir: Path, node: str) -> Path:
    """Events of a node that no journal has acknowledged yet."""
    return state_dir / f"outbox-{node}.db"


def outbox_files(state_dir: Path) -> dict[str, Path]:
    """The outboxes that lie there, by the node of each."""
    found = sorted(state_dir.glob("outbox-*.db"))
    return {path.stem.removeprefix("outbox-"): path for path in found}


def node_file(state_dir: Path) -> Path:
    """The name of a node that was given none."""
    return state_dir / "node.txt"


def journal_file(state_dir: Path) -> Path:
    """The journal, where no database was named for it."""
    return state_dir / "journal.db"


def fall_file(state_dir: Path, node: str, camera: str) -> Path:
    """A fall in front of a camera that nobody has answered to yet."""
    return state_dir / f"fall-{node}-{camera}.json"


def bundle_file(state_dir: Path, node: str) -> Path:
    """The bundle that a node was told to use in place of the configured one."""
    return state_dir / f"bundle-{node}.json"


def regions_file(state_dir: Path, node: str) -> Path:
    """Regions that were drawn in place of the configured ones."""
    return state_dir / f"regions-{node}.json"


def pictures_file(state_dir: Path, node: str) -> Path:
    """Where the page finds pictures while a node gives some."""
    return state_dir / f"pictures-{node}.json"


def clips_dir(state_dir: Path, node: str) -> Path:
    """Clips that a node keeps to teach from."""
    return state_dir / "clips" / node


def bundles_dir(state_dir: Path) -> Path:
    """A person's own bundles."""
    return state_dir / "models"


def clip_cache() -> Path:
    """Prepared frames of training clips."""
    return default_state_dir() / "cache" / "clips"


def weights_cache() -> Path:
    """Weights from outside, by their hash."""
    return default_state_dir() / "cache" / "weights"


def node_announcements(state_dir: Path, node: str) -> Path:
    """What a node has announced to Home Assistant."""
    return state_dir / f"announced-node-{node}.json"


def announced_nodes(state_dir: Path) -> list[str]:
    """Nodes that have announced something from there."""
    found = sorted(state_dir.glob("announced-node-*.json"))
    return [path.stem.removeprefix("announced-node-") for path in found]


def home_announcements(state_dir: Path, home: str) -> Path:
    """What a home's forecaster has announced to Home Assistant."""
    return state_dir / f"announced-home-{home}.json"


def acknowledged_file(state_dir: Path, home: str) -> Path:
    """What is unusual in a home, and somebody knows of."""
    return state_dir / f"acknowledged-{home}.json"


def node_client(node: str) -> str:
    """As whom a node signs in at the broker."""
    return f"har-stream-{node}"


def home_client(home: str) -> str:
    """As whom a home's forecaster signs in; the broker keeps its session while it is away."""
    return f"har-forecast-{home}"
