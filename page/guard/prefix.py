"""The path under which a proxy shows the page, such as ``/har``."""

import re

_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*")


def is_prefix(path: str) -> bool:
    """Tell whether a path may stand before every link of the page; an empty one stands for none."""
    return _PREFIX.fullmatch(path) is not None
