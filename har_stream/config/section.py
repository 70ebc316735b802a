"""What all sections of the settings have in common."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from har_stream.core.user_path import user_path

Fraction = Annotated[float, Field(ge=0, le=1)]
Duration = Annotated[float, Field(ge=0, le=1e9)]
"""In seconds; 31 years at most, for what never ends cannot be counted."""


def _in_a_home(path: Path) -> Path:
    found = user_path(path)
    if str(found).startswith("~"):
        raise ValueError(f"{path}: no user of that name has a home here; give the whole path")
    return found


def nested(depth: int, reason: str) -> BeforeValidator:
    """Refuse numbers that lie in more or fewer lists all at once, where each would be a problem.

    Args:
        depth: Lists around each number.
        reason: Says what is expected, with an example.
    """

    def check(given: object) -> object:
        if not _lies_within(given, depth):
            raise ValueError(reason)
        return given

    return BeforeValidator(check)


def _lies_within(given: object, n_lists: int) -> bool:
    if not isinstance(given, list | tuple):
        return n_lists == 0
    return n_lists > 0 and all(_lies_within(part, n_lists - 1) for part in given)


UserPath = Annotated[Path, AfterValidator(_in_a_home)]


class Section(BaseModel):
    """A part of the settings: it cannot be changed, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


def refuse_twins(what: str, names: Sequence[str], *, by: str = "") -> None:
    """Refuse two of one name, in a validator.

    Args:
        what: What they are.
        names: Of all.
        by: How one is named.

    Raises:
        ValueError: With the names that stand twice.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"two {what} are called {', '.join(twice)}; give each a name of its own{by}"
        )
