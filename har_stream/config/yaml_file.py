"""Reads a strict pydantic model from YAML; whatever is wrong is named by file, line and key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from har_stream.config.problems import MAX_SAID, Location, problems
from har_stream.core.errors import InputError

Model = TypeVar("Model", bound=BaseModel)
MAX_BYTES = 200_000
MAX_DEPTH = 32
MAX_NODES = 5_000
MAX_CHARACTERS = 4_000
"""Far more than any settings need; PyYAML reads so much in about half a second."""
_BAD_VALUE = (ValueError, LookupError, AttributeError, TypeError, OverflowError)
"""What PyYAML raises for a date, number or tag that is none: `2026-13-01`, `!!int x`."""


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Read a file; an empty one means every default.

    Raises:
        InputError: With file, line, the offending key or value, and the nearest valid key; one
            line for each problem.
    """
    root, repeated, content = _load(path)
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise InputError(f"{path}:1: keys and values expected, for example 'bundle: home'")
    found = [f"{path}:{line}: key {key!r} is given twice" for line, key in repeated]
    try:
        valid = model.model_validate(content)
    except ValidationError as error:
        lines = [_line_of(root, problem["loc"]) for problem in error.errors()[:MAX_SAID]]
        said = sorted(zip(lines, problems(error, model), strict=True))
        found += [f"{path}:{n}: {text}" for n, text in said]
        raise InputError("\n".join(found[:MAX_SAID])) from error
    if found:
        raise InputError("\n".join(found[:MAX_SAID]))
    return valid


def _load(path: Path) -> tuple[yaml.Node | None, list[tuple[int, str]], Any]:
    """Read a file: its nodes, which know their lines, its repeated keys, and its content."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise InputError(f"{path}: more than {MAX_BYTES // 1000} kB are no settings")
        loader = _BoundedLoader(text)
        root = loader.get_single_node()
        _check_size(root)
        repeated = list(_repeated(root))  # before what is merged counts as a key of its own
        return root, repeated, None if root is None else loader.construct_document(root)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not valid YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        if error.encoding == "utf-8":
            line = text.count(b"\n", 0, error.position) + 1
            raise InputError(f"{path}:{line}: is not UTF-8 text; save it as UTF-8") from error
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


class _BoundedLoader(yaml.SafeLoader):
    """PyYAML's loader calls itself for every level, and would run out of stack."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Read the next node, unless it lies too deep."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f"more than {MAX_DEPTH} levels",
                problem_mark=self.get_mark(),
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make a value of a node; one that is no date, number, ... is said with its line."""
        try:
            return super().construct_object(node, deep)
        except _BAD_VALUE as error:
            kind = node.tag.rpartition(":")[2]
            raise yaml.MarkedYAMLError(
                problem=f"{str(node.value)[:40]!r} is no {kind}", problem_mark=node.start_mark
            ) from error


def _check_size(root: yaml.Node | None) -> None:
    """Refuse anchors that multiply, or hold themselves: a few lines can stand for billions."""
    waiting = [(root, 1)] if root is not None else []
    n_nodes = 0
    while waiting:
        node, depth = waiting.pop()
        n_nodes += 1
        if n_nodes > MAX_NODES or depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f"more than {MAX_NODES} values or {MAX_DEPTH} levels, its anchors followed",
                problem_mark=node.start_mark,
            )
        if isinstance(node, yaml.ScalarNode) and len(node.value) > MAX_CHARACTERS:
            raise yaml.MarkedYAMLError(
                problem=f"more than {MAX_CHARACTERS} characters in a value",
                problem_mark=node.start_mark,
            )
        if isinstance(node, yaml.MappingNode):
            waiting += [(part, depth + 1) for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(part, depth + 1) for part in node.value]


def _repeated(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Keys that a mapping holds twice; YAML would silently keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key.start_mark.line + 1, key.value
                seen.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value)


def _line_of(node: yaml.Node | None, location: Location) -> int:
    """Line of the deepest part of the location that the file holds."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode) and isinstance(part, int):
            # A mapping that stands for a list: its key names the part, or it is the only one.
            if part < len(node.value) and isinstance(node.value[part][1], yaml.MappingNode):
                line, node = node.value[part][0].start_mark.line + 1, node.value[part][1]
        elif isinstance(node, yaml.MappingNode):
            pairs = [(k, v) for k, v in node.value if k.value == str(part)]
            if not pairs:
                return line
            line, node = pairs[-1][0].start_mark.line + 1, pairs[-1][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                return line
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
