"""A sensor's value is a number or a word; anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_stream.mqtt.messages import MAX_CONTEXT_LENGTH, MessageError, read_context_value


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
    assert read_context_value(payload) == value


@pytest.mark.parametrize(
    "payload",
    [b"", b"  ", b"\xff", b"[1]", b'{"value": 3}', b"NaN", b"1e999", b"null", b"a\x00b", b"x" * 65],
)
def test_what_is_none(payload: bytes) -> None:
    with pytest.raises(MessageError, match="context"):
        read_context_value(payload)


@given(st.binary(max_size=200))
def test_anything_is_a_bounded_value_or_refused(payload: bytes) -> None:
    try:
        value = read_context_value(payload)
    except MessageError:
        return
    assert isinstance(value, float) or len(value) <= MAX_CONTEXT_LENGTH
