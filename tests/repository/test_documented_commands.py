"""Every command on a page is one that the programs understand; what can run here is run."""

import argparse
import contextlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from support.event_builder import living
from support.repository import ENVIRONMENT, ROOT, load_module

from predictor.logs.csv_log import write_log
from predictor.logs.event_file import write_events
from predictor.logs.read_logs import read_logs

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_ANY_BLOCK = re.compile(r"```.*?```", re.DOTALL)
_IN_A_LINE = re.compile(r"`([a-z][^`]*)`")
RUN_HERE = (
    "har licences",
    "har-stream --list-bundles",
    "har-forecast --print-acl",
    "train-hmm import casas data.txt --out log.csv",
    "train-hmm log.csv --out my-home",
    "train-hmm evaluate log.csv --raw --model dbn",
    "train-hmm compare log.csv --html report.html",
    "train-hmm show my-home --out home.html",
    "har-forecast --import log.csv",
    "har-forecast --export events.jsonl",
    "har-forecast --backup journal-backup.db",
    "train-hmm evaluate LOG --unusual 7",
    "train-har summary lrcn",
)
"""In this order, in a folder with a log of activities."""
NOT_HERE = {
    "--camera": "needs a camera",
    "--config": "runs until somebody ends it",
    "--data": "needs clips",
    "--clips": "needs clips",
    "--archive": "needs recordings",
    "runs/": "needs a run of train-har fit",
    "download": "fetches from the internet",
    "--broker": "needs a broker that others run",
    "--forget": "needs a broker that others run",
    "--make-password": "asks for a password",
    "cut": "needs recordings",
    "import lrcn.h5": "needs a network of somebody else",
    "score": "takes hours",
    "har-forecast": "runs until somebody ends it, or needs files of a home",
    "har-page": "runs until somebody ends it",
    "har-broker": "runs until somebody ends it",
    "har-stream --archive": "needs recordings",
    "train-hmm sqlite": "needs the journal of a home",
    "train-hmm": "needs logs: the same as those that are run, with other flags",
    "configs/": "needs clips, or hours",
    "har-fleet": "needs a fleet's machines and database",
}
"""Part of a command, and why it is not run: tests of its program run it."""


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of every command, as the site's pages of commands are made of them."""
    pages = load_module(ROOT / "docs" / "site" / "pages.py")
    return {name: import_module(module).make_parser() for name, module in pages.COMMANDS.items()}


def _words(line: str) -> list[str]:
    """Part a line into words; no words where it is none of our commands."""
    words = shlex.split(line.replace("\n", " ").partition(" > ")[0], comments=True)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # HAR_WEIGHTS=/my/weights
        words = words[1:]
    return words if words and words[0] in parsers() else []


def _in_blocks(page: Path) -> Iterator[str]:
    """The commands that a page shows to be copied."""
    for block in _BLOCK.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            if _words(line):
                yield line


def _named(page: Path) -> Iterator[list[str]]:
    """The commands that a page names in a sentence or a table, often without all that they need."""
    for text in _IN_A_LINE.findall(_ANY_BLOCK.sub("", page.read_text())):
        with contextlib.suppress(ValueError):  # an apostrophe: words, and no command
            yield _words(text)


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_is_understood(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # where its paths lead from
    for line in _in_blocks(page):
        name, *words = _words(line)
        if name == "train-hmm" and words[0] not in _subparsers(parsers()[name]):
            words.insert(0, "fit")  # the default command
        with contextlib.suppress(SystemExit):
            parsers()[name].parse_args(words)
            continue
        pytest.fail(f"{page.name}: {line}: {capsys.readouterr().err}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    for words in _named(page):
        if len(words) < 2:
            continue
        parser = parsers()[words[0]]
        flags = {flag for action in parser._actions for flag in action.option_strings}
        subparsers = _subparsers(parser)
        chosen = subparsers.get(words[1]) or subparsers.get("fit" if words[1].islower() else "")
        if chosen is not None:
            flags |= {flag for action in chosen._actions for flag in action.option_strings}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= flags, f"{page.name}: {' '.join(words)}"


def test_every_command_that_is_installed_has_a_page() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert parsers().keys() == scripts.keys()


def test_every_command_is_run_or_it_is_said_why_not() -> None:
    for page in PAGES:
        for line in _in_blocks(page):
            shown = line.partition("#")[0].strip()
            assert shown in RUN_HERE or any(part in line for part in NOT_HERE), shown


@pytest.mark.slow
def test_what_can_run_here_runs(tmp_path: Path) -> None:
    write_events(living(days=40), tmp_path / "events.jsonl")
    write_log(tmp_path / "log.csv", read_logs([str(tmp_path / "events.jsonl")]).sessions)
    (tmp_path / "data.txt").write_text(CASAS)
    environment = ENVIRONMENT | {"XDG_STATE_HOME": str(tmp_path / "state")}
    for command in RUN_HERE:
        name, *words = shlex.split(command.replace("LOG", "log.csv"))
        if words[:2] == ["import", "casas"]:
            words[-1] = "casas.csv"  # a few lines, too few to learn from
        done = subprocess.run(
            [str(Path(sys.executable).parent / name), *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        print(f"{command}\n{done.stdout}{done.stderr}")
        assert done.returncode == 0, command


CASAS = """\
2010-11-04 00:03:50.209589 M003 ON Sleeping begin
2010-11-04 05:40:51.303739 M004 ON Sleeping end
2010-11-04 05:40:52.303739 M004 ON Bed_to_Toilet begin
2010-11-04 05:43:30.279021 M007 OFF Bed_to_Toilet end
2010-11-04 05:43:45.7324 M003 ON Sleeping begin
2010-11-04 08:01:12.282970 M003 OFF Sleeping end
"""
