"""What one check of `har-stream --check` found, and the line that says it."""

from dataclasses import dataclass
from typing import Self

from har_stream.core.errors import InputError


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found; `str` gives its line.

    Attributes:
        name: What was looked at.
        ok: Whether `har-stream` can work so.
        text: What was found.
        remedy: What to do; empty where there is nothing to do.
    """

    name: str
    ok: bool
    text: str
    remedy: str = ""

    @classmethod
    def from_error(cls, name: str, error: InputError, *, remedy: str) -> Self:
        """Make the result of an error; ``remedy`` where its own line names none."""
        text, _, own = str(error).partition("; ")
        return cls(name, False, text, own or remedy)

    def __str__(self) -> str:
        mark = "WRONG" if not self.ok else "hint" if self.remedy else "ok"
        said = f"{self.text}; {self.remedy}" if self.remedy else self.text
        return f"{mark:5}  {self.name}: {said}"
