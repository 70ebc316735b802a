"""What payloads may hold: names without control characters."""

from support.event_builder import event

from har_stream.mqtt.messages import ActivityEvent
from har_stream.mqtt.requests import BridgeRequest


def test_a_probability_has_four_digits_and_what_is_unlikely_stays_possible() -> None:
    told = event(confidence=0.9224202603629441, probabilities={"a": 0.99999, "b": 0.0000123456})
    assert (told.confidence, told.probabilities) == (0.9224, {"a": 1.0, "b": 0.00001235})


def test_names_hold_no_control_characters_and_a_transaction_is_given_back_as_it_is() -> None:
    """A terminal would obey them, and PostgreSQL refuses NUL and the whole import with it."""
    odd = "Tee\0 \x1b[2J\n\x9b朝食"
    told = event(activity=odd, room=odd, probabilities={odd: 1.0})
    clean = "Tee\ufffd \ufffd[2J\ufffd\ufffd朝食"
    assert (told.activity, told.room, told.probabilities) == (clean, clean, {clean: 1.0})
    assert ActivityEvent.decode(told.encode()) == told
    assert BridgeRequest(transaction=odd).transaction == odd
