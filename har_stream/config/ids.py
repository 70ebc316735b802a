"""Names that nodes, cameras and homes may bear on the wire."""

import re
from typing import Annotated

from pydantic import AfterValidator

MAX_LENGTH = 200
"""Files of the state directory are called after nodes and homes."""
RESERVED = frozenset({"home", "stats", "bridge", "availability"})
_ID = re.compile(r"[a-z0-9_-]+")


def is_id(name: str) -> bool:
    """Tell whether a node, camera or home may be called so."""
    return len(name) <= MAX_LENGTH and bool(_ID.fullmatch(name)) and name not in RESERVED


def as_id(name: str) -> str:
    """Turn any text (a host name, a file name) into a valid id."""
    made = re.sub(r"[^a-z0-9_-]+", "_", name.lower())[:MAX_LENGTH].strip("_") or "cam"
    return f"{made}_" if made in RESERVED else made


def _checked_id(name: str) -> str:
    if not is_id(name):
        raise ValueError(
            f"{name!r} is no valid id (a-z, 0-9, _ and -, {MAX_LENGTH} at most; "
            "not a reserved word)"
        )
    return name


Id = Annotated[str, AfterValidator(_checked_id)]
