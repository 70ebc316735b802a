"""The colour and the pattern of an activity: by its name alone, so the same everywhere and always.

The colours are those of Okabe and Ito 2008, which colour-blind people tell apart; where two names
meet in one of them, the pattern is another.
"""

from dataclasses import dataclass
from zlib import crc32

COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
PATTERNS = ("plain", "lying", "standing")
"""No stripes, or stripes that lie or stand."""
_SALT = "49167"
"""Of all up to 200,000 the one by which the labels of the shipped bundles differ most."""


@dataclass(frozen=True, slots=True)
class ActivityLook:
    """How an activity is drawn.

    Attributes:
        colour: In hexadecimal digits.
        pattern: One of `PATTERNS`.
    """

    colour: str
    pattern: str

    @property
    def id(self) -> str:
        """Names it in an SVG's definitions."""
        return f"look-{self.colour[1:]}-{self.pattern}"

    @property
    def fill(self) -> str:
        """What an SVG's shape is filled with."""
        return self.colour if self.pattern == "plain" else f"url(#{self.id})"


def look_of(activity: str) -> ActivityLook:
    """Return how an activity is drawn."""
    number = crc32(f"{_SALT}{activity}".encode()) % (len(COLOURS) * len(PATTERNS))
    return ActivityLook(COLOURS[number % len(COLOURS)], PATTERNS[number // len(COLOURS)])


PATTERNED = [ActivityLook(colour, pattern) for pattern in PATTERNS[1:] for colour in COLOURS]
"""Those that an SVG has to define."""
