"""The state of models as bytes and back: JSON, then the arrays as they lie in memory.

Nothing in them is code: only the classes that the reader names are made, with the fields that
they have today. Whatever else is found is refused.
"""

import json
import zlib
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, tzinfo
from typing import Any

import numpy as np

_FORMAT = b"har\x02"
"""The first bytes; to be counted up whenever the rest is written in another way."""
CHECKSUM, _LENGTH = slice(4, 8), slice(8, 16)
"""Behind it: the checksum of all that follows `HEAD`, and the length of the JSON."""
HEAD = _LENGTH.stop
OTHER_VERSION = "it was made by another version of har-stream"
_KINDS = "biuf"
"""Kinds of numbers that arrays may hold."""


class StateError(ValueError):
    """The bytes are damaged, or another version has made them."""


def pack(value: Any, classes: Sequence[type]) -> bytes:
    """Return a value as bytes.

    Args:
        value: Numbers, texts, instants, arrays, collections, and objects of `classes`; of a
            dataclass its fields are kept, of any other class all that it holds.
        classes: What may be in it.

    Raises:
        TypeError: There is something else in it.
    """
    packer = _Packer({each: each.__name__ for each in classes})
    encoded = packer.encode(value)
    header = json.dumps({"arrays": packer.shapes, "value": encoded}, separators=(",", ":"))
    body = b"".join((header.encode(), *packer.chunks))
    checksum, length = zlib.crc32(body).to_bytes(4, "big"), len(header).to_bytes(8, "big")
    return b"".join((_FORMAT, checksum, length, body))


def unpack(content: bytes, classes: Sequence[type], *, zone: tzinfo | None) -> Any:
    """Return the value that `pack` made bytes of.

    Args:
        content: The bytes.
        classes: What may be in it.
        zone: Of its instants; ``None`` stands for this machine's.

    Raises:
        StateError: It is damaged, or of another format or other classes than today's.
    """
    if len(content) > HEAD and not content.startswith(_FORMAT):
        raise StateError(OTHER_VERSION)  # also one from before formats were named
    checksum, length = content[CHECKSUM], int.from_bytes(content[_LENGTH], "big")
    body = memoryview(content)[HEAD:]
    if not body or zlib.crc32(body) != int.from_bytes(checksum, "big"):
        raise StateError("it is damaged")
    try:
        header = json.loads(bytes(body[:length]))
        arrays = _arrays(body[length:], header["arrays"])
        return _Unpacker({each.__name__: each for each in classes}, arrays, zone).decode(
            header["value"]
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise StateError(f"{OTHER_VERSION}: {error}") from error


class _Packer:
    def __init__(self, names: Mapping[type, str]) -> None:
        self.shapes: list[tuple[str, tuple[int, ...]]] = []
        self.chunks: list[bytes] = []
        self._names = names

    def encode(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            self.shapes.append((value.dtype.str, value.shape))
            self.chunks.append(value.tobytes())
            return {"array": len(self.shapes) - 1}
        if isinstance(value, datetime):
            return {"at": value.isoformat()}
        name = self._names.get(type(value))
        if name is not None:
            return {"is": name, "with": self._pairs(_fields_of(value))}
        if isinstance(value, Mapping):
            kind = "counter" if isinstance(value, Counter) else "map"
            return {kind: self._pairs(value)}
        for kind, class_ in (("tuple", tuple), ("list", list), ("set", set | frozenset)):
            if isinstance(value, class_):
                return {kind: [self.encode(each) for each in value]}
        if isinstance(value, deque):
            return {"newest": [self.encode(each) for each in value], "most": value.maxlen}
        raise TypeError(f"{type(value).__name__} is no state")

    def _pairs(self, values: Mapping[Any, Any]) -> list[Any]:
        return [[self.encode(key), self.encode(each)] for key, each in values.items()]


class _Unpacker:
    def __init__(
        self, classes: Mapping[str, type], arrays: Sequence[Any], zone: tzinfo | None
    ) -> None:
        self._classes = classes
        self._makers: Mapping[str, Callable[[Any], Any]] = {
            "array": arrays.__getitem__,
            "at": lambda said: datetime.fromisoformat(said).astimezone(zone),
            "map": self._map,
            "counter": lambda pairs: Counter(self._map(pairs)),
            "tuple": lambda held: tuple(map(self.decode, held)),
            "list": lambda held: [*map(self.decode, held)],
            "set": lambda held: {*map(self.decode, held)},
        }

    def decode(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        kind, held = next(iter(value.items()))
        if kind == "is":
            return _made(self._classes[held], self._map(value["with"]))
        if kind == "newest":
            return deque(map(self.decode, held), maxlen=value["most"])
        return self._makers[kind](held)

    def _map(self, pairs: Any) -> dict[Any, Any]:
        return {self.decode(key): self.decode(each) for key, each in pairs}


def _fields_of(value: Any) -> dict[str, Any]:
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return {**vars(value)}


def _made(class_: type, held: dict[str, Any]) -> Any:
    """Make an object; of a dataclass anew, so that what it derives from its fields is there."""
    if not is_dataclass(class_):
        made: Any = object.__new__(class_)
        vars(made).update(held)
        return made
    if held.keys() != {each.name for each in fields(class_)}:
        raise StateError(f"{class_.__name__} has other fields today")
    made = class_(**{each.name: held[each.name] for each in fields(class_) if each.init})
    for each in fields(class_):
        if not each.init:
            setattr(made, each.name, held[each.name])
    return made


def _arrays(content: memoryview, shapes: Sequence[Any]) -> list[Any]:
    """Cut arrays out of the bytes that they lie in, each in memory of its own."""
    arrays, begin = [], 0
    for name, shape in shapes:
        kind = np.dtype(name)
        if kind.kind not in _KINDS:
            raise StateError(f"{name!r} is no kind of number")
        n_values = int(np.prod(shape, dtype=np.int64))
        found = np.frombuffer(content, kind, n_values, begin)
        arrays.append(found.reshape(shape).copy())
        begin += n_values * kind.itemsize
    return arrays
