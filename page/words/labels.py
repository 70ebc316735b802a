"""Names of activities and rooms as people say them, where a translation is known."""

from collections.abc import Callable


def mark(text: str) -> str:
    """Mark a string for translation; it is translated where it is shown."""
    return text


LABELS = (
    mark("walking"),
    mark("standing"),
    mark("sitting"),
    mark("lying"),
    mark("bending"),
    mark("fallen"),
    mark("idle"),
    mark("unknown"),
    mark("cooking"),
    mark("eating"),
    mark("sleeping"),
    mark("exercising"),
    mark("relaxing"),
    mark("working"),
    mark("bed"),
    mark("sofa"),
    mark("floor"),
    mark("door"),
    mark("ignore"),
    mark("kitchen"),
    mark("bedroom"),
    mark("bathroom"),
    mark("living_room"),
    mark("studio"),
    mark("silent"),
    mark("waiting"),
    mark("some away"),
    mark("drained"),
    mark("moved"),
    mark("runs"),
    mark("no forecast"),
)
"""Labels of the shipped bundles, kinds of regions, rooms of many homes, states in a fleet."""
_KNOWN = frozenset(LABELS)


def say_label(label: str, translate: Callable[[str], str]) -> str:
    """Return a label as people say it; one that a person chose stays as it is."""
    said = translate(label) if label in _KNOWN else label
    return said.replace("_", " ")
