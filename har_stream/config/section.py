"""What all sections of the settings have in common."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]


UserPath = Annotated[Path, AfterValidator(Path.expanduser)]


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
