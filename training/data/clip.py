"""A clip, the video that it was cut from, and a data set of clips."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LINK = "+"
"""Joins the names of linked groups: clips of `16+18` share footage."""


EVERY_CLASS = "*"
"""Stands for the class in the source of a clip whose group spans classes."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One video file.

    Attributes:
        path: The file.
        label: Its class.
        group: Name of the video it was cut from; `LINK` joins linked groups.
        spans: Whether its group is the same footage in every class, as one person's recordings are;
            otherwise groups of two classes have nothing in common but the name.
        ungrouped: Whether its name holds no group. It counts as a group of its own, though other
            clips may be of the same video.
    """

    path: Path
    label: str
    group: str
    spans: bool = False
    ungrouped: bool = False

    @property
    def name(self) -> str:
        """Class and file name: alike wherever the data set lies."""
        return f"{self.label}/{self.path.name}"

    @property
    def source(self) -> str:
        """The group with its class, if that matters: what must not lie on two sides of a split."""
        return f"{EVERY_CLASS if self.spans else self.label}/{self.group}"

    def is_of(self, groups: Iterable[str]) -> bool:
        """Tell whether it, or footage linked with it, belongs to one of these groups."""
        return not {canonical(group) for group in groups}.isdisjoint(self.group.split(LINK))


@dataclass(frozen=True, slots=True)
class Dataset:
    """Clips by purpose.

    Attributes:
        labels: Class names in the network's order.
        clips: Clips of these labels.
        others: Clips that are none of them; what they show is not to be recognised.
    """

    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    others: tuple[Clip, ...]


def canonical(group: str) -> str:
    """Write a group's name in one way: numbers without leading zeros."""
    return str(int(group)) if group.isdecimal() else group
