"""Reads a strict pydantic model from YAML; whatever is wrong is named by file, line and key."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from har_stream.core.errors import InputError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]


def read(path: Path, model: type[Model]) -> Model:
    """Read a file; an empty one means every default.

    Raises:
        InputError: With file, line, the offending key or value, and the nearest valid key; one
            line for each problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise InputError(f"{path}:1: keys and values expected, for example 'bundle: lrcn-ucf'")
    found = [f"{path}:{line}: key {key!r} is given twice" for line, key in _repeated(root)]
    try:
        valid = model.model_validate(content)
    except ValidationError as error:
        lines = [_line_of(root, problem["loc"]) for problem in error.errors()]
        said = sorted(zip(lines, problems(error, model), strict=True))
        raise InputError(
            "\n".join([*found, *(f"{path}:{n}: {text}" for n, text in said)])
        ) from error
    if found:
        raise InputError("\n".join(found))
    return valid


def problems(error: ValidationError, model: type[BaseModel] | None = None) -> list[str]:
    """Say each problem of a validation in one phrase: the key, and what is wrong.

    Args:
        error: What pydantic found.
        model: Whose keys are suggested in place of an unknown one.
    """
    return [_explain(dict(problem), model) for problem in error.errors()]


def section_in(annotation: Any) -> Any:
    """Return the model inside `Model`, `Model | None` or `tuple[Model, ...]`; else `None`."""
    inner = [annotation, *getattr(annotation, "__args__", ())]
    return next((kind for kind in inner if hasattr(kind, "model_fields")), None)


def _explain(problem: dict[str, Any], model: type[BaseModel] | None) -> str:
    location: Location = problem["loc"]
    key = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        valid = _keys_at(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), valid, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"valid are {', '.join(valid)}"
        return f"unknown key {key!r}; {hint}"
    if problem["type"] == "missing":
        return f"{key} is missing"
    if problem["input"] is None:
        return f"{key} has no value; give one or leave the key out"
    reason: str = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {reason}" if key else reason


def _repeated(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Keys that a mapping holds twice; YAML would silently keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
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
        if isinstance(node, yaml.MappingNode):
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


def _keys_at(model: Any, location: Location) -> list[str]:
    for part in location:
        if isinstance(part, str) and hasattr(model, "model_fields"):
            model = section_in(model.model_fields[part].annotation)
    return list(getattr(model, "model_fields", {}))
