"""The documentation as a site: every link of every page leads somewhere in it."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from support.repository import ENVIRONMENT, ROOT


class _Page(HTMLParser):
    """The links of a page, and the ids that others may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what leads somewhere, and what may be led to."""
        named = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := named.get(name))}
        for name in ("href", "src"):
            if value := named.get(name):
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    mkdocs = Path(sys.executable).parent / "mkdocs"
    command = [
        mkdocs,
        "build",
        "--quiet",
        "-f",
        ROOT / "docs/site/mkdocs.yml",
        "--site-dir",
        folder,
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = {path: _Page(path.read_text()) for path in site.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            target, anchor = urldefrag(link)
            if re.match(r"[a-z]+:", link) or path.name == "404.html":
                continue
            there = (path.parent / unquote(target)).resolve() if target else path
            if not there.exists() or (
                anchor and there in pages and unquote(anchor) not in pages[there].ids
            ):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert not broken


def test_it_shows_every_command_and_fetches_nothing(site: Path) -> None:
    for name in ("har", "har-stream", "train-har", "train-hmm"):
        assert f"usage: {name}" in (site / "commands" / f"{name}.html").read_text()
    for path in site.rglob("*.html"):
        text = path.read_text()
        assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"https?:", text), path
