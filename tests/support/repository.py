"""Where the repository lies, whichever folder a test stands in, and what its modules import."""

import ast
import functools
import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
"""For a child process that imports `support`."""
PACKAGES = ("har_stream", "predictor", "page", "training", "fleet")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@functools.cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a file, made once for all tests."""
    return ast.parse(path.read_text())


def module_name(path: Path) -> str:
    """Name a source file as an import would: `har_stream.core.frame`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def load_module(path: Path) -> ModuleType:
    """Import a file that is in no package."""
    spec = spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def imports_of(path: Path) -> set[str]:
    """Every name that a file imports, inside functions and under TYPE_CHECKING too.

    `from a import b` counts as `a` and as `a.b`, since `b` may be a module.
    """
    found: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path}: absolute imports only"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@functools.cache
def imported_modules() -> dict[str, set[str]]:
    """The modules of the project that each module of the project imports."""
    modules = {module_name(path): imports_of(path) for path in SOURCES}
    return {name: found & set(modules) - {name} for name, found in modules.items()}
