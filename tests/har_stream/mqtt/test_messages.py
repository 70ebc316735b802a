"""What payloads may hold: names without control characters; a sensor's number or word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.event_builder import event

from har_stream.mqtt.messages import (
    MAX_CONTEXT_LENGTH,
    ActivityEvent,
    MessageError,
    read_context_value,
)
from har_stream.mqtt.requests import BridgeRequest


def test_names_hold_no_control_characters_and_a_transaction_is_given_back_as_it_is() -> None:
    """A terminal would obey them, and PostgreSQL refuses NUL and the whole import with it."""
    odd = "Tee\0 \x1b[2J\n\x9b朝食"
    told = event(activity=odd, room=odd, probabilities={odd: 1.0})
    clean = "Tee\ufffd \ufffd[2J\ufffd\ufffd朝食"
    assert (told.activity, told.room, told.probabilities) == (clean, clean, {clean: 1.0})
    assert ActivityEvent.decode(told.encode()) == told
    assert BridgeRequest(transaction=odd).transaction == odd


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
