"""The name of a node that was given none: the host's at the first start, kept from then on.

A container has a new host name at every start; with it would come a new outbox and new entities.
"""

import logging
import socket
from pathlib import Path

from har_stream.config.ids import as_id, is_id
from har_stream.config.state_dir import node_file
from har_stream.core.atomic_file import replacing

logger = logging.getLogger(__name__)


def default_node(state_dir: Path | None = None) -> str:
    """Return the name kept in a state directory, else the one after the host."""
    if state_dir is not None:
        try:
            kept = node_file(state_dir).read_text(errors="replace").strip()
        except OSError:
            kept = ""
        if is_id(kept):
            return kept
    return as_id(socket.gethostname())


def keep_node(state_dir: Path, node: str) -> None:
    """Keep the host's name for later starts; one that a person gave needs no keeping."""
    path = node_file(state_dir)
    if path.exists() or node != default_node():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(f"{node}\n")
    except OSError as error:
        logger.warning("%s: cannot be written: %s", path, error.strerror)
