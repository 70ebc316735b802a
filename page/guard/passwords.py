"""The page's password: asked for once, and kept as a hash of argon2id (RFC 9106)."""

from getpass import getpass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from har_stream.config.secret_file import read_secret
from har_stream.core.atomic_file import replacing, writing
from har_stream.core.errors import InputError

MIN_LENGTH = 10
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""19 MiB and two passes, which OWASP's password storage cheat sheet recommends."""


def make_password_file(path: Path) -> None:
    """Ask for a password, twice, and write its hash to a file that its owner alone may read.

    Raises:
        InputError: There is none, it is too short, was not typed the same twice, or the file
            cannot be written.
    """
    try:
        password = getpass("a new password for the page: ")
    except EOFError as error:
        raise InputError("no password was given; call this in a terminal, and type one") from error
    if len(password) < MIN_LENGTH:
        raise InputError(f"a password for the page has {MIN_LENGTH} characters or more")
    if getpass("the same again: ") != password:
        raise InputError("the two are not the same; nothing was written")
    write_hash(path, password)


def write_hash(path: Path, password: str) -> None:
    """Write a password's hash to a file that its owner alone may read.

    Raises:
        InputError: The file cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            Path(file.name).chmod(0o600)
            file.write(_HASHER.hash(password) + "\n")


class Password:
    """Tells whether a password is right.

    Args:
        path: The file with its hash.

    Raises:
        InputError: The file is missing, others may read it, or it holds no hash of argon2id.
    """

    def __init__(self, path: Path) -> None:
        self._hash = read_secret(path, "password")
        if not self._hash.startswith("$argon2id$"):
            raise InputError(
                f"{path}: holds no argon2id hash; write one with har-page --make-password {path}"
            )

    def is_right(self, password: str) -> bool:
        """Tell whether it is this one; takes a twentieth of a second, right or wrong."""
        try:
            return _HASHER.verify(self._hash, password)
        except (VerificationError, InvalidHashError):
            return False
