"""What a page would fetch: nothing, where it must stand alone."""

from html.parser import HTMLParser


class Addresses(HTMLParser):
    """Everything that a page would fetch or lead to, and the elements it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.elements: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and where it leads."""
        self.elements.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]


def assert_stands_alone(page: str) -> None:
    """A page loads nothing: no script, no sheet, no font, and every image travels inside it."""
    addresses = Addresses(page)
    assert addresses.found
    assert all(address.startswith("data:image/") for address in addresses.found)
    assert not addresses.elements & {"script", "link", "iframe", "object", "base", "video"}
    assert "http" not in page
    assert "url(" not in page
    assert "@import" not in page
