"""A sensor's value is a number or a word, on or off; anything else is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_stream.config.forecast_settings import SensorSettings
from har_stream.mqtt.messages import MessageError
from predictor.sensors.payloads import MAX_CONTEXT_LENGTH, read_reading, read_value


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"21.5", 21.5),
        (b" -3\n", -3.0),
        (b"true", 1.0),
        (b"home", "home"),
        (b'"not home"', "not home"),
        ("draußen".encode(), "draußen"),
    ],
)
def test_values(payload: bytes, value: float | str) -> None:
    assert read_value(payload) == value


@pytest.mark.parametrize(
    "payload",
    [b"", b"  ", b"\xff", b"[1]", b'{"value": 3}', b"NaN", b"1e999", b"null", b"a\x00b", b"x" * 65],
)
def test_what_is_none(payload: bytes) -> None:
    with pytest.raises(MessageError, match="context"):
        read_value(payload)


@given(st.binary(max_size=200))
def test_anything_is_a_bounded_value_or_refused(payload: bytes) -> None:
    try:
        value = read_value(payload)
    except MessageError:
        return
    assert isinstance(value, float) or len(value) <= MAX_CONTEXT_LENGTH


def _sensor(**fields: Any) -> SensorSettings:
    return SensorSettings.model_validate({"name": "s", "topic": "t"} | fields)


@pytest.mark.parametrize(
    ("fields", "payload", "reading"),
    [
        ({}, b"on", True),
        ({}, b"OFF", False),
        ({}, b"true", True),
        ({}, b"0", False),
        ({}, b"open", True),
        ({}, b"not_home", False),
        ({}, b"unavailable", None),
        ({"above": 20}, b"20.5", True),
        ({"above": 20}, b"20", False),
        ({"above": 20}, b"unknown", None),
        ({"field": "occupancy"}, b'{"occupancy":true,"battery":80}', True),
        ({"field": "state"}, b'{"state":"OFF"}', False),
        ({"field": "power", "above": 5}, b'{"power":3}', False),
        ({"payload_on": "Heating", "payload_off": "rest"}, b"heating", True),
        ({"payload_on": "Heating", "payload_off": "rest"}, b"REST", False),
    ],
)
def test_what_is_on(fields: dict[str, Any], payload: bytes, reading: bool | None) -> None:
    assert read_reading(_sensor(**fields), payload) is reading


@pytest.mark.parametrize(
    ("fields", "payload", "words"),
    [
        ({}, b"maybe", "'maybe' is neither on nor off; payload_on"),
        ({}, b"23.5", "'23.5' is neither"),
        ({"above": 1}, b"warm", "'warm' is neither on nor off; a number"),
        ({"field": "x"}, b"on", "JSON expected"),
        ({"field": "x"}, b'{"y":1}', "no field 'x'"),
        ({"field": "x"}, b"[" * 100_000, "JSON expected"),
        ({"field": "x"}, b'{"x":{}}', "a number or a word"),
    ],
)
def test_what_is_neither(fields: dict[str, Any], payload: bytes, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        read_reading(_sensor(**fields), payload)
