"""Names on the wire: what nodes, cameras and homes may be called, and topics."""

import hashlib
import re
from typing import Annotated

from pydantic import AfterValidator

MAX_LENGTH = 200
"""Files of the state directory are called after nodes and homes."""
_MAX_LABEL_LENGTH = 60
SENSORS = "sensors"
"""As whose events the journal keeps what sensors make certain; no node may be called so."""
RESERVED = frozenset({"home", "stats", "bridge", "availability", SENSORS})
_ID = re.compile(r"[a-z0-9_-]+")


def is_id(name: str) -> bool:
    """Tell whether a node, camera or home may be called so."""
    return len(name) <= MAX_LENGTH and bool(_ID.fullmatch(name)) and name not in RESERVED


def as_id(name: str) -> str:
    """Turn any text (a host name, a file name) into a valid id."""
    made = re.sub(r"[^a-z0-9_-]+", "_", name.lower())[:MAX_LENGTH].strip("_") or "cam"
    return f"{made}_" if made in RESERVED else made


def label_id(label: str) -> str:
    """Turn a label of any script into an id; no two labels share one, today or after a restart.

    What cannot stand in an id is told apart by a digest: ``Sit Down`` is not ``sit_down``.
    """
    made = re.sub(r"[^a-z0-9_]+", "_", label.lower()).strip("_")[:_MAX_LABEL_LENGTH]
    if made and made == label:
        return made
    digest = hashlib.sha256(label.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{made}_{digest}" if made else digest


def _checked_id(name: str) -> str:
    if not is_id(name):
        raise ValueError(
            f"{name!r} is no valid id (a-z, 0-9, _ and -, {MAX_LENGTH} at most; "
            "not a reserved word)"
        )
    return name


def _checked_topic(topic: str) -> str:
    if not topic or any(character in "+#" for character in topic) or not topic.isprintable():
        raise ValueError(f"{topic!r} is no single topic: no wildcard + or #, please")
    if topic.startswith("$"):
        raise ValueError(f"{topic!r} is no topic of yours: those with $ are the broker's own")
    return topic


def _checked_prefix(prefix: str) -> str:
    prefix = _checked_topic(prefix.removesuffix("/"))
    if not all(level.strip() for level in prefix.split("/")) or len(prefix) > MAX_LENGTH:
        raise ValueError(
            f"{prefix!r:.60} is no beginning of topics: words parted by single slashes expected, "
            f"{MAX_LENGTH} characters at most"
        )
    return prefix


Id = Annotated[str, AfterValidator(_checked_id)]

Topic = Annotated[str, AfterValidator(_checked_topic)]
"""A topic that we publish to, or listen to."""
TopicPrefix = Annotated[str, AfterValidator(_checked_prefix)]
"""What a family of topics begins with; a slash at its end is meant anyway."""
