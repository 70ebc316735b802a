"""What the site shows beside docs/: README, changes, configurations, every command's help.

MkDocs calls the functions below by their names. Pages are written for the repository, where a link
leads from file to file; here it is turned to where the same file stands in the site.
"""

import argparse
import os
import posixpath
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Pages of the top folder, and what they are in the site."""
COMMANDS = {
    "har": "page.commands.har",
    "har-stream": "har_stream.commands.stream_arguments",
    "har-forecast": "predictor.commands.forecast",
    "har-page": "page.commands.page",
    "train-hmm": "predictor.commands.train_hmm_arguments",
    "train-har": "training.commands.arguments",
    "har-sim": "training.commands.sim",
    "har-fleet": "fleet.commands.fleet",
    "har-bench": "training.benchmark.bench",
    "har-demo": "har_stream.commands.demo",
    "har-broker": "har_stream.mqtt.brokers.embedded_broker",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put a page for each command where the navigation says COMMANDS."""
    for entry in config.nav or []:
        if entry.get("Commands") == "COMMANDS":
            entry["Commands"] = [{name: f"commands/{name}.md"} for name in COMMANDS]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what stands outside docs/."""
    for source, shown in _PAGES.items():
        files.append(File.generated(config, shown, content=(ROOT / source).read_text()))
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        files.append(File.generated(config, f"configs/{path.name}", abs_src_path=str(path)))
    os.environ["COLUMNS"] = "100"  # the width to which argparse folds its lines
    for name, module in COMMANDS.items():
        parser = import_module(module).make_parser()
        text = "\n".join(_describe(parser, level=1))
        files.append(File.generated(config, f"commands/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository to those of the site; what is not in it becomes plain text."""
    shown = page.file.src_uri
    source = {site: here for here, site in _PAGES.items()}.get(shown, f"docs/{shown}")

    def turn(link: re.Match[str]) -> str:
        mark, text, target, anchor = link[1], link[2], link[3], link[4] or ""
        if ":" in target:
            return link[0]
        there = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        site = _PAGES.get(there, there.removeprefix("docs/"))
        if files.get_file_from_path(site) is None:
            return text
        relative = posixpath.relpath(site, posixpath.dirname(shown) or ".")
        return f"{mark}[{text}]({relative}{anchor})"

    return _LINK.sub(turn, markdown)


def _describe(parser: argparse.ArgumentParser, *, level: int) -> Iterator[str]:
    """Give a command's help, and that of its subcommands."""
    yield f"{'#' * min(level, 6)} {parser.prog}\n\n```text\n{parser.format_help()}```\n"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in dict.fromkeys(action.choices.values()):
                yield from _describe(subparser, level=level + 1)
