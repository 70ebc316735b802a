"""Paths as people give them, whatever they are: a home that nobody has, a name too long."""

from pathlib import Path


def user_path(given: str | Path) -> Path:
    """Return the path that is meant: ``~`` is a home, where that user has one here."""
    try:
        return Path(given).expanduser()
    except RuntimeError:
        return Path(given)


def is_there(path: Path) -> bool:
    """Tell whether a file or folder exists; what no file may be called does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
