"""Looks at a `.keras` file before Keras does: it may come from a stranger."""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from har_stream.core.errors import InputError

MAX_FILES = 1000
MAX_BYTES = 1 << 30
"""What it may unpack to; a backbone's weights take a tenth of it."""
MAX_PACKED = 1 << 7
"""How much smaller than its content it may be; weights hardly shrink."""
MAX_CONFIG_BYTES = 4 << 20
MAX_DEPTH = 64
"""Levels of its configuration; Keras calls itself for each, and a model in a model takes six."""
_UNREADABLE = (
    OSError,
    LookupError,
    ValueError,
    RuntimeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a file that is no archive, or a damaged one, may raise."""


def read_config(path: Path) -> Any:
    """Read the configuration of a `.keras` file that is safe to unpack.

    Raises:
        InputError: It is no such file, unpacks to far more than it holds, or is nested too deep.
    """
    if not path.is_file():  # a pipe would be waited for
        raise InputError(f"{path}: no file that can be read")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            n_bytes = sum(member.file_size for member in members)
            allowed = min(MAX_BYTES, MAX_CONFIG_BYTES + MAX_PACKED * path.stat().st_size)
            if len(members) > MAX_FILES or n_bytes > allowed:
                raise InputError(
                    f"{path}: unpacks to {n_bytes / 1e6:.0f} MB in {len(members)} files, as no "
                    "model saved by Keras does"
                )
            if archive.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
                raise InputError(f"{path}: its config.json is as long as no model's is")
            config = json.loads(archive.read("config.json"))
    except RecursionError as error:
        raise InputError(f"{path}: its config.json is nested too deep for Keras") from error
    except _UNREADABLE as error:
        raise InputError(f"{path}: no model saved by Keras ({error})") from error
    if _is_deep(config):
        raise InputError(f"{path}: its config.json is nested too deep for Keras")
    return config


def _is_deep(content: Any) -> bool:
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(MAX_DEPTH):
        inner = [part.values() if isinstance(part, dict) else part for part in level]
        level = [value for part in inner for value in part if isinstance(value, dict | list)]
        if not level:
            return False
    return True
