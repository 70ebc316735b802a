"""Pages from templates: how numbers are written, and images that travel inside the page."""

import base64
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

MEBI, KIBI = 1 << 20, 1 << 10
DENSITY = 1.5
"""Pixels of a plot for each that it takes on the page: it stays sharp on a fine screen."""


def render(template: str, **values: Any) -> str:
    """Fill a template of `training/reports/templates`; everything in it is escaped."""
    environment = Environment(
        loader=PackageLoader("training.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "points": points,
        "grouped": grouped,
        "metric": metric,
        "ms": ms,
        "kib": kib,
    }
    return environment.get_template(template).render(**values)


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot inside a page.

    Attributes:
        address: The PNG file itself, as `embed` writes it.
        width_px: How wide it is shown, so that all type on a page is of one size.
    """

    address: str
    width_px: int

    @classmethod
    def of(cls, png: bytes) -> "Picture":
        """Take a PNG file; its header holds its width."""
        width = int.from_bytes(png[16:20])
        return cls(embed(png), round(width / DENSITY))


def embed(image: bytes, kind: str = "png") -> str:
    """Return an image as an address that needs no file."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def percent(share: float, n_digits: int = 1) -> str:
    """Write 0.6194 as `61.9 %`."""
    return f"{100 * share:.{n_digits}f}\N{NO-BREAK SPACE}%"


def points(share: float) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}")


def grouped(number: float) -> str:
    """Write 73060 as `73,060`."""
    return f"{number:,.0f}"


def metric(number: float) -> str:
    """Write 3416576 as `3.42 M`."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g}\N{NO-BREAK SPACE}{unit}"
    return f"{number:.0f}"


def ms(milliseconds: float) -> str:
    """Write milliseconds with two digits that count."""
    n_digits = 2 if milliseconds < 1 else 1
    return f"{milliseconds:.{n_digits}f}\N{NO-BREAK SPACE}ms"


def kib(n_bytes: int) -> str:
    """Write a size in KiB or MiB."""
    if n_bytes >= MEBI:
        return f"{n_bytes / MEBI:.1f}\N{NO-BREAK SPACE}MiB"
    return f"{n_bytes / KIBI:.0f}\N{NO-BREAK SPACE}KiB"
