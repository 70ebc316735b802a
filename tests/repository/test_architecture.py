"""House rules that a machine can check: import directions, no pickle, small files, bare locks."""

import ast
import re
from pathlib import Path

import pytest
from support.repository import ROOT

PACKAGES = ("har_stream", "predictor", "training")
LIGHT = {
    "broker",
    "discovery",
    "errors",
    "forget",
    "messages",
    "mqtt",
    "once",
    "recognition",
    "settings",
    "topics",
    "whole_file",
}
"""The modules of har_stream that the predictor may import."""
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: absolute imports only"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_imports_go_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    for imported in _imports(path):
        first = imported.split(".")[0]
        if first not in PACKAGES or first == package:
            continue
        assert package != "har_stream", f"har_stream may not import {imported}"
        if package == "predictor":
            assert first == "har_stream", f"predictor may not import {imported}"
            second = imported.split(".")[1] if "." in imported else ""
            assert second in LIGHT, f"predictor may not import {imported}"


def test_the_import_graph_has_no_cycle() -> None:
    modules = {_name(path): path for path in SOURCES}
    graph = {
        name: _imports(path, top_level_only=True) & set(modules) - {name}
        for name, path in modules.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"cycle: {' -> '.join((*trail, name))}"
        if name not in done:
            for imported in graph[name]:
                visit(imported, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_no_pickle_no_eval(path: Path) -> None:
    assert not _imports(path) & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal"}
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec"}
    assert "allow_pickle=True" not in path.read_text()


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_files_are_small_rooms(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    assert not {"utils", "common", "helpers", "manager"} & set(_name(path).split("."))


def test_every_module_says_what_it_is() -> None:
    for path in SOURCES:
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_locks_name_packages_versions_and_hashes_only() -> None:
    locks = sorted((ROOT / "locks").glob("*.txt"))
    assert len(locks) == 4
    for lock in locks:
        assert not re.search(r"https?://|index-url|find-links", lock.read_text()), lock
        assert "--hash=sha256:" in lock.read_text()
