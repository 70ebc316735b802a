"""Payloads of contexts and sensors, which others publish: a number, a word, a field of JSON."""

import json
import math

from har_stream.config.forecast_settings import SensorSettings
from har_stream.mqtt.messages import MessageError

MAX_CONTEXT_LENGTH = 64
_ON = frozenset({"on", "true", "1.0", "open", "home", "yes"})
_OFF = frozenset({"off", "false", "0.0", "closed", "not_home", "no"})
_NOTHING = frozenset({"unknown", "unavailable", "none"})
"""What Home Assistant says of an entity that does not answer."""


def read_value(payload: bytes) -> float | str:
    """Read a context value: a number, ``true`` or ``false``, or a word.

    Raises:
        MessageError: It is none of these, or too long.
    """
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError as error:
        raise MessageError("context: not UTF-8") from error
    if not 0 < len(text) <= MAX_CONTEXT_LENGTH or not text.isprintable():
        raise MessageError(
            f"context: a number or a word of 1 to {MAX_CONTEXT_LENGTH} characters expected"
        )
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise MessageError("context: a number or a word expected")


def read_reading(sensor: SensorSettings, payload: bytes) -> bool | None:
    """Read whether a sensor is on; ``None`` where it says that it does not know.

    Raises:
        MessageError: It says neither.
    """
    value = read_value(payload if sensor.field is None else _field(sensor.field, payload))
    word = str(value).lower()
    if word in _NOTHING:
        return None
    if sensor.above is not None and isinstance(value, float):
        return value > sensor.above
    for is_on, own, words in ((True, sensor.payload_on, _ON), (False, sensor.payload_off, _OFF)):
        if word in words or (own is not None and word == own.lower()):
            return is_on
    remedy = "payload_on and payload_off name its words" if sensor.above is None else "a number"
    raise MessageError(f"sensor {sensor.name}: {word!r} is neither on nor off; {remedy}")


def _field(name: str, payload: bytes) -> bytes:
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise MessageError("JSON expected") from error
    if not isinstance(content, dict) or name not in content:
        raise MessageError(f"no field {name!r}")
    return json.dumps(content[name]).encode()
