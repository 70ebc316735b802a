"""Makes messages by a payload's JSON schema: within its ranges, often at their ends, or beyond."""

import json
import random
from typing import Any

from har_stream.mqtt import message_schema
from har_stream.mqtt.messages import Message, MessageError

BEYOND = (
    *(2**53, 2**62, 2**63, 2**64, 2**70, -1, -(2**63), 1e300, -1e300, 1.5, True, None),
    *("", "x" * 257, "x" * 3000, "1969-12-31T00:00:00Z", "2300-01-01T00:00:00Z", "9999-99-99"),
    *([], ["x"] * 101, [[[[]]]], {}, {"x" * 257: 1}, {"x": 2**63}),
)
INSTANTS = (
    "1970-01-01T00:00:00.000+00:00",
    "2026-01-05T08:00:00.000+01:00",
    "2026-10-25T02:30:00.000+01:00",
    "2199-12-31T23:59:59.999+00:00",
    "2199-12-31T10:00:00.000-12:00",
)


class MessageMaker:
    """Makes messages of one payload's kind.

    Args:
        name: The payload's name in `message_schema.PAYLOADS`.
        dice: Decides.
    """

    def __init__(self, name: str, dice: random.Random) -> None:
        payload = message_schema.PAYLOADS[name]
        self._kind: type[Message] = type(payload.example)
        self._schema = message_schema.describe(payload)
        self._dice = dice

    def within(self, **fields: object) -> bytes:
        """Make a message that its schema allows, some fields given."""
        return json.dumps(self._value(self._schema) | fields).encode()

    def beyond(self) -> bytes:
        """Make one that is wrong in one field."""
        while True:
            message = self._value(self._schema)
            message[self._dice.choice(list(message))] = self._dice.choice(BEYOND)
            payload = json.dumps(message).encode()
            if self.refuses(payload):
                return payload

    def refuses(self, payload: bytes) -> bool:
        """Tell whether a payload is malformed."""
        try:
            self._kind.decode(payload)
        except MessageError:
            return True
        return False

    def _value(self, schema: dict[str, Any]) -> Any:
        if "$ref" in schema:
            return self._value(self._schema["$defs"][schema["$ref"].rsplit("/", 1)[-1]])
        if "anyOf" in schema:
            return self._value(self._dice.choice(schema["anyOf"]))
        if "const" in schema or "enum" in schema:
            return self._dice.choice(schema.get("enum", [schema.get("const")]))
        if schema["type"] in ("array", "object"):
            return self._container(schema)
        return self._scalar(schema)

    def _scalar(self, schema: dict[str, Any]) -> Any:
        dice = self._dice
        match schema["type"]:
            case "integer":
                low, high = schema["minimum"], schema["maximum"]
                return dice.choice((low, high, dice.randint(low, high), dice.randint(1, 99)))
            case "number":
                return dice.choice((schema["minimum"], schema["maximum"], dice.random()))
            case "string":
                is_instant = schema.get("format") == "date-time"
                if is_instant:
                    return dice.choice(INSTANTS)
                return self._text(schema["maxLength"], schema.get("minLength", 0))
            case "boolean":
                return dice.random() < 0.5
            case _:
                return None

    def _container(self, schema: dict[str, Any]) -> Any:
        if "prefixItems" in schema:
            return [self._value(each) for each in schema["prefixItems"]]
        n_values = self._dice.randrange(4)
        if schema["type"] == "array":
            return [self._value(schema["items"]) for _ in range(n_values)]
        if "properties" in schema:
            return {name: self._value(each) for name, each in schema["properties"].items()}
        values = schema["additionalProperties"]
        names = [self._text(20) for _ in range(n_values)]
        return {name: 1 if values is True else self._value(values) for name in names}

    def _text(self, longest: int, shortest: int = 0) -> str:
        words = ("cooking", "eating", "sleeping", "idle", "unknown", "", "\U0001f600", "'=1+1")
        return self._dice.choice((*words, "x" * longest)) or "x" * shortest
