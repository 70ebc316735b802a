"""`docs/schema` says of every payload what the code really writes and reads."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.repository import ROOT

from har_stream.mqtt import message_schema, messages, requests
from har_stream.mqtt.messages import ActivityEvent, Message, MessageError

FOLDER = ROOT / "docs" / "schema"


@pytest.mark.parametrize("name", message_schema.schema_files())
def test_the_file_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text() == message_schema.schema_files()[name], (
        "out of date: python -m har_stream.mqtt.message_schema docs/schema"
    )


def test_no_file_is_left_over() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(message_schema.schema_files())


@pytest.mark.parametrize("name", message_schema.PAYLOADS)
def test_the_example_obeys_its_schema_and_can_be_read_back(name: str) -> None:
    payload = message_schema.PAYLOADS[name]
    content = json.loads((FOLDER / f"{name}.json").read_text())
    validator = jsonschema.Draft202012Validator(
        content, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    validator.check_schema(content)
    (example,) = content["examples"]
    validator.validate(example)
    assert type(payload.example).decode(json.dumps(example)) == payload.example
    unfamiliar = json.dumps(example | {"from_the_future": 1})
    assert type(payload.example).decode(unfamiliar) == payload.example


REQUESTS = {"acknowledge_request", "bridge_request", "correction_request", "undo_request"}
"""Written by others, who may leave out what they do not need."""


@pytest.mark.parametrize("name", sorted(message_schema.PAYLOADS.keys() - REQUESTS))
def test_the_schema_misses_nothing_that_is_required(name: str) -> None:
    content = json.loads((FOLDER / f"{name}.json").read_text())
    (example,) = content["examples"]
    for field in example:
        lacking = {key: value for key, value in example.items() if key != field}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(lacking, content)


@pytest.mark.parametrize("request_", ["{}", '{"transaction":"7"}', '{"camera":"c","from_seq":1}'])
def test_a_request_may_leave_out_what_it_does_not_need(request_: str) -> None:
    content = json.loads((FOLDER / "bridge_request.json").read_text())
    jsonschema.validate(json.loads(request_), content)
    requests.BridgeRequest.decode(request_.encode())


_BOUNDS = {
    "integer": ({"minimum", "maximum"},),
    "number": ({"minimum", "maximum"},),
    "string": ({"maxLength"}, {"format"}, {"enum"}),
    "array": ({"maxItems"},),
    "object": ({"maxProperties", "propertyNames"}, {"properties"}),
}
"""What a schema must say of a value of some type: one of the sets."""


def _values(schema: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema of a value within a schema, with its place."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield where, schema
        for key, part in schema.items():
            if key not in ("examples", "propertyNames"):
                yield from _values(part, f"{where}/{key}")
    elif isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from _values(part, f"{where}/{number}")


@pytest.mark.parametrize("name", message_schema.PAYLOADS)
def test_every_field_has_its_range(name: str) -> None:
    content = json.loads((FOLDER / f"{name}.json").read_text())
    found = list(_values(content, name))
    assert found
    without = [
        where
        for where, schema in found
        if not any(bounds <= schema.keys() for bounds in _BOUNDS.get(schema["type"], ()))
        and "const" not in schema
        and schema["type"] not in ("null", "boolean")
    ]
    assert without == []


BEYOND = (2**53, 2**63, 2**64, 2**70, -(2**63), -1e300, "x" * 2001, ["x"] * 101)


@pytest.mark.parametrize("name", message_schema.PAYLOADS)
def test_what_lies_beyond_the_schema_is_refused_when_read_too(name: str) -> None:
    """Field by field: code and schema agree on what is out of range."""
    content = json.loads((FOLDER / f"{name}.json").read_text())
    validator = jsonschema.Draft202012Validator(
        content, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    (example,) = content["examples"]
    model = type(message_schema.PAYLOADS[name].example)
    n_refused = 0
    for field in example:
        for extreme in BEYOND:
            changed = json.dumps(example | {field: extreme})
            if not validator.is_valid(json.loads(changed)):
                with pytest.raises(MessageError, match=f"^{model.__name__}: "):
                    model.decode(changed)
                n_refused += 1
    assert n_refused > len(example)


@pytest.mark.parametrize("request_", [b'{"camera":"\\ud800"}', b'{"camera":"\xed\xa0\x80"}'])
def test_half_a_character_is_refused(request_: bytes) -> None:
    """SQLite takes none for a camera's name."""
    with pytest.raises(MessageError):
        requests.BridgeRequest.decode(request_)


def test_every_message_of_the_wire_is_described() -> None:
    parts = {messages.Likely, messages.NextStart, messages.Score, messages.UnusualFinding}
    described = {type(payload.example) for payload in message_schema.PAYLOADS.values()}
    assert described | parts == set(Message.__subclasses__())


@given(payload=st.one_of(st.binary(), st.text(), st.sampled_from(["[" * 10**5, "{}", "null"])))
@pytest.mark.parametrize("model", sorted(Message.__subclasses__(), key=lambda m: m.__name__))
def test_any_payload_is_read_or_refused_in_one_line(
    model: type[Message], payload: bytes | str
) -> None:
    try:
        read = model.decode(payload)
    except MessageError as error:
        assert str(error).startswith(model.__name__)
    else:
        assert model.decode(read.encode()) == read


@given(
    seq=st.integers(1, messages.MAX_NUMBER),
    at=st.datetimes(
        datetime(2026, 1, 1),
        datetime(2027, 1, 1),
        timezones=st.timezones(),
        allow_imaginary=False,
    ),
)
def test_an_event_survives_the_wire_to_the_millisecond(seq: int, at: datetime) -> None:
    example = json.loads(message_schema.PAYLOADS["event"].example.encode())
    example |= {"seq": seq}
    event = ActivityEvent.decode(json.dumps(example))
    moved = event.model_copy(update={"started_at": at.replace(microsecond=123000)})
    read = ActivityEvent.decode(moved.encode()).started_at
    assert read.isoformat() == moved.started_at.isoformat()
