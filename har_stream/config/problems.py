"""Says in words of this project what pydantic found wrong."""

import difflib
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError

MAX_SAID, MAX_SHOWN, MAX_GIVEN = 20, 500, 60
"""Problems that are said of one file; characters shown of a key or reason, and of a given value."""
_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "{le:g} or less",
    "literal_error": "{expected}",
    "string_type": "text",
    "string_too_short": "text",
    "string_too_long": "{max_length} characters at most",
    "path_type": "the path of a file",
    "list_type": "a list",
    "tuple_type": "a list",
    "too_long": "{max_length} values at most",
    "too_short": "{min_length} values or more",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}
"""By pydantic's kind of problem."""
Location = tuple[str | int, ...]


def problems(error: ValidationError, model: type[BaseModel] | None = None) -> list[str]:
    """Say each problem of a validation in one phrase, the first 20: the key, and what is wrong.

    Args:
        error: What pydantic found.
        model: Whose keys are suggested in place of an unknown one.
    """
    return [_explain(dict(problem), model) for problem in error.errors()[:MAX_SAID]]


def section_in(annotation: Any) -> Any:
    """Return the model inside `Model`, `Model | None` or `tuple[Model, ...]`; else `None`."""
    inner = [annotation, *getattr(annotation, "__args__", ())]
    return next((kind for kind in inner if hasattr(kind, "model_fields")), None)


def _explain(problem: dict[str, Any], model: type[BaseModel] | None) -> str:
    location: Location = problem["loc"]
    key = " ".join(".".join(str(part) for part in location).split())[:MAX_SHOWN]
    if problem["type"] == "extra_forbidden":
        valid = _keys_at(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), valid, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"valid are {', '.join(valid)}"
        return f"unknown key {key!r}; {hint}"
    if problem["type"] == "missing":
        return f"{key} is missing"
    if problem["input"] is None:
        return f"{key} has no value; give one or leave the key out"
    reason = _reason(problem)[:MAX_SHOWN]
    return f"{key}: {reason}" if key else reason


def _reason(problem: dict[str, Any]) -> str:
    """Say what is wrong in words of ours, as far as the kind of problem is one of settings."""
    if problem["type"] not in _EXPECTED:
        return str(problem["msg"]).removeprefix("Value error, ")
    expected = _EXPECTED[problem["type"]].format(**problem.get("ctx", {}))
    hint = "; put it in quotes" if expected == "text" and _is_plain(problem["input"]) else ""
    return f"{expected} expected, not {_shown(problem['input'])}{hint}"


def _is_plain(given: object) -> bool:
    """Tell what YAML makes of words that stand bare: `on`, a date."""
    return isinstance(given, bool | date)


def _shown(given: object) -> str:
    """A value as YAML has it; of a long one its kind."""
    match given:
        case bool():
            return str(given).lower()
        case Mapping():
            return "keys and values"
        case list() | tuple():
            return f"a list of {len(given)}" if given else "an empty list"
        case str() if len(given) > MAX_GIVEN:
            return f"{len(given)} characters"
    return repr(given)


def _keys_at(model: Any, location: Location) -> list[str]:
    for part in location:
        if isinstance(part, str) and hasattr(model, "model_fields"):
            model = section_in(model.model_fields[part].annotation)
    return list(getattr(model, "model_fields", {}))
