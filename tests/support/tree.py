"""Draws the tree of the packages, a line a file: `make tree` writes it into CONTRIBUTING.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from support.repository import PACKAGES, ROOT, parse

PAGE = ROOT / "CONTRIBUTING.md"
WIDTH = 100
"""Characters of a line, at most."""
_NAMES_WIDTH = 34
_BLOCK = re.compile(r"(?<=<!-- tree -->\n).*(?=<!-- end of tree -->)", re.DOTALL)


def write_tree(page: str) -> str:
    """Return a page with its tree drawn anew."""
    lines = [line for package in PACKAGES for line in _draw(ROOT / package, depth=0)]
    block = "\n".join(("```text", *lines, "```\n"))
    return _BLOCK.sub(lambda _: block, page)


def _draw(folder: Path, *, depth: int) -> Iterator[str]:
    """A folder's line, then its entries in the order in which its docstring names them."""
    story = ast.get_docstring(parse(folder / "__init__.py")) or ""
    yield _line(f"{folder.name}/", story, depth=depth)
    entries = [
        path
        for path in folder.iterdir()
        if (path / "__init__.py").is_file() or (path.suffix == ".py" and path.name != "__init__.py")
    ]
    for path in sorted(entries, key=lambda path: (_place(path.name, story), path.name)):
        if path.is_dir():
            yield from _draw(path, depth=depth + 1)
        else:
            yield _line(path.name, ast.get_docstring(parse(path)) or "", depth=depth + 1)


def _place(name: str, story: str) -> int:
    found = re.search(rf"(?m)^\W*(?:\w+\.py`*, `*)?{re.escape(name)}\b", story)
    return found.start() if found else len(story)


def _line(name: str, story: str, *, depth: int) -> str:
    room = WIDTH - _NAMES_WIDTH
    first = story.split("\n\n")[0].replace("\n", " ").rstrip(".")
    while len(first) > room:  # cut where the sentence pauses, else between two words
        pause = max(first.rfind(mark, 0, room) for mark in (", ", ": ", "; "))
        first = first[: pause if pause > 0 else first.rfind(" ", 0, room)]
    return f"{'    ' * depth}{name}".ljust(_NAMES_WIDTH) + first


if __name__ == "__main__":
    PAGE.write_text(write_tree(PAGE.read_text()))
