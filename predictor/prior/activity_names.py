"""Which common activity a label is named after, by the table `activity_names.yaml`."""

import re
import unicodedata
from functools import cache
from importlib.resources import files

import yaml

_CAPITAL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_SIGNS = re.compile(r"[\W_]+")


def activity_of_label(label: str) -> str | None:
    """Return the common activity that a label is named after; ``None`` where none is known.

    The longest name that is found in the label as whole words counts; the first of the table where
    two are as long.
    """
    words = _words(label)
    found: tuple[int, str | None] = (0, None)
    for name, activity in _names().items():
        is_within = f" {name} " in f" {words} "
        if is_within and len(name.split()) > found[0]:
            found = len(name.split()), activity
    return found[1]


def common_activities() -> tuple[str, ...]:
    """Return the common activities, in the order of the table."""
    return tuple(dict.fromkeys(_names().values()))


@cache
def _names() -> dict[str, str]:
    """Return the common activity of each name."""
    text = files(__package__).joinpath("activity_names.yaml").read_text(encoding="utf-8")
    table: dict[str, list[str]] = yaml.safe_load(text)
    return {
        _words(name): activity for activity, others in table.items() for name in (activity, *others)
    }


def _words(label: str) -> str:
    parted = _SIGNS.sub(" ", _CAPITAL.sub(" ", unicodedata.normalize("NFKC", label)))
    return parted.strip().casefold()
