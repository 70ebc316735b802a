"""Folders hold few files, files few lines, and each name means one thing."""

import ast
import importlib
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from support.repository import PACKAGES, ROOT, SOURCES, imported_modules, module_name, parse

MOST_ENTRIES = 12
"""Of a folder, beside `__init__.py` and `py.typed`."""
MOST_LINES = 400
SMALL = 60
"""Lines below which a file has to say why it is one."""
SOURCE = re.compile(r"\b(?:19|20)\d\d\b|\bRFC \d+\b|https?://")
"""A paper by its year, a standard by its number, a page by its address."""
SMALL_ALONE = {
    "har_stream.core.sqlite.running_time": "a clock; the stores that keep it know no time",
    "har_stream.publishing.event_log": "the file that --record-events writes",
    "har_stream.publishing.systemd": "systemd's protocol sd_notify",
    "training.collect.download_dataset": "needs packages that fetching weights does not",
    "har_stream.recognition.engines.engine": "the interface that every engine keeps",
    "fleet.commands.fit": "what one command does with Ray; who has none imports none of it",
    "fleet.partitions.due_times": "pure: who is due next; what is done then is another matter",
    "predictor.journal.backup": "how a journal is copied while it is in use",
    "predictor.unusual.acknowledged": "what somebody knows of; the watch knows no messages",
    "training.commands.postures": "what one command prints",
    "training.evaluation.ordinary_footage": "what is reported of footage that shows no label",
    "training.fitting.warm_up": "fitting on single frames, before the first epoch",
    "training.reports.clip_strips": "pictures of clips; the page knows no video",
}
"""Small files with one importer and no source, each with its reason."""
CLASSES_TWICE: dict[str, str] = {}
"""Public class names that stand twice, each with its reason."""
FOLDERS = sorted({path.parent for path in SOURCES})
EVERY_FILE = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]


def _docstring(path: Path) -> str:
    return ast.get_docstring(parse(path)) or ""


def _holds_something(path: Path) -> bool:
    within = path.rglob("*") if path.is_dir() else [path]
    return any(each.is_file() and "__pycache__" not in each.parts for each in within)


def test_packages_import() -> None:
    for name in PACKAGES:
        assert importlib.import_module(name).__doc__


def test_a_folder_holds_few_entries() -> None:
    full = set()
    for folder in {path.parent for path in EVERY_FILE}:
        # A folder that an older version left behind may still hold compiled files.
        entries = {each.name for each in folder.iterdir() if _holds_something(each)}
        if len(entries - {"__init__.py", "py.typed", "__pycache__"}) > MOST_ENTRIES:
            full.add(str(folder.relative_to(ROOT)))
    assert not full


@pytest.mark.parametrize("folder", [ROOT / "tests", *(ROOT / package for package in PACKAGES)])
def test_a_file_has_few_lines(folder: Path) -> None:
    long = [
        path for path in folder.rglob("*.py") if len(path.read_text().splitlines()) > MOST_LINES
    ]
    assert not long


def test_a_small_file_has_two_importers_or_a_source() -> None:
    n_importers = Counter(name for found in imported_modules().values() for name in found)
    small = {
        module_name(path)
        for path in SOURCES
        if path.name != "__init__.py"
        and len(path.read_text().splitlines()) < SMALL
        and n_importers[module_name(path)] < 2
        and path.parent.name != "networks"
        and not SOURCE.search(_docstring(path))
    }
    assert not small - SMALL_ALONE.keys()


def test_a_class_name_means_one_thing() -> None:
    places = defaultdict(list)
    for path in SOURCES:
        for node in parse(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module_name(path))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert not twice.keys() - CLASSES_TWICE.keys(), twice


def test_no_file_is_named_after_nothing() -> None:
    for path in SOURCES:
        assert not {"utils", "common", "helpers", "manager"} & set(module_name(path).split("."))


def test_every_module_says_what_it_is() -> None:
    assert not [path for path in EVERY_FILE if not _docstring(path)]


def test_a_folder_says_more_than_its_name() -> None:
    """Three words at least, beside the name."""
    placeholders = {
        module_name(folder)
        for folder in FOLDERS
        if len(set(_docstring(folder / "__init__.py").rstrip(".").split()) - {folder.name}) < 3
    }
    assert not placeholders


def test_a_package_is_its_own_map() -> None:
    """A line for each folder, which begins with its name."""
    unnamed = set()
    for package in PACKAGES:
        text = _docstring(ROOT / package / "__init__.py")
        for folder in FOLDERS:
            line = rf"^\W*{folder.name}\b"
            if folder.parent == ROOT / package and not re.search(line, text, re.MULTILINE):
                unnamed.add(package)
    assert not unnamed


def test_locks_name_packages_versions_and_hashes_only() -> None:
    locks = sorted((ROOT / "locks").glob("*.txt"))
    assert len(locks) == 5
    for lock in locks:
        assert not re.search(r"https?://|index-url|find-links", lock.read_text()), lock
        assert "--hash=sha256:" in lock.read_text()
