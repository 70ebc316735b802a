"""Secrets come from files that nobody else may read, or from the environment; never from YAML."""

import os
from pathlib import Path

from har_stream.core.errors import InputError

MIN_KEY_LENGTH = 32
"""A key that somebody can guess signs nothing; 128 bits in hexadecimal digits have as many."""
MAX_BYTES = 65_536
"""As long as a password on MQTT may be."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_secret(path: Path, what: str) -> str:
    """Read a secret, one line of UTF-8 or, with its mark, UTF-16; without mark and line's end.

    Raises:
        InputError: The file is missing or no such text, or others can read it.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise InputError(f"{path}: others may read this {what} file; run chmod 600 {path}")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES)
        text = raw.decode("utf-16" if raw.startswith(_UTF_16) else "utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no text in UTF-8; save this {what} as one line of it") from error
    if not text or "\n" in text or "\0" in text:
        raise InputError(f"{path}: a {what} is one line of text, and not an empty one")
    return text


def read_key(path: Path) -> bytes:
    """Read a signing key.

    Raises:
        InputError: The file cannot be read or others can, or the key is too short.
    """
    return _checked_key(read_secret(path, "signing key"), str(path))


def read_own_key(path: Path | None) -> bytes | None:
    """Read this node's signing key from its file or, without one, from HAR_SIGNING_KEY.

    Raises:
        InputError: The file cannot be read or others can, or the key is too short.
    """
    if path is not None:
        return read_key(path)
    text = os.environ.get("HAR_SIGNING_KEY")
    return None if text is None else _checked_key(text, "HAR_SIGNING_KEY")


def _checked_key(text: str, where: str) -> bytes:
    if len(text) < MIN_KEY_LENGTH:
        raise InputError(
            f"{where}: a signing key has {MIN_KEY_LENGTH} characters or more; make one with "
            "openssl rand -hex 32"
        )
    return text.encode()
