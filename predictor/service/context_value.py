"""Context topics: a sensor's value as it comes over MQTT."""

import json
import math

from har_stream.mqtt.messages import MessageError

MAX_LENGTH = 64


def read_value(payload: bytes) -> float | str:
    """Read a context value: a number, ``true`` or ``false``, or a word.

    Raises:
        MessageError: It is none of these, or too long.
    """
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError as error:
        raise MessageError("context: not UTF-8") from error
    if not 0 < len(text) <= MAX_LENGTH or not text.isprintable():
        raise MessageError(f"context: a number or a word of 1 to {MAX_LENGTH} characters expected")
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise MessageError("context: a number or a word expected")
